// The values over time in the editor: their points on the strip, and as fields in a panel.

import { h, put, setText } from "../dom.js";
import { chunkAt } from "../strip/plan.js";
import { CurveForm } from "./curve_form.js";
import { CurveLanes } from "./curve_lanes.js";
import { addPoint, curvesWithPoints, isEditable, laneOf, movePoint, pointsOf, removePoint, setEase } from "./curve_points.js";

const NOTES = {
  free: "Double-click a lane of the timeline to add a point, drag it, Delete removes it. Here: seconds, value, easing.",
  fixed: "The points of this value are written as text or in beats; change them in the file.",
};

/** `now()` returns the document; `take(document)` takes a changed one. */
export class Curves {
  #key = null; // of the curve in the panel

  constructor(strip, panel, { now, take }) {
    this.strip = strip;
    this.panel = panel;
    this.now = now;
    this.take = take;
    const part = (name) => panel.querySelector(name);
    [this.choice, this.note, this.button] = [part("select"), part(".note"), part("header button")];
    const act = {
      move: (curve, place, seconds, value) => take(movePoint(now(), curve, place, seconds, value)),
      ease: (curve, place, name) => take(setEase(now(), curve, place, name)),
      remove: (curve, place) => take(removePoint(now(), curve, place)),
    };
    this.form = new CurveForm(part("ul"), act);
    this.lanes = new CurveLanes(strip, { onAdd: (curve, seconds, value) => this.#add(curve, seconds, value), onMove: act.move, onChoose: (curve) => this.#choose(curve.key) });
    this.choice.addEventListener("change", () => this.#choose(this.choice.value));
    this.button.addEventListener("click", () => this.#addHere());
  }

  /** Bring the panel up to date with document and plan. */
  show() {
    const curves = this.#curves();
    this.panel.hidden = !curves.length;
    if (!curves.length) return;
    const curve = curves.find(({ key }) => key === this.#key) ?? curves[0];
    this.#key = curve.key;
    const titles = curves.map(({ key, title }) => `${key} ${title}`).join("\n");
    if (this.choice.dataset.titles !== titles) {
      put(this.choice, curves.map(({ key, title }) => h("option", { value: key }, title)));
      this.choice.dataset.titles = titles;
    }
    this.choice.value = curve.key;
    this.form.show(curve, pointsOf(this.now(), curve));
    this.button.disabled = !isEditable(this.now(), curve);
    setText(this.note, this.button.disabled ? NOTES.fixed : NOTES.free);
  }

  /** Draw the points on the strip anew. */
  draw() {
    this.lanes.draw(this.now(), this.#curves());
  }

  /** Remove the point that was clicked last; false where none was. */
  removeChosen() {
    const { chosen } = this.lanes;
    const curve = this.#curves().find(({ key }) => key === chosen?.key);
    if (!curve) return false;
    this.take(removePoint(this.now(), curve, chosen.place));
    return true;
  }

  #curves() {
    return curvesWithPoints(this.now(), this.strip.plan);
  }

  #choose(key) {
    this.#key = key;
    this.show();
  }

  #add(curve, seconds, value) {
    if (isEditable(this.now(), curve)) this.take(addPoint(this.now(), curve, seconds, value));
  }

  #addHere() {
    const curve = this.#curves().find(({ key }) => key === this.#key);
    const values = this.strip.lane(laneOf(curve))?.values ?? [];
    this.#add(curve, this.strip.time, values[chunkAt(this.strip.times, this.strip.time)] ?? 1);
  }
}
