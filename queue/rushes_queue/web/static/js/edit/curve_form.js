// The points of a value as a list of fields, for keyboards and exact values.

import { h, icon, put } from "../dom.js";
import { EASES } from "./curve_points.js";

/**
 * Shows the points of one curve at a time; `act` has what is to be done with those:
 * move(curve, place, t, v), ease(curve, place, name), remove(curve, place).
 */
export class CurveForm {
  #rows = [];
  #curve = null;

  constructor(element, act) {
    this.element = element;
    this.act = act;
  }

  show(curve, points) {
    const isOther = this.#curve?.key !== curve.key || this.#rows.length !== points.length;
    this.#curve = curve;
    if (isOther || !this.element.contains(document.activeElement)) {
      this.#rows = points.map((_, place) => this.#row(curve, place));
      put(this.element, this.#rows.map(({ row }) => row));
    }
    points.forEach((point, place) => this.#write(this.#rows[place], point));
  }

  #row(curve, place) {
    const input = (name, min, max) => h("input", { type: "number", min, max, step: "any", "aria-label": `${name} of point ${place + 1}`, onchange: () => move() });
    const time = input("Time in seconds", 0, null);
    const value = input(curve.title, curve.least, curve.most);
    const ease = h("select", { "aria-label": `Easing to point ${place + 1}`, onchange: () => this.act.ease(curve, place, ease.value) }, EASES.map((name) => h("option", {}, name)));
    const move = () => time.value && value.value && this.act.move(curve, place, Number(time.value), Number(value.value));
    const remove = h("button", { type: "button", class: "quiet icon", "aria-label": `Remove point ${place + 1}`, onclick: () => this.act.remove(curve, place) }, icon("stop"));
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
