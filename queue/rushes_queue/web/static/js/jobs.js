// What a job is to a page: how it stands in words, and what can be done to it.

import { post } from "./api.js";
import { clock, fps, number } from "./format.js";
import { attempt, say } from "./shell.js";

export const STATES = ["running", "queued", "paused", "done", "failed", "quarantined", "cancelled"];
export const FINISHED = new Set(["done", "failed", "cancelled", "quarantined"]);

// As jobs/states.py has it; the server refuses what is not possible any more.
const ALLOWED = {
  pause: ["queued", "running"],
  resume: ["paused"],
  cancel: ["queued", "running", "paused", "quarantined"],
  retry: ["failed", "cancelled", "quarantined"],
  priority: ["queued", "running", "paused"],
};
const DONE = { pause: "paused", resume: "resumed", cancel: "cancelled", retry: "queued again", priority: "changed" };

export const isAllowed = (verb, job) => ALLOWED[verb].includes(job.state);
export const nameOf = (job) => (job.take ? `${job.name} · take ${job.take + 1}` : job.name);
export const shareDone = (job) => (job.num_frames ? Math.min(job.frame / job.num_frames, 1) : 0);

/** Return the state in words, with what was asked of the job. */
export function stateOf(job) {
  if (job.state === "running" && job.cancel_requested) return "cancelling";
  if (job.state === "running" && job.pause_requested) return "pausing";
  return job.state;
}

/** Return why a job waits, failed, or what it does now. */
export function reasonOf(job) {
  if (job.error) return job.error.message;
  if (job.state === "queued" && job.notes.waits) return `waits: ${job.notes.waits}`;
  if (job.state === "queued" && job.waiting_for.length) {
    return `waits for ${job.waiting_for.map((id) => id.slice(0, 8)).join(", ")}`;
  }
  if (job.state === "queued" && job.not_before) return "is tried again soon";
  return job.state === "running" ? job.prompt : "";
}

/** Return how far a job is, as "12 of 40 chunks · 8.1 fps · 0:12 left". */
export function progressOf(job) {
  if (job.state === "done") {
    const taken = job.seconds_taken === null ? "" : ` · made in ${clock(job.seconds_taken)}`;
    return `${number(job.num_frames)} frames${taken}`;
  }
  const parts = [`${number(job.chunk)} of ${number(job.num_chunks)} chunks`];
  if (job.fps) parts.push(fps(job.fps));
  if (job.seconds_left !== null) parts.push(`${clock(job.seconds_left)} left`);
  return parts.join(" · ");
}

/** Do one thing to jobs, and say what became of it. */
export async function change(verb, jobs, more = {}) {
  const answer = await attempt(() => post(verb, { jobs, ...more }));
  if (!answer) return;
  for (const error of answer.errors) say(error.message, "error");
  const changed = answer.jobs.filter((job) => job.changed);
  if (changed.length > 1) say(`${number(changed.length)} jobs ${DONE[verb]}`);
}
