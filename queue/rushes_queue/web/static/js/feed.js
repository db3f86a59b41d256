// Changes of jobs as they happen. A page that nobody sees hears nothing: browsers allow a server
// six connections for all of its pages.

import { address } from "./api.js";

/**
 * Call `onNews` with each change of these jobs, or of all; `onOpen` whenever the line is there
 * (again), so that the page can ask for what it missed. Returns a function that ends it.
 */
export function follow(jobs, { onNews, onOpen = () => {}, onAway = () => {} }) {
  let source = null;

  function open() {
    if (source || document.hidden) return;
    source = new EventSource(address("watch", { job: jobs }));
    source.onopen = onOpen;
    source.onerror = onAway;
    source.onmessage = (event) => onNews(JSON.parse(event.data));
  }

  function close() {
    source?.close();
    source = null;
  }

  const onVisibility = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("pagehide", close);
  open();
  return () => {
    document.removeEventListener("visibilitychange", onVisibility);
    close();
  };
}
