// Two to four takes: all of them in a grid, one at a time (the keys 1 to 4, or A for the next), or
// the difference of two.

import { clock as clockText, number } from "../format.js";
import { h, icon, put, setText } from "../dom.js";
import { Clock } from "./clock.js";

export const LETTERS = "ABCD";
const BRIGHTER = 4; // times, so that small differences are seen
const RATES = [0.1, 0.25, 0.5, 1, 2];

export class Stage {
  #view = "grid";
  #shown = 0;

  /** `takes` have job, address and plan; `onStar` is told which one is starred. */
  constructor(place, takes, { starred, onStar }) {
    this.takes = takes;
    this.videos = takes.map(({ address }, index) => h("video", { src: address, playsinline: true, preload: "auto", loop: true, muted: true, "aria-label": `Take ${LETTERS[index]}` }));
    for (const video of this.videos.slice(1)) video.muted = true;
    this.figures = takes.map((take, index) => this.#figure(take, index, starred, onStar));
    this.canvas = h("canvas", { "aria-label": "Difference" });
    this.grid = h("div", { class: "takes" }, this.figures, h("figure", { class: "difference" }, this.canvas));
    const [{ plan }] = takes;
    this.clock = new Clock(this.videos, plan.fps, plan.num_frames);
    put(place, this.grid, this.#controls(plan));
    this.clock.addEventListener("time", () => this.#onTime());
    this.clock.addEventListener("playing", () => this.#showPlaying());
    this.#setView("grid");
  }

  #figure({ job }, index, starred, onStar) {
    const star = h("button", { type: "button", class: "quiet icon star", "aria-pressed": String(job.id === starred), "aria-label": `Star take ${LETTERS[index]}`, onclick: () => {
      for (const each of this.figures) each.querySelector(".star").setAttribute("aria-pressed", String(each === figure));
      onStar(job);
    } }, "★");
    const figure = h("figure", { class: "take" }, this.videos[index],
      h("figcaption", {}, h("span", { class: "letter" }, LETTERS[index]), h("a", { href: `/job/${job.id}` }, job.name),
        h("span", { class: "dim num" }, `seed ${job.seed} · ${job.preset}`), h("span", { class: "grow" }), star));
    return figure;
  }

  #controls(plan) {
    this.playButton = h("button", { type: "button", class: "icon", "aria-label": "Play", onclick: () => this.clock.toggle() }, icon("play"));
    this.place = h("input", { type: "range", min: 0, max: plan.num_frames - 1, value: 0, "aria-label": "Frame", oninput: () => this.clock.seek((Number(this.place.value) + 0.5) / plan.fps) });
    this.time = h("span", { class: "time dim" });
    const views = [["grid", "All in a grid"], ["one", "One at a time"], ["difference", "Difference"]];
    this.views = h("select", { "aria-label": "How they are shown", onchange: () => this.#setView(this.views.value) }, views.map(([value, text]) => h("option", { value }, text)));
    this.which = h("select", { "aria-label": "Which take", onchange: () => this.#showTake(Number(this.which.value)) }, this.takes.map((_, index) => h("option", { value: index }, LETTERS[index])));
    const rates = h("select", { "aria-label": "Speed", onchange: () => (this.clock.rate = Number(rates.value)) }, RATES.map((rate) => h("option", { value: rate, selected: rate === 1 }, `${number(rate)} ×`)));
    const step = (frames, label, picture) => h("button", { type: "button", class: "quiet icon", "aria-label": label, onclick: () => this.clock.step(frames) }, icon(picture));
    return h("div", { class: "controls" }, this.playButton, step(-1, "One frame back", "back"), step(1, "One frame on", "forward"), this.place, this.time, this.views, this.which, rates);
  }

  /** Do what a key asks for; returns whether it asked for anything. */
  onKey(key) {
    const index = Number(key) - 1;
    if (index >= 0 && index < this.takes.length) this.#flip(index);
    else if (key === "a") this.#flip((this.#shown + 1) % this.takes.length);
    else if (key === "d") this.#setView(this.#view === "difference" ? "grid" : "difference");
    else if (key === "g") this.#setView("grid");
    else if (key === " ") this.clock.toggle();
    else if (key === "," || key === ".") this.clock.step(key === "," ? -1 : 1);
    else return false;
    return true;
  }

  #flip(index) {
    this.#setView("one");
    this.#showTake(index);
  }

  #showTake(index) {
    this.#shown = index;
    this.which.value = index;
    this.figures.forEach((figure, each) => figure.classList.toggle("shown", each === index));
    this.#onTime();
  }

  #setView(view) {
    this.#view = view;
    this.views.value = view;
    this.which.hidden = view === "grid";
    const shape = this.takes.length === 2 || this.takes.length === 4 ? "two-by-two" : "";
    this.grid.className = `takes ${{ grid: shape, one: "one", difference: "difference-of" }[view]}`;
    if (view === "difference" && this.#shown === 0) this.#shown = 1;
    this.#showTake(this.#shown);
  }

  #showPlaying() {
    put(this.playButton, icon(this.clock.isPaused ? "play" : "pause"));
    this.playButton.setAttribute("aria-label", this.clock.isPaused ? "Play" : "Pause");
  }

  #onTime() {
    this.place.value = this.clock.frame;
    setText(this.time, `${clockText(this.clock.time)} · ${number(this.clock.frame)}`);
    if (this.#view === "difference") this.#drawDifference();
  }

  /** Draw how far the take that is chosen is from the first, four times as bright. */
  #drawDifference() {
    const [first] = this.videos;
    const other = this.videos[this.#shown];
    if (!first.videoWidth || !other.videoWidth) return;
    if (this.canvas.width !== first.videoWidth) {
      this.canvas.width = first.videoWidth;
      this.canvas.height = first.videoHeight;
    }
    const { width, height } = this.canvas;
    const context = this.canvas.getContext("2d");
    context.globalCompositeOperation = "source-over";
    context.drawImage(first, 0, 0, width, height);
    context.globalCompositeOperation = "difference";
    context.drawImage(other, 0, 0, width, height);
    context.globalCompositeOperation = "color-dodge";
    context.fillStyle = `rgb(${Array(3).fill(Math.round(255 * (1 - 1 / BRIGHTER))).join(" ")})`;
    context.fillRect(0, 0, width, height); // dodge divides by what is left to white: times four
    this.canvas.setAttribute("aria-label", `Difference of take A and take ${LETTERS[this.#shown]}`);
  }
}
