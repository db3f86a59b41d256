// <video-pair>: input and result in step, side by side or with a wipe between them, and a loupe.
// Set `sources` ({input, result, inputRate, fps}); it tells of `timechange` and takes `seek(t)`.

import { h, icon, put, setText } from "../dom.js";
import { clock, number } from "../format.js";

const MOST_DRIFT = 0.06; // seconds between the two, before the input is moved
const LOUPE = 220; // pixels a side
const TIMES = 3;
const RATES = [0.1, 0.25, 0.5, 1, 2];
const MODES = [["wipe", "Wipe"], ["side", "Side by side"], ["result", "Result alone"]];

class VideoPair extends HTMLElement {
  #mode = "wipe";
  #wipe = 50;
  #isLoupe = false;
  #pointer = { x: 0.5, y: 0.5 };

  set sources({ input, result, fps, numFrames }) {
    this.fps = fps;
    this.numFrames = numFrames;
    const options = { playsinline: true, preload: "auto", loop: true };
    this.result = h("video", { ...options, class: "result-video", src: result, "aria-label": "Result" });
    this.input = input ? h("video", { ...options, class: "input", src: input, "aria-label": "Input", muted: true }) : null;
    this.result.muted = false;
    if (this.input) this.input.muted = true;
    this.#build();
  }

  #build() {
    this.screen = h("div", { class: "screen", tabindex: "0", role: "group", "aria-label": "Pictures; space plays, comma and full stop step, L is the loupe" },
      this.input, this.result, h("div", { class: "line" }),
      this.input ? h("span", { class: "label left" }, "input") : null, h("span", { class: "label right" }, "result"));
    this.loupe = h("canvas", { class: "loupe", width: LOUPE, height: LOUPE, hidden: true, "aria-hidden": "true" });
    this.screen.append(this.loupe);
    this.playButton = h("button", { type: "button", class: "icon", "aria-label": "Play", onclick: () => this.toggle() }, icon("play"));
    this.place = h("input", { type: "range", min: 0, max: this.numFrames - 1, step: 1, value: 0, "aria-label": "Frame", oninput: () => this.seek(Number(this.place.value) / this.fps) });
    this.wipeRange = h("input", { type: "range", min: 0, max: 100, step: 0.5, value: 50, "aria-label": "Wipe between input and result", oninput: () => this.#setWipe(Number(this.wipeRange.value)) });
    this.time = h("span", { class: "time dim" });
    this.modes = h("select", { "aria-label": "How they are shown", onchange: () => this.#setMode(this.modes.value) },
      MODES.filter(([mode]) => this.input || mode === "result").map(([mode, text]) => h("option", { value: mode }, text)));
    const rates = h("select", { "aria-label": "Speed", onchange: () => this.#setRate(Number(rates.value)) },
      RATES.map((rate) => h("option", { value: rate, selected: rate === 1 }, `${number(rate)} ×`)));
    this.loupeButton = h("button", { type: "button", class: "icon", "aria-pressed": "false", "aria-label": "Loupe", title: "Loupe (L)", onclick: () => this.#setLoupe(!this.#isLoupe) }, icon("loupe"));
    const step = (frames, label, picture) => h("button", { type: "button", class: "quiet icon", "aria-label": label, onclick: () => this.step(frames) }, icon(picture));
    this.wipeLabel = h("label", { class: "dim" }, "Wipe ", this.wipeRange);
    put(this, this.screen, h("div", { class: "controls" },
      this.playButton, step(-1, "One frame back", "back"), step(1, "One frame on", "forward"), this.place, this.time,
      this.input ? this.wipeLabel : null, this.input ? this.modes : null, rates, this.loupeButton));
    this.#listen();
    this.#setMode(this.input ? "wipe" : "result");
  }

  #listen() {
    const video = this.result;
    for (const name of ["play", "pause"]) video.addEventListener(name, () => this.#showPlaying());
    for (const name of ["seeked", "timeupdate", "loadeddata"]) video.addEventListener(name, () => this.#onTime());
    const onFrame = () => {
      this.#onTime();
      video.requestVideoFrameCallback?.(onFrame);
    };
    video.requestVideoFrameCallback?.(onFrame);
    video.addEventListener("error", () => this.dispatchEvent(new CustomEvent("unplayable")));
    this.input?.addEventListener("error", () => {
      this.input = null;
      this.#build();
    }, { once: true });
    this.screen.addEventListener("pointermove", (event) => this.#onPointer(event));
    this.screen.addEventListener("pointerdown", (event) => {
      if (this.#mode === "wipe" && event.button === 0) this.screen.setPointerCapture(event.pointerId);
      this.#onPointer(event);
    });
    this.screen.addEventListener("pointerleave", () => (this.loupe.hidden = true));
    this.screen.addEventListener("keydown", (event) => this.onKey(event));
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      " ": () => this.toggle(),
      ",": () => this.step(-1),
      ".": () => this.step(1),
      l: () => this.#setLoupe(!this.#isLoupe),
      w: () => this.#nextMode(),
      "[": () => this.#setWipe(this.#wipe - 5),
      "]": () => this.#setWipe(this.#wipe + 5),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  get currentTime() {
    return this.result.currentTime;
  }

  toggle() {
    if (this.result.paused) {
      this.result.play().catch(() => {});
      this.input?.play().catch(() => {});
    } else {
      this.result.pause();
      this.input?.pause();
    }
  }

  step(frames) {
    this.result.pause();
    this.input?.pause();
    const frame = Math.round(this.result.currentTime * this.fps - 0.5 + 1e-6) + frames;
    this.seek((Math.min(Math.max(frame, 0), this.numFrames - 1) + 0.5) / this.fps);
  }

  seek(seconds) {
    this.result.currentTime = seconds;
    this.#follow(0);
  }

  /** Bring the input to the result's time; an input that ends early begins again. */
  #follow(drift) {
    if (!this.input || !this.input.duration) return;
    const wanted = this.result.currentTime % this.input.duration;
    if (Math.abs(this.input.currentTime - wanted) > drift) this.input.currentTime = wanted;
  }

  #onTime() {
    const seconds = this.result.currentTime;
    this.#follow(this.result.paused ? 1e-3 : MOST_DRIFT);
    const frame = Math.min(Math.floor(seconds * this.fps + 1e-3), this.numFrames - 1);
    this.place.value = frame;
    setText(this.time, `${clock(seconds)} · ${number(frame)}`);
    if (this.#isLoupe) this.#drawLoupe();
    this.dispatchEvent(new CustomEvent("timechange", { detail: { time: seconds } }));
  }

  #showPlaying() {
    const isPaused = this.result.paused;
    put(this.playButton, icon(isPaused ? "play" : "pause"));
    this.playButton.setAttribute("aria-label", isPaused ? "Play" : "Pause");
    if (isPaused) this.input?.pause();
    else this.input?.play().catch(() => {});
  }

  #setRate(rate) {
    for (const video of [this.result, this.input]) if (video) video.playbackRate = rate;
  }

  #nextMode() {
    const modes = [...this.modes.options].map((option) => option.value);
    this.#setMode(modes[(modes.indexOf(this.#mode) + 1) % modes.length]);
  }

  #setMode(mode) {
    this.#mode = mode;
    this.modes.value = mode;
    this.screen.className = `screen ${mode}`;
    this.wipeLabel.hidden = mode !== "wipe";
    this.#setWipe(this.#wipe);
  }

  #setWipe(percent) {
    this.#wipe = Math.min(Math.max(percent, 0), 100);
    this.wipeRange.value = this.#wipe;
    this.screen.style.setProperty("--wipe", `${this.#wipe}%`);
  }

  #setLoupe(isOn) {
    this.#isLoupe = isOn;
    this.loupeButton.setAttribute("aria-pressed", String(isOn));
    this.loupe.hidden = !isOn;
    if (isOn) this.#drawLoupe();
  }

  #onPointer(event) {
    const box = this.screen.getBoundingClientRect();
    this.#pointer = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
    if (this.#mode === "wipe" && event.buttons & 1) this.#setWipe(this.#pointer.x * 100);
    if (this.#isLoupe) {
      this.loupe.hidden = false;
      this.#drawLoupe();
    }
  }

  /** Draw what lies under the pointer, three times as large, of whichever video is seen there. */
  #drawLoupe() {
    const box = this.screen.getBoundingClientRect();
    const left = this.#pointer.x * box.width;
    const top = this.#pointer.y * box.height;
    this.loupe.style.left = `${Math.min(Math.max(left - LOUPE / 2, 0), box.width - LOUPE)}px`;
    this.loupe.style.top = `${Math.min(Math.max(top - LOUPE / 2, 0), box.height - LOUPE)}px`;
    const isInput = this.input && ((this.#mode === "wipe" && this.#pointer.x * 100 < this.#wipe) || (this.#mode === "side" && this.#pointer.x < 0.5));
    const video = isInput ? this.input : this.result;
    const shown = video.getBoundingClientRect();
    const factor = Math.min(shown.width / (video.videoWidth || 1), shown.height / (video.videoHeight || 1));
    const x = (left + box.left - shown.left - (shown.width - video.videoWidth * factor) / 2) / factor;
    const y = (top + box.top - shown.top - (shown.height - video.videoHeight * factor) / 2) / factor;
    const side = LOUPE / TIMES / factor;
    const context = this.loupe.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, LOUPE, LOUPE);
    context.imageSmoothingEnabled = false;
    context.drawImage(video, x - side / 2, y - side / 2, side, side, 0, 0, LOUPE, LOUPE);
  }
}

customElements.define("video-pair", VideoPair);
