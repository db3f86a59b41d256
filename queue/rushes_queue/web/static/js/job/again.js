// "Render again with ...": the same timeline and files, with other seeds, another model or size.

import { get, post } from "../api.js";
import { field } from "../submit.js";
import { h } from "../dom.js";
import { attempt } from "../shell.js";

/** Ask what is to be different, and submit it; then go to the new job, or to the board. */
export async function renderAgain(job, made) {
  const about = await attempt(() => get("about"));
  const { plan, request } = made;
  const seeds = h("input", { name: "seeds", value: String(job.seed + 1), pattern: "[0-9, ]+", required: true });
  const preset = h("select", {}, Object.keys(about?.presets ?? { [job.preset]: 1 }).map((name) => h("option", { selected: name === job.preset }, name)));
  const noise = plan.mode === "video" ? h("input", { type: "number", min: 0, max: 1, step: 0.01, placeholder: "as before" }) : null;
  const enlarge = h("input", { type: "number", min: 1, max: 16, step: 1, value: request.enlarge });
  const steps = h("input", { placeholder: "as before", pattern: "[0-9, ]*" });
  const priority = h("select", {}, ["normal", "high", "low"].map((level) => h("option", { selected: level === job.priority }, level)));
  const dialog = h("dialog", { "aria-labelledby": "again-title" }, h("form", { method: "dialog" },
    h("h2", { id: "again-title" }, `Render ${job.name} again with …`),
    h("div", { class: "row" }, field("Seeds, such as 1, 2, 3", seeds), field("Model preset", preset),
      noise ? field("Noise scale", noise) : null, field("Denoising steps, such as 700, 500", steps),
      field("Times enlarged", enlarge), field("Priority", priority)),
    h("div", { class: "actions" }, h("button", { type: "button", onclick: () => dialog.close() }, "Close"), h("button", { class: "primary" }, "Submit"))));
  dialog.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const numbers = (text) => text.split(",").map((word) => word.trim()).filter(Boolean).map(Number);
    const options = { enlarge: Number(enlarge.value) || 1 };
    if (noise?.value) options.noise_scale = Number(noise.value);
    if (steps.value.trim()) options.denoising_steps = numbers(steps.value);
    const answer = await attempt(() => post("submit", {
      job: job.id, preset: preset.value, seeds: numbers(seeds.value), tags: job.tags, priority: priority.value, options,
    }));
    if (answer) location.assign(answer.jobs.length === 1 ? `/job/${answer.jobs[0].id}` : "/");
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
