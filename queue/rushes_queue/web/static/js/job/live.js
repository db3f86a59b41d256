// <live-frame job="..." input="...">: the newest frame of a job that runs, while somebody looks. One
// request at a time: a slow line gets fewer frames, not old ones. Until the first frame is there it
// shows the start of the input, and what the worker does.

import { get, preview } from "../api.js";
import { h, put, setText } from "../dom.js";

const SECONDS_BETWEEN_FRAMES = 0.25;
const SECONDS_AFTER_NONE = 1;
const SECONDS_BETWEEN_PHASES = 1;
const PHASES = { loading: "The worker fetches the files and loads the model.", busy: "The first chunk is being rendered." };

class LiveFrame extends HTMLElement {
  #tag = null;
  #timer = 0;
  #isSeen = false;
  #line = null;
  #url = null;

  connectedCallback() {
    this.image = h("img", { alt: "The last frame that was rendered", hidden: true });
    this.waiting = h("p", { class: "waiting", role: "status" }, "A worker has taken the job.");
    const input = this.getAttribute("input");
    this.before = input ? h("video", { src: input, muted: true, preload: "auto", class: "before", onerror: () => this.before.remove(), "aria-label": "The start of the input" }) : null;
    this.badge = h("span", { class: "badge" }, input ? "input" : "live");
    put(this, this.badge, this.before, this.waiting, this.image);
    this.phases = setInterval(() => this.#askPhase(), SECONDS_BETWEEN_PHASES * 1000);
    this.#askPhase();
    this.observer = new IntersectionObserver(([entry]) => {
      this.#isSeen = entry.isIntersecting;
      this.#ask();
    });
    this.observer.observe(this);
    this.onVisibility = () => this.#ask();
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  disconnectedCallback() {
    this.observer.disconnect();
    document.removeEventListener("visibilitychange", this.onVisibility);
    clearTimeout(this.#timer);
    clearInterval(this.phases);
    this.#line?.abort();
    if (this.#url) URL.revokeObjectURL(this.#url);
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (this.#line || !this.#isSeen || document.hidden || !this.isConnected) return;
    this.#line = new AbortController();
    const begin = performance.now();
    let pause = SECONDS_BETWEEN_FRAMES;
    try {
      const frame = await preview(this.getAttribute("job"), this.#tag, this.#line.signal);
      if (frame && this.isConnected) this.#show(frame);
    } catch {
      pause = SECONDS_AFTER_NONE;
    }
    this.#line = null;
    if (!this.isConnected) return;
    this.#timer = setTimeout(() => this.#ask(), Math.max(pause * 1000 - (performance.now() - begin), 0));
  }

  async #askPhase() {
    if (document.hidden) return;
    const { workers } = await get("workers").catch(() => ({ workers: [] }));
    const worker = workers.find(({ holds }) => holds.includes(this.getAttribute("job")));
    if (worker && worker.status in PHASES) setText(this.waiting, PHASES[worker.status]);
  }

  #show({ blob, tag }) {
    if (this.image.hidden) this.#begin();
    this.#tag = tag;
    const before = this.#url;
    this.#url = URL.createObjectURL(blob);
    this.image.onload = () => before && URL.revokeObjectURL(before);
    this.image.src = this.#url;
    this.dispatchEvent(new CustomEvent("frame"));
  }

  /** Put the first frame in the place of what was there before. */
  #begin() {
    clearInterval(this.phases);
    this.before?.remove();
    this.waiting.remove();
    setText(this.badge, "live");
    this.image.hidden = false;
    performance.mark("rushes:live");
  }
}

customElements.define("live-frame", LiveFrame);
