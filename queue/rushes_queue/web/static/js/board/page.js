// The board: all jobs, as they stand now.

import { get } from "../api.js";
import { change, isAllowed } from "../jobs.js";
import { addHead, attempt } from "../shell.js";
import { follow } from "../feed.js";
import { h, put, setText } from "../dom.js";
import { number } from "../format.js";
import { Filters } from "./filters.js";
import { JobRow } from "./rows.js";
import { showWorkers } from "./workers.js";
import { SubmitDialog, takeDrops } from "../submit.js";

const AT_ONCE = 60; // rows made before the first paint; the others follow
const A_MOMENT = 120;
const A_WHILE_MS = 2500;
const jobs = new Map(); // id to job, the newest first
const rows = new Map(); // id to row
const list = document.querySelector("#jobs");
const total = document.querySelector("#total");
const empty = document.querySelector("#empty");
const bulk = document.querySelector("#bulk");

addHead();
const filters = new Filters(document.querySelector("#filters"), () => arrange());
const dialog = new SubmitDialog((submitted) => submitted.length === 1 && location.assign(`/job/${submitted[0].id}`));
document.querySelector("#submit").addEventListener("click", () => dialog.open());
takeDrops((files) => dialog.open(files));

function rowOf(job) {
  let row = rows.get(job.id);
  if (!row) {
    row = new JobRow(job, showBulk);
    rows.set(job.id, row);
  }
  return row;
}

let later = 0;

/** Put the rows of the jobs that are chosen into the list, the newest first. */
function arrange() {
  cancelIdleCallback(later);
  const test = filters.test();
  const shown = [...jobs.values()].filter(test);
  put(list, shown.slice(0, AT_ONCE).map((job) => rowOf(job).element));
  addMore(shown, AT_ONCE);
  setText(total, shown.length === jobs.size ? number(jobs.size) : `${number(shown.length)} of ${number(jobs.size)}`);
  empty.hidden = shown.length > 0;
  put(empty, jobs.size
    ? [h("strong", {}, "No job is chosen by these filters.")]
    : [h("strong", {}, "No jobs yet."), h("span", {}, "Drop a timeline onto this page, with the video that it names.")]);
  showBulk();
}

function addMore(shown, first) {
  if (first >= shown.length) return;
  later = requestIdleCallback(() => {
    list.append(...shown.slice(first, first + A_MOMENT).map((job) => rowOf(job).element));
    addMore(shown, first + A_MOMENT);
  }, { timeout: 200 });
}

function showBulk() {
  const chosen = [...rows.values()].filter((row) => row.pick.checked && row.element.isConnected).map((row) => row.job);
  bulk.hidden = !chosen.length;
  if (!chosen.length) return;
  const verbs = [["pause", "Pause"], ["resume", "Resume"], ["retry", "Try again"], ["cancel", "Cancel"]];
  put(bulk, h("strong", { class: "num" }, `${number(chosen.length)} chosen`),
    verbs.map(([verb, label]) => {
      const able = chosen.filter((job) => isAllowed(verb, job));
      return h("button", { type: "button", disabled: !able.length, onclick: () => act(verb, able) }, label);
    }),
    h("label", {}, h("span", { class: "visually-hidden" }, "Priority"), h("select", {
      onchange: (event) => act("priority", chosen.filter((job) => isAllowed("priority", job)), { level: event.target.value }),
    }, h("option", { value: "" }, "Priority…"), ["high", "normal", "low"].map((level) => h("option", { value: level }, level)))),
    h("span", { class: "grow" }),
    chosen.length >= 2 && chosen.length <= 4 && chosen.every((job) => job.state === "done")
      ? h("a", { class: "button", href: `/compare?${chosen.map((job) => `job=${job.id}`).join("&")}` }, "Compare") : null,
    h("button", { type: "button", class: "quiet", onclick: () => pickAll(false) }, "Choose none"),
  );
}

function pickAll(isPicked) {
  for (const row of rows.values()) row.pick.checked = isPicked && row.element.isConnected;
  showBulk();
}

async function act(verb, chosen, more) {
  await change(verb, chosen.map((job) => job.id), more);
  pickAll(false);
}

/** Take news of one job; whether it is shown may change with its state. */
function take(news) {
  if (news.kind === "broker") {
    document.body.classList.toggle("away", !news.is_there);
    return;
  }
  const before = jobs.get(news.id);
  if (news.kind === "gone") {
    jobs.delete(news.id);
    rows.get(news.id)?.element.remove();
    rows.delete(news.id);
  } else if (before) {
    jobs.set(news.id, news);
    rows.get(news.id)?.show(news);
  } else {
    const others = [...jobs];
    jobs.clear();
    for (const [id, job] of [[news.id, news], ...others]) jobs.set(id, job);
  }
  if (news.kind === "gone" || before?.state !== news.state) arrangeSoon();
}

let isArranging = false;

function arrangeSoon() {
  if (isArranging) return;
  isArranging = true;
  setTimeout(() => {
    isArranging = false;
    filters.count(jobs.values());
    arrange();
  }, 150);
}

const AT_FIRST = 100; // jobs that are asked for before all others

async function load() {
  const isFirst = !jobs.size;
  if (isFirst) show((await attempt(() => get("jobs", { limit: AT_FIRST }))) ?? { jobs: [] });
  const all = await attempt(() => get("jobs"));
  if (all) show(all);
}

function show(answer) {
  const known = new Set(answer.jobs.map((job) => job.id));
  for (const id of rows.keys()) if (!known.has(id)) rows.delete(id);
  jobs.clear();
  for (const job of answer.jobs) {
    jobs.set(job.id, job);
    rows.get(job.id)?.show(job);
  }
  filters.count(jobs.values());
  arrange();
  performance.mark("rushes:board");
}

addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = [...list.querySelectorAll(".what a")];
  const here = links.findIndex((link) => link.closest(".job").contains(document.activeElement));
  if (event.key === "/") filters.name.focus();
  else if (event.key === "j") links[Math.min(here + 1, links.length - 1)]?.focus();
  else if (event.key === "k") links[Math.max(here - 1, 0)]?.focus();
  else if (event.key === "x" && here >= 0) links[here].closest(".job").querySelector(".pick").click();
  else if (event.key === "n") dialog.open();
  else return;
  event.preventDefault();
});

const lookAtWorkers = showWorkers(document.querySelector("#workers"), jobs);
let isOpened = false;
const onOpen = () => {
  setTimeout(load, isOpened ? 0 : A_WHILE_MS); // what happened before the line was there
  isOpened = true;
};
load().then(lookAtWorkers);
follow([], { onNews: take, onOpen });
setInterval(() => {
  const now = Date.now();
  for (const row of rows.values()) row.showAge(now);
}, 20_000);
