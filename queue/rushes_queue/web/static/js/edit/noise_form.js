// The points of the noise scale as a list of fields, for keyboards and exact values.

import { h, icon, put } from "../dom.js";
import { EASES } from "./noise_points.js";

/** Shows points; `act` has what is to be done: move(place, t, v), ease(place, name), remove(place). */
export class NoiseForm {
  #rows = [];

  constructor(element, act) {
    this.element = element;
    this.act = act;
  }

  show(points) {
    if (this.#rows.length !== points.length || !this.element.contains(document.activeElement)) {
      this.#rows = points.map((_, place) => this.#row(place));
      put(this.element, this.#rows.map(({ row }) => row));
    }
    points.forEach((point, place) => this.#write(this.#rows[place], point));
  }

  #row(place) {
    const input = (name, step, most) => h("input", { type: "number", min: 0, max: most, step, "aria-label": `${name} of point ${place + 1}`, onchange: () => move() });
    const time = input("Time in seconds", "any", null);
    const value = input("Noise scale", "any", 1);
    const ease = h("select", { "aria-label": `Easing to point ${place + 1}`, onchange: () => this.act.ease(place, ease.value) }, EASES.map((name) => h("option", {}, name)));
    const move = () => time.value && value.value && this.act.move(place, Number(time.value), Number(value.value));
    const remove = h("button", { type: "button", class: "quiet icon", "aria-label": `Remove point ${place + 1}`, onclick: () => this.act.remove(place) }, icon("stop"));
    return { row: h("li", {}, time, value, ease, remove), time, value, ease };
  }

  #write({ time, value, ease }, point) {
    if (time !== document.activeElement) time.value = point.t; // what is being typed stays
    if (value !== document.activeElement) value.value = point.v;
    const isOther = point.ease && !EASES.includes(point.ease);
    if (isOther && ease.options.length === EASES.length) ease.append(h("option", { value: "other", disabled: true }, "of its own"));
    ease.value = isOther ? "other" : (point.ease ?? "linear");
  }
}
