// Points on the strip's lane of the noise scale: a double click adds one, dragging moves it.

import { svg } from "../dom.js";
import { decimal } from "../format.js";
import { curveValue, curveY } from "../strip/lanes.js";
import { snapped } from "./edges.js";

const LANE = "noise scale";
const RADIUS = 6; // pixels
const STEPS = 100; // of the value, while it is dragged

/** The points on a strip; `onAdd(seconds, value)` and `onMove(place, seconds, value)` change them. */
export class NoiseLane {
  chosen = null; // the place of the point that was clicked last

  constructor(strip, { onAdd, onMove }) {
    this.strip = strip;
    this.onMove = onMove;
    strip.addEventListener("dblclick", (event) => {
      const found = this.#isOver(event) && this.#valuesOf(event);
      if (found) onAdd(found.seconds, found.value);
    });
  }

  /** Draw the points anew, over what else lies on the strip. */
  draw(points) {
    if (this.chosen >= points.length) this.chosen = null;
    if (this.strip.laneTop(LANE) === null) return;
    this.strip.overlay.append(...points.map((point, place) => this.#dot(point, place)));
  }

  #isOver(event) {
    const top = this.strip.laneTop(LANE);
    if (top === null || !this.strip.view.contains(event.target) || event.target.closest(".noise-point")) return false;
    const y = event.clientY - this.strip.svg.getBoundingClientRect().top - top;
    return y >= 0 && y <= 40;
  }

  /** Return where a pointer is: {seconds, value}; it catches at the starts of chunks. */
  #valuesOf(event) {
    const { scale, svg: drawing, times } = this.strip;
    const box = drawing.getBoundingClientRect();
    const value = curveValue(event.clientY - box.top - this.strip.laneTop(LANE));
    const seconds = snapped(scale.seconds(event.clientX - box.left), times, scale, event.altKey);
    return { seconds, value: Math.round(Math.min(Math.max(value, 0), 1) * STEPS) / STEPS };
  }

  #dot(point, place) {
    const { scale } = this.strip;
    const spot = (seconds, value) => `translate(${scale.x(seconds)} ${this.strip.laneTop(LANE) + curveY(value)})`;
    const text = svg("text", { y: -10, visibility: "hidden" });
    const dot = svg("g", { class: `noise-point${place === this.chosen ? " chosen" : ""}`, transform: spot(point.t, point.v) },
      svg("circle", { r: RADIUS }), text);
    let moved = null;
    dot.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.stopPropagation(); // the strip would move its playhead
      this.chosen = place;
      for (const other of this.strip.overlay.querySelectorAll(".noise-point")) other.classList.toggle("chosen", other === dot);
      dot.setPointerCapture(event.pointerId);
      dot.classList.add("dragged");
    });
    dot.addEventListener("pointermove", (event) => {
      if (!dot.hasPointerCapture(event.pointerId)) return;
      event.stopPropagation();
      moved = this.#valuesOf(event);
      dot.setAttribute("transform", spot(moved.seconds, moved.value));
      text.textContent = decimal(moved.value);
      text.setAttribute("visibility", "visible");
    });
    const end = (isDone) => () => {
      dot.classList.remove("dragged");
      if (isDone && moved) this.onMove(place, moved.seconds, moved.value);
      this.strip.dispatchEvent(new CustomEvent("drawn")); // a plan may have come while it was dragged
    };
    dot.addEventListener("pointerup", end(true));
    dot.addEventListener("pointercancel", end(false));
    return dot;
  }
}
