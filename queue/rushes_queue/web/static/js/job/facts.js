// What is known about a job: facts, attempts with their save points, the log, the manifest.

import { address } from "../api.js";
import { bytes, clock, date, decimal, fps, number } from "../format.js";
import { h, put, setText } from "../dom.js";

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** Show the facts of a job and of its document, as far as that is known. */
export function showFacts(list, job, made) {
  const plan = made?.plan;
  const request = made?.request;
  const seconds = plan ? plan.num_frames / plan.fps : null;
  const facts = {
    Id: h("span", { class: "mono" }, job.id),
    Model: job.preset,
    Pictures: plan && `${number(plan.width)} × ${number(plan.height)}${request.enlarge > 1 ? `, ${number(request.enlarge)} times enlarged` : ""}`,
    Length: plan && `${clock(seconds)} · ${number(job.num_frames)} frames at ${fps(plan.fps)} · ${number(job.num_chunks)} chunks`,
    Mode: plan && (plan.mode === "video" ? "video to video" : plan.takes_input ? "steered by a video" : "text to video"),
    Profile: plan?.profile,
    Seed: `${job.seed}${job.take ? ` (take ${number(job.take + 1)})` : ""}`,
    Input: made?.input && h("a", { href: address(`input/${job.id}`) }, `${made.input.name} (${bytes(made.input.size)})`),
    Timeline: made && h("a", { href: address(`timeline/${job.id}`) }, made.timeline.name),
    LoRAs: plan?.loras.map((lora) => `${lora.name} × ${decimal(lora.scale)}`).join(", "),
    Tags: job.tags.join(", "),
    Priority: job.priority,
    Submitted: date(job.created_at),
    Started: date(job.started_at),
    Ended: date(job.finished_at),
    Warnings: plan?.warnings.length ? h("ul", {}, plan.warnings.map((text) => h("li", {}, text))) : null,
  };
  put(list, Object.entries(facts).filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** Show the attempts, and the save points that the log tells of. */
export function showAttempts(place, job, lines) {
  const saves = lines.map((line) => /^saved before chunk (\d+)/.exec(line.fields.message ?? "")).filter(Boolean).map((match) => Number(match[1]));
  const rows = job.attempt_list.map((attempt) => h("tr", {},
    h("td", { class: "num" }, number(attempt.number)),
    h("td", {}, attempt.worker, attempt.gpu ? h("div", { class: "dim" }, attempt.gpu) : null),
    h("td", { class: "num" }, `${number(attempt.first_chunk)} to ${attempt.last_chunk === null ? "…" : number(attempt.last_chunk)}`),
    h("td", { class: "num" }, attempt.ended_at ? clock((Date.parse(attempt.ended_at) - Date.parse(attempt.started_at)) / 1000) : ""),
    h("td", {}, attempt.reason ?? "goes on")));
  put(place,
    rows.length ? h("table", {}, h("thead", {}, h("tr", {}, ["Try", "Worker", "Chunks", "Took", "End"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, rows))
      : h("p", { class: "dim" }, "No worker has taken it yet."),
    h("p", { class: "dim" }, saves.length ? `${number(saves.length)} save points, the last before chunk ${number(saves.at(-1))}.` : "No save points were needed so far."));
}

function lineOf({ time, kind, fields }) {
  const label = kind === "state" ? fields.state : kind === "log" ? (fields.level ?? "info") : kind;
  const about = kind === "state" ? [fields.event, fields.worker, fields.reason] : kind === "log" ? [fields.message] : Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  const severity = kind === "log" && ["error", "warning"].includes(label) ? label : "";
  return h("li", { class: severity }, h("span", { class: "dim" }, TIME.format(new Date(time))), h("span", {}, label), h("span", { class: "text" }, about.filter(Boolean).join(" · ")));
}

/** Show the log; who reads its end stays there. */
export function showLog(list, count, lines) {
  const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
  put(list, lines.map(lineOf));
  setText(count, `${number(lines.length)} lines`);
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

function leaf(key, value) {
  return h("div", { class: "leaf" }, h("span", { class: "key" }, key), ": ", JSON.stringify(value));
}

/** Return JSON as a tree; what is large is built when it is opened. */
export function treeOf(key, value, isOpen = false) {
  if (value === null || typeof value !== "object") return leaf(key, value);
  const entries = Object.entries(value);
  if (!entries.length) return leaf(key, value);
  const size = Array.isArray(value) ? `${number(entries.length)} entries` : `${number(entries.length)} fields`;
  const node = h("details", {}, h("summary", {}, h("span", { class: "key" }, key), h("span", { class: "dim" }, ` ${size}`)));
  const fill = () => {
    if (node.childElementCount === 1) node.append(...entries.map(([name, each]) => treeOf(name, each)));
  };
  node.addEventListener("toggle", () => node.open && fill());
  if (isOpen) {
    fill();
    node.open = true;
  }
  return node;
}
