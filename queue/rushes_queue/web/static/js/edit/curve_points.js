// Points of values over time: `ext.schedules` of a timeline, by key lists of {t, v, ease} with
// seconds. Changes return a new document; whatever else stands in it stays.

import { stemOf } from "../strip/plan.js";

const SCHEMA = 1; // of what `ext` holds
const DIGITS = 3;
const NOISE = { key: "noise_scale", title: "Noise scale", least: 0, most: 1 };
const VACE = { key: "vace_scale", title: "VACE scale", least: 0, most: 2 };
const LORA = { start: "lora_scale.", least: -10, most: 10 };

export const EASES = ["linear", "in", "out", "in-out", "step"];

const rounded = (value) => Number(value.toFixed(DIGITS));
const within = (value, low, high) => rounded(Math.min(Math.max(value, low), high));
const written = (timeline, key) => timeline.ext?.schedules?.[key];

/** Return what can have points here: {key, title, least, most}; `plan` may be null. */
export function curvesWithPoints(timeline, plan) {
  const keys = Object.keys(timeline.ext?.schedules ?? {});
  const isUsed = (name) => plan?.chunks.some((chunk) => (chunk[name] ?? null) !== null);
  const curves = [];
  if (isUsed("noise_scale") || keys.includes(NOISE.key)) curves.push(NOISE);
  if (isUsed("steering") || keys.includes(VACE.key)) curves.push(VACE);
  return [...curves, ...lorasOf(keys, plan)];
}

/** Return the LoRAs, each by the key that the document has for it, or would have. */
function lorasOf(keys, plan) {
  const found = new Map();
  for (const key of keys) if (key.startsWith(LORA.start)) found.set(stemOf(key.slice(LORA.start.length)).toLowerCase(), key);
  for (const { name } of plan?.loras ?? []) {
    const stem = stemOf(name);
    if (!found.has(stem.toLowerCase())) found.set(stem.toLowerCase(), LORA.start + stem);
  }
  return [...found.values()].map((key) => ({ key, title: `LoRA ${stemOf(key.slice(LORA.start.length))}`, least: LORA.least, most: LORA.most }));
}

/** Return the key of a curve's lane on the strip. */
export const laneOf = ({ key }) => (key.startsWith(LORA.start) ? LORA.start + stemOf(key.slice(LORA.start.length)).toLowerCase() : key);

/** Return whether the points are a list with times in seconds; text and beats are not changed here. */
export function isEditable(timeline, { key }) {
  const points = written(timeline, key) ?? [];
  return Array.isArray(points) && points.every((point) => typeof point?.t === "number" && typeof point?.v === "number");
}

/** Return the points in the order of the document; none where they cannot be changed here. */
export function pointsOf(timeline, curve) {
  return isEditable(timeline, curve) ? (written(timeline, curve.key) ?? []) : [];
}

function withPoints(timeline, { key }, points) {
  const { [key]: _, ...schedules } = timeline.ext?.schedules ?? {};
  if (points.length) schedules[key] = [...points].sort((a, b) => a.t - b.t);
  const ext = { ...timeline.ext, schema: SCHEMA, schedules };
  if (!Object.keys(schedules).length) delete ext.schedules;
  return { ...timeline, ext };
}

const pointAt = (curve, seconds, value) => ({ t: within(seconds, 0, Infinity), v: within(value, curve.least, curve.most) });

/** Add a point, unless there is one at that time; then it takes the value. */
export function addPoint(timeline, curve, seconds, value) {
  const point = pointAt(curve, seconds, value);
  const points = pointsOf(timeline, curve);
  const place = points.findIndex((each) => each.t === point.t);
  return withPoints(timeline, curve, place < 0 ? [...points, point] : points.with(place, { ...points[place], ...point }));
}

/** Move a point to another time and value; null where there is another one at that time. */
export function movePoint(timeline, curve, place, seconds, value) {
  const point = pointAt(curve, seconds, value);
  const points = pointsOf(timeline, curve);
  if (points.some((each, other) => other !== place && each.t === point.t)) return null;
  return withPoints(timeline, curve, points.with(place, { ...points[place], ...point }));
}

/** Set how the value moves to a point from the one before; straight is not written. */
export function setEase(timeline, curve, place, ease) {
  const points = pointsOf(timeline, curve);
  const { ease: _, ...plain } = points[place];
  return withPoints(timeline, curve, points.with(place, ease === "linear" ? plain : { ...plain, ease }));
}

/** Leave a point out. */
export function removePoint(timeline, curve, place) {
  return withPoints(timeline, curve, pointsOf(timeline, curve).toSpliced(place, 1));
}
