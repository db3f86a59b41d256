// The page that compares takes; without any it lets one choose them.

import { address, get } from "../api.js";
import { addHead, attempt } from "../shell.js";
import { ago } from "../format.js";
import { h, icon, put, setText } from "../dom.js";
import { nameOf } from "../jobs.js";
import { showDifferences, showMeasures } from "./tables.js";
import { Stage } from "./stage.js";
import "../picture.js";
import "../strip/strip.js";

const MOST = 4;
const STAR = "rushes:starred"; // kept by the browser
const at = (name) => document.querySelector(`#${name}`);
const wanted = new URLSearchParams(location.search).getAll("job").slice(0, MOST);

addHead();

const fileOf = (job) => address(`fetch/${job.id}/${encodeURIComponent(job.result.output.split("/").at(-1))}`);

async function takeOf(id) {
  const status = await get("status", { job: id });
  const [job] = status.jobs;
  const { plan, input } = await get(`document/${job.id}`);
  return { job, plan, input, address: job.result ? fileOf(job) : null };
}

function offerStarred(job) {
  put(at("acts"), job ? h("a", { class: "button primary", href: fileOf(job), download: fileOf(job).split("/").at(-1) }, icon("fetch"), `Download the starred: ${nameOf(job)}, seed ${job.seed}`) : null);
}

async function compare(takes) {
  const ids = takes.map(({ job }) => job.id);
  setText(at("told"), "Comparing …");
  const withInput = takes.every(({ input }) => input && input.sha256 === takes[0].input?.sha256);
  const found = await attempt(() => get("compare", { job: ids, with_input: withInput }));
  setText(at("told"), found?.are_same_frames ? "Their frames are the same." : "");
  if (!found) return;
  showMeasures(at("measures"), found.measures);
  showDifferences(at("differences"), found.differences, takes.length);
}

async function start() {
  const takes = await attempt(() => Promise.all(wanted.map(takeOf)));
  if (!takes) return;
  if (takes.some((take) => !take.address)) {
    setText(at("told"), "One of these jobs is not done yet.");
    return;
  }
  let starred = localStorage.getItem(STAR);
  const stage = new Stage(at("stage"), takes, {
    starred,
    onStar: (job) => {
      starred = job.id;
      localStorage.setItem(STAR, job.id);
      offerStarred(job);
    },
  });
  offerStarred(takes.find(({ job }) => job.id === starred)?.job);
  const strip = at("strip");
  at("strip-panel").hidden = false;
  strip.plan = takes[0].plan;
  strip.addEventListener("seek", (event) => stage.clock.seek(event.detail.time));
  stage.clock.addEventListener("time", () => (strip.time = stage.clock.time));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, timeline-strip")) return;
    if (event.key === " " && event.target.closest("button, a")) return;
    if (stage.onKey(event.key)) event.preventDefault();
  });
  await compare(takes);
}

/** Let one choose two to four of the jobs that are done. */
async function choose() {
  const answer = await attempt(() => get("jobs", { state: "done", limit: 60 }));
  const boxes = (answer?.jobs ?? []).map((job) => ({ job, box: h("input", { type: "checkbox", "aria-label": `Choose ${nameOf(job)}, seed ${job.seed}`, onchange: show }) }));
  const go = h("a", { class: "button primary" }, "Compare");
  function show() {
    const chosen = boxes.filter(({ box }) => box.checked).map(({ job }) => job.id);
    const isRight = chosen.length >= 2 && chosen.length <= MOST;
    setText(at("told"), isRight ? "" : "Choose two to four jobs that are done.");
    if (isRight) go.href = `/compare?${chosen.map((id) => `job=${id}`).join("&")}`;
    else go.removeAttribute("href");
    put(at("acts"), isRight ? go : null);
  }
  put(at("stage"), boxes.length
    ? h("ul", { class: "panel body pick-list" }, boxes.map(({ job, box }) => h("li", {}, box, h("job-picture", { job: job.id, state: "done" }), h("a", { href: `/job/${job.id}` }, nameOf(job)), h("span", { class: "dim num" }, `seed ${job.seed} · ${ago(job.finished_at)}`))))
    : h("p", { class: "note" }, "No job is done yet."));
  for (const part of document.querySelectorAll(".columns")) part.hidden = true;
  show();
}

if (wanted.length >= 2) start();
else choose();
