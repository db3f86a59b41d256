// <timeline-strip>: a plan over time. Give it `plan` (the JSON of a plan), and what is known beside:
// `pictures` (addresses of small images), `sound` ({levels, seconds, beats}), `curves` (more of
// them, as of plan.js), `done` (seconds that are rendered). It tells of `seek` with detail.time;
// `time` moves the playhead. An editor adds its handles to `overlay`, an SVG group in the same
// coordinates, and redraws them on `drawn`.

import { h, icon, put, setText, svg } from "../dom.js";
import { clock, decimal, number } from "../format.js";
import { blocks, curveLane, grid, loudness, ruler, thumbnails } from "./lanes.js";
import { chunkAt, chunkTimes, curvesOf, runsOf } from "./plan.js";
import { Scale } from "./scale.js";

const MOST_ZOOM = 64;
const SECONDS_SHOWN = 2; // at the largest zoom, at least

class TimelineStrip extends HTMLElement {
  #plan = null;
  #time = 0;
  #zoom = 1;
  #extra = { pictures: null, sound: null, curves: [], done: null };
  #drawing = 0;
  #drawn = new Map(); // lanes of curves that have a key

  connectedCallback() {
    this.overlay = svg("g", { class: "overlay" });
    this.lanes = svg("g");
    this.shade = svg("rect", { class: "done-shade", y: 0, height: 0 });
    this.hover = svg("line", { class: "hover", y1: 0, visibility: "hidden" });
    this.head = svg("g", {}, svg("line", { class: "playhead", y1: 12 }), svg("path", { class: "playhead-grip", d: "M-6 2h12v7l-6 7-6-7z" }));
    this.svg = svg("svg", { class: "lanes", "aria-hidden": "true" }, this.lanes, this.shade, this.hover, this.overlay, this.head);
    this.names = h("div", { class: "names", "aria-hidden": "true" });
    this.view = h("div", { class: "view", role: "slider", tabindex: "0", "aria-label": "Time in the timeline", "aria-valuemin": "0" }, this.svg);
    this.now = h("div", { class: "now grow" });
    const zoom = (times) => () => this.zoomBy(times);
    this.tools = h("div", { class: "tools" });
    put(this,
      h("div", { class: "bar" }, this.now, this.tools,
        h("button", { type: "button", class: "quiet icon", "aria-label": "Show less time, larger", onclick: zoom(2) }, icon("in")),
        h("button", { type: "button", class: "quiet icon", "aria-label": "Show more time, smaller", onclick: zoom(0.5) }, icon("out"))),
      h("div", { class: "frame" }, this.names, this.view));
    this.view.addEventListener("keydown", (event) => this.#onKey(event));
    this.view.addEventListener("pointermove", (event) => this.#onMove(event));
    this.view.addEventListener("pointerdown", (event) => this.#onDown(event));
    this.view.addEventListener("pointerleave", () => {
      this.hover.setAttribute("visibility", "hidden");
      this.#say(this.#time);
    });
    this.view.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    this.observer = new ResizeObserver(() => this.#drawSoon());
    this.observer.observe(this.view);
    this.#drawSoon();
  }

  disconnectedCallback() {
    this.observer.disconnect();
    cancelAnimationFrame(this.#drawing);
  }

  set plan(plan) {
    this.#plan = plan;
    this.times = chunkTimes(plan);
    this.runs = runsOf(plan);
    this.#drawSoon();
  }

  get plan() {
    return this.#plan;
  }

  set pictures(addresses) {
    this.#extra.pictures = addresses;
    this.#drawSoon();
  }

  set sound(sound) {
    this.#extra.sound = sound;
    this.#drawSoon();
  }

  set curves(curves) {
    this.#extra.curves = curves;
    this.#drawSoon();
  }

  set done(seconds) {
    this.#extra.done = seconds;
    this.#shadeRest();
  }

  set time(seconds) {
    this.#time = Math.min(Math.max(seconds, 0), this.duration);
    this.#placeHead();
  }

  get time() {
    return this.#time;
  }

  get duration() {
    return this.times?.at(-1) ?? 0;
  }

  /** Return a curve's lane with its `top`, in pixels; undefined where it is not drawn. */
  lane(key) {
    return this.#drawn.get(key);
  }

  zoomBy(times) {
    const most = Math.min(MOST_ZOOM, Math.max(1, this.duration / SECONDS_SHOWN));
    const before = this.#zoom;
    this.#zoom = Math.min(Math.max(this.#zoom * times, 1), most);
    if (this.#zoom === before) return;
    this.#draw();
    this.view.scrollLeft = this.scale.x(this.#time) - this.view.clientWidth / 2;
  }

  #lanesToDraw() {
    const { pictures, sound, curves } = this.#extra;
    const drawn = [ruler];
    if (pictures?.length) drawn.push(thumbnails);
    drawn.push(blocks, grid, ...curvesOf(this.#plan).map(curveLane), ...curves.map(curveLane));
    if (sound) drawn.push(loudness);
    return drawn;
  }

  #drawSoon() {
    cancelAnimationFrame(this.#drawing);
    this.#drawing = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const shown = this.view?.clientWidth;
    if (!this.#plan || !shown) return;
    this.scale = new Scale(this.duration, Math.max(shown * this.#zoom, shown));
    const data = { plan: this.#plan, times: this.times, runs: this.runs, scale: this.scale, ...this.#extra };
    let y = 0;
    this.#drawn.clear();
    this.lanes.replaceChildren();
    this.names.replaceChildren();
    for (const lane of this.#lanesToDraw()) {
      const group = svg("g", { transform: `translate(0 ${y})` });
      lane.draw(group, data);
      this.lanes.append(group);
      this.#name(lane, y);
      if (lane.key) this.#drawn.set(lane.key, { ...lane, top: y });
      y += lane.height;
    }
    this.height = y + 6;
    this.svg.setAttribute("width", this.scale.width);
    this.svg.setAttribute("height", this.height);
    this.names.style.height = `${this.height}px`;
    for (const line of [this.hover, this.head.firstChild]) line.setAttribute("y2", this.height);
    this.view.setAttribute("aria-valuemax", this.duration.toFixed(2));
    this.#shadeRest();
    this.#placeHead();
    this.dispatchEvent(new CustomEvent("drawn"));
  }

  #name(lane, y) {
    const text = h("span", {}, lane.name);
    text.style.top = `${y + lane.height / 2}px`;
    this.names.append(text);
    (lane.range ?? []).forEach((value, place) => {
      const small = h("small", {}, value);
      small.style.top = `${y + (place ? lane.height - 14 : 0)}px`;
      this.names.append(small);
    });
  }

  #shadeRest() {
    const { done } = this.#extra;
    if (!this.scale) return;
    const x = done === null ? this.scale.width : this.scale.x(Math.min(done, this.duration));
    this.shade.setAttribute("x", x);
    this.shade.setAttribute("width", Math.max(this.scale.width - x, 0));
    this.shade.setAttribute("height", this.height ?? 0);
  }

  #placeHead() {
    if (!this.scale) return;
    this.head.setAttribute("transform", `translate(${this.scale.x(this.#time).toFixed(2)} 0)`);
    this.#say(this.#time);
    this.view.setAttribute("aria-valuenow", this.#time.toFixed(2));
    this.view.setAttribute("aria-valuetext", this.#describe(this.#time).join(", "));
  }

  #describe(seconds) {
    const place = chunkAt(this.times, seconds);
    const chunk = this.#plan.chunks[place];
    const frame = Math.min(Math.floor(seconds * this.#plan.fps + 1e-6), this.#plan.num_frames - 1);
    const run = this.runs.find((each) => each.first <= place && place <= each.last);
    const about = [`${clock(seconds)}, frame ${number(frame)}`, `chunk ${number(place)}`];
    if (chunk.noise_scale !== null) about.push(`noise scale ${decimal(chunk.noise_scale)}`);
    if (chunk.transition !== null) about.push(`in transition (${Math.round(chunk.transition * 100)} %)`);
    if (chunk.reset && place) about.push("reset");
    return [...about, run?.text ?? ""];
  }

  #say(seconds) {
    if (!this.#plan) return;
    const [first, ...rest] = this.#describe(seconds);
    const text = [first, ...rest].join(" · ");
    if (this.now.title === text) return;
    this.now.title = text;
    put(this.now, h("b", { class: "num" }, first), ` · ${rest.join(" · ")}`);
  }

  #secondsOf(event) {
    const box = this.svg.getBoundingClientRect();
    return this.scale.seconds(event.clientX - box.left);
  }

  #onMove(event) {
    if (!this.scale) return;
    const seconds = this.#secondsOf(event);
    const x = this.scale.x(seconds);
    this.hover.setAttribute("x1", x);
    this.hover.setAttribute("x2", x);
    this.hover.setAttribute("visibility", "visible");
    this.#say(seconds);
    if (event.buttons & 1 && this.view.hasPointerCapture(event.pointerId)) this.seek(seconds);
  }

  #onDown(event) {
    if (event.button !== 0 || !this.scale || event.defaultPrevented) return;
    this.view.setPointerCapture(event.pointerId);
    this.seek(this.#secondsOf(event));
  }

  #onWheel(event) {
    if (!(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8);
  }

  #onKey(event) {
    if (!this.#plan || event.altKey || event.ctrlKey || event.metaKey) return;
    const frame = 1 / this.#plan.fps;
    const place = chunkAt(this.times, this.#time);
    const to = {
      ArrowRight: event.shiftKey ? this.times[place + 1] : this.#time + frame,
      ArrowLeft: event.shiftKey ? this.times[Math.max(place - 1, 0)] : this.#time - frame,
      PageDown: this.runs.find((run) => run.start > this.#time + 1e-6)?.start ?? this.duration,
      PageUp: this.runs.findLast((run) => run.start < this.#time - 1e-6)?.start ?? 0,
      Home: 0,
      End: this.duration,
    }[event.key];
    if (to === undefined) {
      if (event.key === "+" || event.key === "-") this.zoomBy(event.key === "+" ? 2 : 0.5);
      return;
    }
    event.preventDefault();
    this.seek(to);
    const x = this.scale.x(this.#time);
    if (x < this.view.scrollLeft || x > this.view.scrollLeft + this.view.clientWidth) this.view.scrollLeft = x - this.view.clientWidth / 2;
  }

  /** Move the playhead, and tell who listens. */
  seek(seconds) {
    this.time = seconds;
    this.dispatchEvent(new CustomEvent("seek", { detail: { time: this.#time } }));
  }
}

customElements.define("timeline-strip", TimelineStrip);
