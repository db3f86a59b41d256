// <job-picture job="..." state="...">: the last frame of a job, asked for only while it is seen.

import { address } from "./api.js";

const SECONDS_BETWEEN_FRAMES = 3;

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) entry.target.isSeen = entry.isIntersecting;
}, { rootMargin: "200px" });

class JobPicture extends HTMLElement {
  static observedAttributes = ["state"];
  #seen = false;
  #timer = 0;
  #image = null;

  connectedCallback() {
    observer.observe(this);
  }

  disconnectedCallback() {
    observer.unobserve(this);
    clearTimeout(this.#timer);
  }

  set isSeen(isSeen) {
    this.#seen = isSeen;
    this.#ask();
  }

  attributeChangedCallback(name, before, after) {
    if (before !== null && before !== after) this.#ask();
  }

  #ask() {
    clearTimeout(this.#timer);
    const state = this.getAttribute("state");
    if (!this.#seen || document.hidden || !["done", "running"].includes(state)) {
      if (this.#seen && state === "running") this.#again();
      return;
    }
    if (state === "done" && this.#image?.dataset.state === "done") return;
    const image = new Image();
    image.alt = "";
    image.decoding = "async";
    image.dataset.state = state;
    image.onload = () => {
      this.#image = image;
      this.replaceChildren(image);
      if (state === "running") this.#again();
    };
    image.onerror = () => state === "running" && this.#again();
    const query = state === "running" ? { at: Date.now() } : {};
    image.src = address(`thumbnail/${this.getAttribute("job")}`, query);
  }

  #again() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), SECONDS_BETWEEN_FRAMES * 1000);
  }
}

customElements.define("job-picture", JobPicture);
