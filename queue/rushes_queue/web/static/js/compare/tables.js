// What differs in the manifests of takes, and what they measure.

import { exact } from "../format.js";
import { h, put } from "../dom.js";
import { LETTERS } from "./stage.js";

const NAMES = { psnr: "PSNR to the input", ssim: "SSIM to the input", warp_error: "Warp error", flicker: "Flicker", drift: "Drift", psnr_to_first: "PSNR to A", ssim_to_first: "SSIM to A" };

function head(first, count) {
  return h("thead", {}, h("tr", {}, h("th", { scope: "col" }, first), [...LETTERS.slice(0, count)].map((letter) => h("th", { scope: "col" }, letter))));
}

function shown(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Return in which chunks something differs. */
function where(chunks) {
  const [first] = chunks;
  const last = chunks.at(-1);
  if (chunks.length === 1) return `in chunk ${first}`;
  return last - first === chunks.length - 1 ? `in chunks ${first} to ${last}` : `in ${chunks.length} chunks of ${first} to ${last}`;
}

/** Show the means of all measures, a column a take. */
export function showMeasures(place, measures) {
  const names = [...new Set(measures.flatMap((each) => Object.keys(each)))];
  put(place, h("table", {}, head("Measure", measures.length), h("tbody", {}, names.map((name) => h("tr", {},
    h("th", { scope: "row" }, NAMES[name] ?? name), measures.map((each) => h("td", { class: "num" }, each[name] === undefined ? "" : exact(each[name]))))))));
}

/** Show the fields of the manifests that are not the same in all takes. */
export function showDifferences(place, differences, count) {
  if (!differences.length) {
    put(place, h("p", { class: "dim" }, "Their manifests say the same."));
    return;
  }
  put(place, h("table", {}, head("Field", count), h("tbody", {}, differences.map(({ field, chunks, values }) => h("tr", {},
    h("th", { scope: "row", class: "mono" }, field, chunks.length ? h("span", { class: "dim" }, ` ${where(chunks)}`) : ""), values.map((value) => h("td", { class: "mono" }, value === null ? "" : shown(value))))))));
}
