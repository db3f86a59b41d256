// Points on the strip's lanes of values: a double click adds one, dragging moves it.

import { svg } from "../dom.js";
import { decimal } from "../format.js";
import { curveValue, curveY } from "../strip/lanes.js";
import { laneOf, pointsOf } from "./curve_points.js";
import { snapped } from "./edges.js";

const RADIUS = 6; // pixels
const LANE_HEIGHT = 40;
const STEPS = 100; // of one, in which values are dragged

/**
 * The points on a strip. `onAdd(curve, seconds, value)` and `onMove(curve, place, seconds, value)`
 * change them; `onChoose(curve)` tells whose point or lane was clicked.
 */
export class CurveLanes {
  chosen = null; // {key, place} of the point that was clicked last
  #curves = [];

  constructor(strip, { onAdd, onMove, onChoose }) {
    this.strip = strip;
    this.onMove = onMove;
    this.onChoose = onChoose;
    strip.addEventListener("dblclick", (event) => {
      const curve = this.#curveUnder(event);
      if (!curve) return;
      const { seconds, value } = this.#valuesOf(curve, event);
      onChoose(curve);
      onAdd(curve, seconds, value);
    });
  }

  /** Draw the points of curves anew, over what else lies on the strip. */
  draw(timeline, curves) {
    this.#curves = curves;
    const { chosen } = this;
    const ofChosen = curves.find(({ key }) => key === chosen?.key);
    if (chosen && (!ofChosen || chosen.place >= pointsOf(timeline, ofChosen).length)) this.chosen = null;
    for (const curve of curves) {
      if (!this.#lane(curve)) continue;
      this.strip.overlay.append(...pointsOf(timeline, curve).map((point, place) => this.#dot(curve, point, place)));
    }
  }

  #lane(curve) {
    return this.strip.lane(laneOf(curve));
  }

  #curveUnder(event) {
    if (!this.strip.view.contains(event.target) || event.target.closest(".curve-point")) return null;
    const y = event.clientY - this.strip.svg.getBoundingClientRect().top;
    return this.#curves.find((curve) => {
      const lane = this.#lane(curve);
      return lane && y >= lane.top && y <= lane.top + LANE_HEIGHT;
    });
  }

  /** Return where a pointer is: {seconds, value}; it catches at the starts of chunks. */
  #valuesOf(curve, event) {
    const { scale, svg: drawing, times } = this.strip;
    const { top, low, high } = this.#lane(curve);
    const box = drawing.getBoundingClientRect();
    const share = Math.min(Math.max(curveValue(event.clientY - box.top - top), 0), 1);
    const seconds = snapped(scale.seconds(event.clientX - box.left), times, scale, event.altKey);
    return { seconds, value: Math.round((low + share * (high - low)) * STEPS) / STEPS };
  }

  #choose(curve, place, dot) {
    this.chosen = { key: curve.key, place };
    for (const other of this.strip.overlay.querySelectorAll(".curve-point")) other.classList.toggle("chosen", other === dot);
    this.onChoose(curve);
  }

  #dot(curve, point, place) {
    const spot = (seconds, value) => {
      const { top, low, high } = this.#lane(curve);
      const share = Math.min(Math.max((value - low) / (high - low), 0), 1);
      return `translate(${this.strip.scale.x(seconds)} ${top + curveY(share)})`;
    };
    const isChosen = this.chosen?.key === curve.key && this.chosen.place === place;
    const text = svg("text", { y: -10, visibility: "hidden" });
    const dot = svg("g", { class: `curve-point${isChosen ? " chosen" : ""}`, "data-key": curve.key, transform: spot(point.t, point.v) },
      svg("circle", { r: RADIUS }), text);
    let moved = null;
    dot.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.stopPropagation(); // the strip would move its playhead
      this.#choose(curve, place, dot);
      dot.setPointerCapture(event.pointerId);
      dot.classList.add("dragged");
    });
    dot.addEventListener("pointermove", (event) => {
      if (!dot.hasPointerCapture(event.pointerId)) return;
      event.stopPropagation();
      moved = this.#valuesOf(curve, event);
      dot.setAttribute("transform", spot(moved.seconds, moved.value));
      text.textContent = decimal(moved.value);
      text.setAttribute("visibility", "visible");
    });
    const end = (isDone) => () => {
      dot.classList.remove("dragged");
      if (isDone && moved) this.onMove(curve, place, moved.seconds, moved.value);
      this.strip.dispatchEvent(new CustomEvent("drawn")); // a plan may have come while it was dragged
    };
    dot.addEventListener("pointerup", end(true));
    dot.addEventListener("pointercancel", end(false));
    return dot;
  }
}
