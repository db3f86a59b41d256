// The page of one job: pictures, timeline, and what is known about it.

import { address, get, getText } from "../api.js";
import { change, isAllowed, nameOf, progressOf, reasonOf, stateOf } from "../jobs.js";
import { addHead, attempt, say } from "../shell.js";
import { follow } from "../feed.js";
import { h, icon, put, setText } from "../dom.js";
import { renderAgain } from "./again.js";
import { showAttempts, showFacts, showLog, treeOf } from "./facts.js";
import { withRange } from "../strip/plan.js";
import { hear } from "./sound.js";
import { stills } from "./stills.js";
import "./live.js";
import "./players.js";
import "../strip/strip.js";

const PLAYABLE = ["mp4", "webm", "mov", "m4v"];
const SHOWN = ["gif"];
const PICTURES = 16;
const id = location.pathname.split("/").at(-1);
const at = (name) => document.querySelector(`#${name}`);
const strip = at("strip");
let job = null;
let made = null; // the job's document
let shownAs = "";

addHead();

function showHead() {
  document.title = `${nameOf(job)} · Rushes`;
  setText(at("name"), nameOf(job));
  put(at("state-line"), h("span", { class: `state state-${job.state}` }, stateOf(job)), h("span", { class: "dim num" }, progressOf(job)),
    h("span", { class: "dim reason" }, reasonOf(job)));
}

function showActions() {
  const verbs = [["pause", "Pause", "pause"], ["resume", "Resume", "play"], ["retry", "Try again", "retry"], ["cancel", "Cancel", "stop"]];
  const buttons = verbs.filter(([verb]) => isAllowed(verb, job)).map(([verb, label, picture]) =>
    h("button", { type: "button", onclick: () => change(verb, [job.id]) }, icon(picture), label));
  if (isAllowed("priority", job)) {
    buttons.push(h("select", { "aria-label": "Priority", onchange: (event) => change("priority", [job.id], { level: event.target.value }) },
      ["high", "normal", "low"].map((level) => h("option", { value: level, selected: level === job.priority }, `${level} priority`))));
  }
  if (made) buttons.push(h("a", { class: "button", href: `/edit/${job.id}` }, icon("edit"), "Edit"));
  if (made) buttons.push(h("button", { type: "button", onclick: () => renderAgain(job, made) }, icon("again"), "Render again with …"));
  if (job.result) {
    const file = job.result.output.split("/").at(-1);
    buttons.push(h("a", { class: "button primary", href: address(`fetch/${job.id}/${encodeURIComponent(file)}`), download: file }, icon("fetch"), "Download"));
  }
  put(at("acts"), buttons);
}

/** Show what there is to see in this state: players, the live frame, or why there is nothing. */
function showStage() {
  const extension = job.result?.output.split(".").at(-1) ?? "";
  const kind = job.state === "done" ? "result" : job.state === "running" ? "live" : `note ${job.state}`;
  if (kind === shownAs) return;
  shownAs = kind;
  if (kind === "live") put(at("stage"), h("live-frame", { job: job.id, input: made?.input ? address(`input/${job.id}`) : null }));
  else if (kind === "result" && PLAYABLE.includes(extension)) showPlayers();
  else if (kind === "result") showPicture(extension);
  else put(at("stage"), h("p", { class: "note" }, job.state === "queued" ? "Frames appear here as soon as a worker renders it." : `This job is ${job.state}; there is nothing to show.`));
}

function resultAddress(name) {
  return address(`fetch/${job.id}/${encodeURIComponent(name.split("/").at(-1))}`);
}

function showPicture(extension) {
  const name = SHOWN.includes(extension) ? job.result.output : job.result.contact_sheet;
  put(at("stage"), h("img", { class: "sheet", src: resultAddress(name), alt: `Contact sheet of ${job.name}` }),
    SHOWN.includes(extension) ? null : h("p", { class: "dim" }, `Browsers do not play .${extension}; this is the contact sheet.`));
}

async function showPlayers() {
  if (!made) return;
  const result = resultAddress(job.result.output);
  const input = made.input ? address(`input/${job.id}`) : null;
  const pair = h("video-pair");
  pair.sources = { input, result, fps: made.plan.fps, numFrames: made.plan.num_frames };
  put(at("stage"), pair);
  pair.addEventListener("timechange", (event) => (strip.time = event.detail.time));
  pair.addEventListener("unplayable", () => showPicture("format"));
  strip.addEventListener("seek", (event) => pair.seek(event.detail.time));
  if (input) offerMeasures();
  const sound = await hear(result).catch(() => null);
  if (sound) strip.sound = sound;
  try {
    for await (const pictures of stills(result, PICTURES)) strip.pictures = pictures;
  } catch (error) {
    say(error.message, "error");
  }
}

const SHOWN_MEASURES = { psnr: "PSNR", ssim: "SSIM", warp_error: "warp error", flicker: "flicker", drift: "drift" };

/** Offer to measure the result against its input, and show the values of its frames as curves. */
function offerMeasures() {
  const button = h("button", { type: "button", onclick: measure }, "Measure");
  put(strip.tools, button);
  async function measure() {
    button.disabled = true;
    setText(button, "Measuring …");
    const measured = await attempt(() => get(`eval/${job.id}`));
    setText(button, "Measure");
    button.disabled = false;
    if (!measured) return;
    button.hidden = true;
    const { fps, num_frames: count } = made.plan;
    strip.curves = Object.entries(SHOWN_MEASURES).filter(([name]) => measured.frames[name]?.length).map(([name, text]) => {
      const values = measured.frames[name];
      const first = count - values.length; // measures between frames have the first ones missing
      return { ...withRange(text, values), at: (place) => [(place + first) / fps, (place + first + 1) / fps] };
    });
  }
}

async function showManifest() {
  if (!job.result) {
    put(at("manifest"), h("p", { class: "dim" }, "The manifest comes with the result."));
    return;
  }
  const href = resultAddress(job.result.manifest);
  const manifest = await attempt(async () => (await fetch(href)).json());
  put(at("manifest-link"), h("a", { href, download: "" }, "Download"));
  if (manifest) put(at("manifest"), treeOf("manifest", manifest, true));
}

let isLogAsked = false;

/** Bring the log and the attempts up to date, at most once a second. */
function bringLog() {
  if (isLogAsked) return;
  isLogAsked = true;
  setTimeout(async () => {
    isLogAsked = false;
    const text = await attempt(() => getText("logs", { job: id }));
    if (text === undefined) return;
    const lines = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    showLog(at("log"), at("log-count"), lines);
    const status = await attempt(() => get("status", { job: id }));
    if (status?.jobs[0]) showAttempts(at("attempts"), status.jobs[0], lines);
  }, 700);
}

function show() {
  showHead();
  showStage();
  if (made) strip.done = job.state === "done" ? null : job.frame / made.plan.fps;
  if (job.state === "running" && made) strip.time = job.frame / made.plan.fps;
}

function take(news) {
  if (news.kind === "gone") {
    say("this job was removed", "error");
    return;
  }
  if (news.kind !== "job") return;
  const before = job;
  job = news;
  show();
  const isOther = !before || ["state", "cancel_requested", "pause_requested", "priority", "attempts"].some((name) => before[name] !== job[name]);
  if (!isOther) return;
  showActions();
  showFacts(at("facts"), job, made);
  bringLog();
  if (!before || before.state !== job.state) showManifest();
}

async function start() {
  const status = await attempt(() => get("status", { job: id }));
  if (!status) {
    put(at("stage"), h("p", { class: "note" }, "There is no such job."));
    return;
  }
  made = (await attempt(() => get(`document/${status.jobs[0].id}`))) ?? null;
  if (made) strip.plan = made.plan;
  take({ kind: "job", ...status.jobs[0] });
  follow([job.id], { onNews: take });
}

addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea, button, a, summary, dialog, video-pair, timeline-strip")) return;
  document.querySelector("video-pair")?.onKey(event);
});
start();
