// <live-frame job="...">: the newest frame of a job that runs, while somebody looks. One request at
// a time: a slow line gets fewer frames, not old ones.

import { preview } from "../api.js";
import { h, put } from "../dom.js";

const SECONDS_BETWEEN_FRAMES = 0.25;
const SECONDS_AFTER_NONE = 1;

class LiveFrame extends HTMLElement {
  #tag = null;
  #timer = 0;
  #isSeen = false;
  #line = null;
  #url = null;

  connectedCallback() {
    this.image = h("img", { alt: "The last frame that was rendered", hidden: true });
    this.waiting = h("p", { class: "waiting" }, "The first frame comes when the first chunk is done.");
    put(this, h("span", { class: "badge" }, "live"), this.waiting, this.image);
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

  #show({ blob, tag }) {
    this.#tag = tag;
    const before = this.#url;
    this.#url = URL.createObjectURL(blob);
    this.image.onload = () => before && URL.revokeObjectURL(before);
    this.image.src = this.#url;
    this.image.hidden = false;
    this.waiting.hidden = true;
    this.dispatchEvent(new CustomEvent("frame"));
  }
}

customElements.define("live-frame", LiveFrame);
