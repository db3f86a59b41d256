// One row of the board: made once, and changed where its job has changed.

import { address } from "../api.js";
import { ago, date } from "../format.js";
import { change, isAllowed, nameOf, progressOf, reasonOf, shareDone, stateOf } from "../jobs.js";
import { h, icon, put, setText } from "../dom.js";
import "../picture.js";

const VERBS = [["pause", "Pause", "pause"], ["resume", "Resume", "play"], ["retry", "Try again", "retry"], ["cancel", "Cancel", "stop"]];
const MOST_TAGS = 4;

function actionsOf(job) {
  const name = nameOf(job);
  const buttons = VERBS.filter(([verb]) => isAllowed(verb, job)).map(([verb, label, picture]) =>
    h("button", {
      class: "quiet icon",
      type: "button",
      title: label,
      "aria-label": `${label}: ${name}`,
      onclick: () => change(verb, [job.id]),
    }, icon(picture)),
  );
  if (job.result) {
    const file = job.result.output.split("/").at(-1);
    const href = address(`fetch/${job.id}/${encodeURIComponent(file)}`);
    buttons.push(h("a", { class: "button", href, download: file, "aria-label": `Download ${name}`, title: "Download" }, icon("fetch")));
  }
  return buttons;
}

/** A row and its job; `onPick` is told when its box is ticked. */
export class JobRow {
  constructor(job, onPick) {
    this.pick = h("input", { class: "pick", type: "checkbox", onchange: onPick });
    this.picture = h("job-picture", { job: job.id });
    this.link = h("a", { href: `/job/${job.id}` });
    this.reason = h("span", { class: "reason" });
    this.tags = h("span", { class: "tags" });
    this.state = h("span");
    this.bar = h("progress", { max: 1 });
    this.far = h("span", { class: "line num" });
    this.worker = h("span");
    this.when = h("span");
    this.acts = h("div", { class: "acts" });
    this.element = h("li", { class: "job", dataset: { id: job.id } },
      this.pick, this.picture,
      h("div", { class: "what" }, h("span", { class: "line" }, this.link, h("span", { class: "dim num seed" }, `seed ${job.seed}`)), this.reason, this.tags),
      h("div", { class: "how" }, this.state, this.bar, this.far),
      h("div", { class: "who" }, this.worker, this.when),
      this.acts,
    );
    this.show(job);
  }

  show(job) {
    const before = this.job;
    this.job = job;
    const state = stateOf(job);
    const name = nameOf(job);
    setText(this.link, name);
    setText(this.reason, reasonOf(job));
    this.reason.title = this.reason.textContent;
    this.reason.classList.toggle("bad", Boolean(job.error));
    setText(this.state, state);
    this.state.className = `state state-${job.state}`;
    this.bar.value = shareDone(job);
    this.bar.setAttribute("aria-label", `Progress of ${name}`);
    this.bar.hidden = !["running", "paused"].includes(job.state) && !(job.state === "queued" && job.chunk);
    setText(this.far, progressOf(job));
    setText(this.worker, job.worker ?? job.preset);
    this.showAge();
    if (before?.state === job.state && before?.cancel_requested === job.cancel_requested) return;
    this.pick.setAttribute("aria-label", `Choose ${name}`);
    this.picture.setAttribute("state", job.state);
    const urgency = job.priority === "normal" ? [] : [`${job.priority} priority`];
    put(this.tags, [...urgency, ...job.tags].slice(0, MOST_TAGS).map((tag) => h("span", { class: "chip", title: tag }, tag)));
    put(this.acts, actionsOf(job));
  }

  showAge(now = Date.now()) {
    const when = this.job.finished_at ?? this.job.created_at;
    setText(this.when, ago(when, now));
    if (this.when.title !== date(when)) this.when.title = date(when);
  }
}
