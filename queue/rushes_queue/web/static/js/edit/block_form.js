// The fields of the block at the playhead: words and weights, times, transition.

import { field } from "../submit.js";
import { h, icon, put } from "../dom.js";
import { promptsOf } from "./blocks.js";

const METHODS = ["linear", "slerp"];
const EASES = ["linear", "in", "out", "in-out"];

/** Show a block; `change` takes what is to be done: {prompts}, {edge, side}, {fields}, {ext}. */
export class BlockForm {
  constructor(element, change) {
    this.element = element;
    this.change = change;
    this.shown = null;
  }

  show(timeline, place) {
    const block = timeline.prompts[place];
    const key = `${place} ${promptsOf(block).length}`;
    if (this.shown === key && this.element.contains(document.activeElement)) {
      this.#refresh(block);
      return;
    }
    this.shown = key;
    this.#build(block);
  }

  #build(block) {
    const prompts = promptsOf(block);
    this.texts = prompts.map((prompt, number) => h("textarea", { rows: 4, "aria-label": `Prompt ${number + 1}`, oninput: () => this.#setPrompts(`words ${number}`) }));
    this.weights = prompts.map((_, number) => h("input", { type: "number", min: 0, max: 1000, step: 1, "aria-label": `Weight of prompt ${number + 1}`, oninput: () => this.#setPrompts(`weight ${number}`) }));
    this.start = this.#timeInput("startTime");
    this.end = this.#timeInput("endTime");
    this.steps = h("input", { type: "number", min: 0, max: 1000, step: 1, placeholder: "none", oninput: () => this.#setTransition() });
    this.method = h("select", { onchange: () => this.#setTransition() }, METHODS.map((name) => h("option", {}, name)));
    this.ease = h("select", { onchange: () => this.change({ ext: ["transition", "ease", this.ease.value === "linear" ? null : this.ease.value] }) }, EASES.map((name) => h("option", {}, name)));
    this.seed = h("input", { type: "number", min: 0, step: 1, placeholder: "of the timeline", oninput: () => this.#setSeed() });
    const more = h("button", { type: "button", onclick: () => this.change({ prompts: [...this.#prompts(), { text: "", weight: 100 }] }) }, icon("plus"), "Blend with another prompt");
    put(this.element,
      prompts.map((_, number) => h("div", { class: "prompt" }, this.texts[number],
        prompts.length > 1 ? h("div", { class: "weight" }, field("Weight", this.weights[number]),
          h("button", { type: "button", class: "quiet icon", "aria-label": `Leave prompt ${number + 1} out`, onclick: () => this.change({ prompts: this.#prompts().toSpliced(number, 1) }) }, icon("stop"))) : null)),
      h("div", { class: "row" }, field("From (s)", this.start), field("To (s)", this.end),
        field("Transition (chunks)", this.steps), field("Blend in time", this.method),
        field("Transition easing", this.ease), field("Seed of the block", this.seed)),
      h("div", {}, more));
    this.#refresh(block);
  }

  #timeInput(side) {
    return h("input", { type: "number", min: 0, step: 0.1, onchange: (event) => this.change({ edge: Number(event.target.value), side }) });
  }

  #refresh(block) {
    const write = (control, value) => {
      if (control !== document.activeElement && control.value !== String(value)) control.value = value;
    };
    promptsOf(block).forEach((prompt, number) => {
      write(this.texts[number], prompt.text);
      write(this.weights[number], prompt.weight ?? 100);
    });
    write(this.start, block.startTime);
    write(this.end, block.endTime);
    write(this.steps, block.transitionSteps ?? "");
    write(this.method, block.temporalInterpolationMethod ?? "linear");
    write(this.seed, block.ext?.params?.seed ?? "");
    this.#writeEase(block.ext?.transition?.ease ?? "linear");
  }

  #writeEase(ease) {
    const isOther = !EASES.includes(ease);
    if (isOther && this.ease.options.length === EASES.length) this.ease.append(h("option", { value: "other", disabled: true }, "of its own"));
    this.ease.value = isOther ? "other" : ease;
  }

  #setSeed() {
    const seed = this.seed.value === "" ? null : Number(this.seed.value);
    this.change({ ext: ["params", "seed", seed], kind: `${this.shown} seed` });
  }

  #prompts() {
    return this.texts.map((text, number) => ({ text: text.value, weight: Number(this.weights[number].value) || 0 }));
  }

  #setPrompts(kind) {
    this.change({ prompts: this.#prompts(), kind: `${this.shown} ${kind}` });
  }

  #setTransition() {
    const steps = this.steps.value === "" ? null : Number(this.steps.value);
    this.change({ fields: { transitionSteps: steps, temporalInterpolationMethod: steps ? this.method.value : null }, kind: `${this.shown} transition` });
  }
}
