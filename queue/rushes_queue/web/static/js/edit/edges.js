// Handles on the strip, at the edges of blocks, that are dragged in time.

import { svg } from "../dom.js";
import { clock } from "../format.js";

const CATCH_PIXELS = 9; // this near to the start of a chunk or a beat, an edge goes there
const HANDLE_PIXELS = 12;

/** Return the time that an edge takes: the nearest one to snap to, unless Alt is held. */
export function snapped(seconds, times, scale, isFree) {
  if (isFree || !times.length) return seconds;
  const nearest = times.reduce((best, each) => (Math.abs(each - seconds) < Math.abs(best - seconds) ? each : best));
  return Math.abs(scale.x(nearest) - scale.x(seconds)) <= CATCH_PIXELS ? nearest : seconds;
}

/** Return the edges of all blocks, {place, side, time}; where two touch, it is one. */
export function edgesOf(timeline) {
  const edges = [];
  timeline.prompts.forEach((block, place) => {
    const before = timeline.prompts[place - 1];
    const touches = before && Math.abs(before.endTime - block.startTime) <= 1e-3;
    if (place && !touches) edges.push({ place: place - 1, side: "endTime", time: before.endTime });
    if (place || block.startTime > 0) edges.push({ place, side: "startTime", time: block.startTime });
  });
  const last = timeline.prompts.at(-1);
  if (last) edges.push({ place: timeline.prompts.length - 1, side: "endTime", time: last.endTime });
  return edges;
}

/** Draw the handles anew; `onMove(edge, seconds)` is called when one is let go. */
export function drawEdges(strip, timeline, times, onMove) {
  strip.overlay.replaceChildren(...edgesOf(timeline).map((edge) => handleOf(strip, edge, times, onMove)));
}

function handleOf(strip, edge, times, onMove) {
  const { scale } = strip;
  const x = Math.min(scale.x(edge.time), scale.width - 1);
  const line = svg("line", { class: "edge-line", x1: 0, x2: 0, y1: 14, y2: strip.height });
  const text = svg("text", { class: "edge-time", y: 12, visibility: "hidden" });
  const grip = svg("rect", { class: "edge-grip", x: -HANDLE_PIXELS / 2, y: 14, width: HANDLE_PIXELS, height: strip.height - 14 });
  const handle = svg("g", { class: "edge", transform: `translate(${x} 0)` }, line, grip, text);
  let time = null;
  const secondsOf = (event) => scale.seconds(event.clientX - strip.svg.getBoundingClientRect().left);
  handle.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault(); // the strip would move its playhead
    event.stopPropagation();
    handle.setPointerCapture(event.pointerId);
    handle.classList.add("dragged");
  });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    event.stopPropagation();
    time = snapped(secondsOf(event), times, scale, event.altKey);
    handle.setAttribute("transform", `translate(${scale.x(time)} 0)`);
    text.textContent = clock(time) + (time % 1 ? `.${Math.floor((time % 1) * 10)}` : "");
    text.setAttribute("visibility", "visible");
  });
  const end = (isDone) => () => {
    handle.classList.remove("dragged");
    if (isDone && time !== null) onMove(edge, time);
    time = null;
    strip.dispatchEvent(new CustomEvent("drawn")); // a plan may have come while it was dragged
  };
  handle.addEventListener("pointerup", end(true));
  handle.addEventListener("pointercancel", end(false));
  return handle;
}
