// The editor: a timeline of a job, of a file or a new one; changed, planned anew, saved, submitted.

import { get, post, upload } from "../api.js";
import { addHead, attempt, say } from "../shell.js";
import { bytes, clock, number } from "../format.js";
import { field, takeDrops } from "../submit.js";
import { h, icon, put, setText } from "../dom.js";
import { append, blockAt, emptyTimeline, inOrder, join, moveEdge, remove, setBlockExt, setFields, setPrompts, setSetting, split } from "./blocks.js";
import { BlockForm } from "./block_form.js";
import { Curves } from "./curves.js";
import { Draft } from "./draft.js";
import { drawEdges } from "./edges.js";
import { History } from "./history.js";
import { Planner } from "./planned.js";
import "../strip/strip.js";

const NUDGES = { "[": ["startTime", -1], "]": ["startTime", 1], "{": ["endTime", -1], "}": ["endTime", 1] };
const at = (name) => document.querySelector(`#${name}`);
const job = location.pathname.split("/")[2] ?? null;
const strip = at("strip");
const source = { job, files: {}, input: null, name: "timeline.json" };
let history = new History(emptyTimeline());
let isSaved = true;

addHead();
const form = new BlockForm(at("block"), onBlock);
const planner = new Planner(showAnswer);
const draft = new Draft(at("draft-panel"), at("draft"));
const curves = new Curves(strip, at("curve-panel"), { now: () => history.now, take });

const here = () => blockAt(history.now, strip.time);

function sent() {
  const body = { timeline: history.now, name: source.name, files: source.files, preset: at("preset").value || null };
  if (source.job) body.job = source.job;
  if (source.input) body.input = source.input;
  return body;
}

/** Take a changed document, if it is one; `kind` joins steps of the same kind for undo. */
function take(timeline, kind = null) {
  if (!timeline || JSON.stringify(timeline) === JSON.stringify(history.now)) return;
  history.add(timeline, kind);
  isSaved = false;
  show();
}

function onBlock(done) {
  const place = here();
  if (done.prompts) take(setPrompts(history.now, place, done.prompts), done.kind);
  if (done.fields) take(setFields(history.now, place, done.fields), done.kind);
  if (done.ext) take(setBlockExt(history.now, place, ...done.ext), done.kind);
  if (done.side) take(moveEdge(history.now, place, done.side, done.edge));
}

function show() {
  planner.ask(sent(), options());
  draft.outdate();
  curves.show();
  showBlock();
  at("undo").disabled = !history.canUndo;
  at("redo").disabled = !history.canRedo;
  const { settings = {} } = history.now;
  if (document.activeElement !== at("seed")) at("seed").value = settings.seed ?? "";
  drawHandles();
}

function showBlock() {
  const place = here();
  setText(at("block-title"), `Block ${place + 1} of ${history.now.prompts.length}`);
  form.show(history.now, place);
  at("join").disabled = place === history.now.prompts.length - 1;
  at("remove").disabled = history.now.prompts.length === 1;
}

function drawHandles() {
  if (!strip.scale || strip.overlay.querySelector(".dragged")) return; // what is dragged stays
  drawEdges(strip, history.now, [...(strip.times ?? []), ...(strip.beats ?? [])], (edge, time) => take(moveEdge(history.now, edge.place, edge.side, time)));
  curves.draw();
}

function options() {
  return {};
}

function showAnswer({ problems, plan, error }) {
  const all = error ? [...problems, { severity: "error", message: error.message }] : problems;
  put(at("problems"), all.length ? all.map(lineOf) : h("li", { class: "fine" }, "No faults."));
  for (const button of document.querySelectorAll(".needs-plan")) button.disabled = !plan;
  if (!plan) return;
  const { time } = strip;
  strip.plan = plan;
  strip.time = time;
  curves.show();
  const fact = (name, value) => [h("dt", {}, name), h("dd", { class: "num" }, value)];
  put(at("facts"), fact("Length", `${clock(plan.num_frames / plan.fps)}, ${number(plan.num_frames)} frames`),
    fact("Size", `${plan.width} × ${plan.height}, ${number(plan.fps)} fps`), fact("Chunks", number(plan.chunks.length)),
    fact("Resets", number(plan.chunks.filter((chunk) => chunk.reset).length - 1)), fact("Mode", plan.mode),
    fact("GPU memory", bytes(plan.memory.rendering)), plan.estimates.map(({ device, seconds }) => fact("Time", `about ${clock(seconds)} on ${device}`)), plan.warnings.map((warning) => [h("dt", {}, "Warning"), h("dd", {}, warning)]));
}

/** Return a fault as a line; where it names a block, a click goes there. */
function lineOf(problem) {
  const place = Number(/^prompts\[(\d+)\]/.exec(problem.path ?? "")?.[1] ?? NaN);
  const path = problem.path ? h("span", { class: "mono" }, `${problem.path}: `) : null;
  if (Number.isNaN(place)) return h("li", { class: problem.severity }, path, problem.message);
  const go = () => strip.seek(history.now.prompts[place]?.startTime ?? 0);
  return h("li", { class: problem.severity }, h("button", { type: "button", class: "quiet link", onclick: go }, path, problem.message));
}

async function showPresets() {
  const about = await attempt(() => get("about"));
  const listed = Object.entries(about?.presets ?? {}).map(([name, { is_here: isHere, licence }]) => {
    const notes = [licence.weights, isHere || about.mode !== "alone" ? null : "not installed"].filter(Boolean);
    return h("option", { value: name }, `${name} (${notes.join(", ")})`);
  });
  at("preset").append(...listed);
}

function save() {
  const text = JSON.stringify(history.now, null, 2);
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: source.name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  isSaved = true;
}

async function submit() {
  const seeds = at("seeds").value.split(",").map((word) => word.trim()).filter(Boolean).map(Number);
  const answer = await attempt(() => post("submit", { ...sent(), options: options(), seeds: seeds.length ? seeds : null }));
  if (!answer) return;
  isSaved = true;
  location.assign(answer.jobs.length === 1 ? `/job/${answer.jobs[0].id}` : "/");
}

/** Take files that are dropped: a timeline is opened, others go with it. */
async function addFiles(files) {
  for (const file of files) {
    if (file.name.toLowerCase().endsWith(".json")) {
      const timeline = await attempt(async () => JSON.parse(await file.text()));
      if (timeline) open(timeline, file.name);
      continue;
    }
    const taken = await attempt(() => upload(file));
    if (!taken) continue;
    source.files[file.name] = taken.sha256;
    if (file.type.startsWith("video/")) source.input = file.name;
  }
  put(at("files"), Object.keys(source.files).map((name) => h("li", { class: "chip" }, name === source.input ? `input: ${name}` : name)));
  show();
}

function open(timeline, name) {
  if (!Array.isArray(timeline.prompts)) {
    say(`${name} is not a timeline with prompts; submit a workflow from the board`, "error");
    return;
  }
  history = new History(inOrder(timeline));
  source.name = name.endsWith(".json") ? name : `${name}.json`;
  setText(at("name"), source.name);
  document.title = `${source.name} · Rushes`;
  show();
}

function onKey(event) {
  const isTyping = event.target.closest("input, textarea, select, dialog");
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (command && key === "z" && !isTyping) act(event, event.shiftKey ? "redo" : "undo");
  else if (command && key === "y" && !isTyping) act(event, "redo");
  else if (command && key === "s") act(event, "save");
  else if (!command && !event.altKey && !isTyping && key === "s") act(event, "split");
  else if (event.key === "Delete" && !isTyping) curves.removeChosen();
  else if (!command && !isTyping && key in NUDGES) nudge(event, ...NUDGES[key]);
}

function act(event, name) {
  event.preventDefault();
  if (!at(name).disabled) at(name).click();
}

/** Move an edge of the block at the playhead by a chunk. */
function nudge(event, side, step) {
  event.preventDefault();
  const place = here();
  const times = strip.times ?? [];
  const written = history.now.prompts[place][side];
  const rendered = strip.runs?.[place]?.[side === "startTime" ? "start" : "end"] ?? written;
  const from = step > 0 ? Math.max(written, rendered) : written;
  const next = step > 0 ? times.find((time) => time > from + 1e-3) : times.findLast((time) => time < from - 1e-3);
  if (next === undefined) return;
  take(moveEdge(history.now, place, side, next), `${side} ${place}`);
  strip.time = history.now.prompts[place].startTime;
}

const steps = {
  undo: () => (history.undo(), show()),
  redo: () => (history.redo(), show()),
  save,
  submit,
  draft: () => at("draft").hasAttribute("aria-busy") || draft.draw({ ...sent(), options: options() }, history.now.prompts.length),
  split: () => {
    const parts = split(history.now, strip.time);
    if (parts) take(parts);
    else say("move the playhead into a block first, away from its edges");
  },
  join: () => take(join(history.now, here())),
  remove: () => take(remove(history.now, here())),
  append: () => take(append(history.now)),
};
for (const [name, step] of Object.entries(steps)) at(name).addEventListener("click", step);
at("seed").addEventListener("input", (event) => take(setSetting(history.now, "seed", event.target.value === "" ? null : Number(event.target.value)), "seed"));
at("preset").addEventListener("change", show);
at("choose").addEventListener("click", () => at("chooser").click());
at("chooser").addEventListener("change", (event) => addFiles([...event.target.files]));
strip.addEventListener("seek", showBlock);
strip.addEventListener("drawn", drawHandles);
addEventListener("keydown", onKey, true);
addEventListener("beforeunload", (event) => isSaved || event.preventDefault());
takeDrops(addFiles);

async function start() {
  showPresets();
  if (!job) {
    show();
    return;
  }
  const [timeline, status] = await Promise.all([attempt(() => get(`timeline/${job}`)), attempt(() => get("status", { job }))]);
  if (!timeline || !status) return;
  at("preset").append(h("option", { value: "", selected: true }, `that of the job (${status.jobs[0].preset})`));
  open(timeline, status.jobs[0].name);
}

start();
