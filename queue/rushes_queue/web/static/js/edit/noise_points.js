// The points of the noise scale over time: `ext.schedules.noise_scale` of a timeline, [{t, v, ease}]
// with seconds and 0 to 1. Changes return a new document; whatever else stands in it stays.

const SCHEMA = 1; // of what `ext` holds
const DIGITS = 3;

export const EASES = ["linear", "in", "out", "in-out", "step"];

const rounded = (value) => Number(value.toFixed(DIGITS));
const within = (value, low, high) => rounded(Math.min(Math.max(value, low), high));
const written = (timeline) => timeline.ext?.schedules?.noise_scale;

/** Return whether the points are a list with times in seconds; text and beats are not changed here. */
export function isEditable(timeline) {
  const points = written(timeline) ?? [];
  return Array.isArray(points) && points.every((point) => typeof point?.t === "number" && typeof point?.v === "number");
}

/** Return the points in the order of the document; none where they cannot be changed here. */
export function pointsOf(timeline) {
  return isEditable(timeline) ? (written(timeline) ?? []) : [];
}

function withPoints(timeline, points) {
  const { noise_scale: _, ...schedules } = timeline.ext?.schedules ?? {};
  if (points.length) schedules.noise_scale = [...points].sort((a, b) => a.t - b.t);
  const ext = { ...timeline.ext, schema: SCHEMA, schedules };
  if (!Object.keys(schedules).length) delete ext.schedules;
  return { ...timeline, ext };
}

/** Add a point, unless there is one at that time; then it takes the value. */
export function addPoint(timeline, seconds, value) {
  const point = { t: within(seconds, 0, Infinity), v: within(value, 0, 1) };
  const points = pointsOf(timeline);
  const place = points.findIndex((each) => each.t === point.t);
  return withPoints(timeline, place < 0 ? [...points, point] : points.with(place, { ...points[place], ...point }));
}

/** Move a point to another time and value. */
export function movePoint(timeline, place, seconds, value) {
  const points = pointsOf(timeline);
  return withPoints(timeline, points.with(place, { ...points[place], t: within(seconds, 0, Infinity), v: within(value, 0, 1) }));
}

/** Set how the value moves to a point from the one before; straight is not written. */
export function setEase(timeline, place, ease) {
  const points = pointsOf(timeline);
  const { ease: _, ...plain } = points[place];
  return withPoints(timeline, points.with(place, ease === "linear" ? plain : { ...plain, ease }));
}

/** Leave a point out. */
export function removePoint(timeline, place) {
  return withPoints(timeline, pointsOf(timeline).toSpliced(place, 1));
}
