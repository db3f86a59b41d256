// Handing a timeline in: files dropped or chosen, checked by the server, and queued.

import { get, post, upload } from "./api.js";
import { bytes } from "./format.js";
import { h, icon, put } from "./dom.js";
import { attempt, say } from "./shell.js";

const LARGEST_TO_READ = 16 * 2 ** 20;

/** Call `onFiles` with files that are dropped anywhere on the page. */
export function takeDrops(onFiles) {
  let depth = 0;
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
  const show = () => document.body.classList.toggle("dropping", depth > 0);
  addEventListener("dragenter", (event) => {
    if (isFiles(event)) depth += 1;
    show();
  });
  addEventListener("dragleave", (event) => {
    if (isFiles(event)) depth = Math.max(depth - 1, 0);
    show();
  });
  addEventListener("dragover", (event) => isFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show();
    onFiles([...event.dataTransfer.files]);
  });
}

async function isTimeline(file) {
  if (!file.name.toLowerCase().endsWith(".json")) return false;
  if (file.size > LARGEST_TO_READ) return true;
  try {
    const document = JSON.parse(await file.text());
    return Boolean(document.prompts || document.format || document.prompt_map);
  } catch {
    return true; // the check says what is wrong with it
  }
}

/** Return how requests name files that were uploaded: {upload, name, files, input}. */
export async function sendFiles(timeline, others, onSent = () => {}) {
  const files = {};
  for (const file of others) {
    files[file.name] = (await upload(file)).sha256;
    onSent(file);
  }
  const sent = await upload(timeline);
  onSent(timeline);
  return { upload: sent.sha256, name: timeline.name, files };
}

const isVideo = (file) => file.type.startsWith("video/") || /\.(mp4|mkv|mov|webm|avi)$/i.test(file.name);

/** A dialog that takes a timeline with its files; `onDone` gets the jobs that were made. */
export class SubmitDialog {
  constructor(onDone) {
    this.onDone = onDone;
    this.timeline = null;
    this.others = [];
    this.chooser = h("input", { type: "file", multiple: true, class: "visually-hidden", tabindex: "-1", "aria-label": "Files", onchange: () => this.add([...this.chooser.files]) });
    this.list = h("ul", { class: "files" });
    this.problems = h("ul", { class: "problems", role: "status" });
    this.preset = h("select", { name: "preset" }, h("option", { value: "" }, "That of the timeline"));
    this.input = h("select", { name: "input" });
    this.seeds = h("input", { name: "seeds", placeholder: "of the timeline", inputmode: "numeric", pattern: "[0-9 ,]*" });
    this.priority = h("select", { name: "priority" }, ["normal", "high", "low"].map((level) => h("option", {}, level)));
    this.tags = h("input", { name: "tags", placeholder: "none" });
    this.send = h("button", { class: "primary", disabled: true }, "Submit");
    this.element = h("dialog", { "aria-labelledby": "submit-title" }, h("form", { method: "dialog", onsubmit: (event) => this.#submit(event) },
      h("h2", { id: "submit-title" }, "Submit a timeline"),
      h("div", { class: "drop" },
        h("span", {}, "Drop a timeline or workflow, with the video, images and sounds that it names"),
        h("button", { type: "button", onclick: () => this.chooser.click() }, icon("plus"), "Choose files"), this.chooser),
      this.list, this.problems,
      h("div", { class: "row" },
        field("Input video", this.input), field("Model preset", this.preset), field("Seeds, such as 1, 2, 3", this.seeds),
        field("Priority", this.priority), field("Tags, separated by commas", this.tags)),
      h("div", { class: "actions" }, h("button", { type: "button", onclick: () => this.element.close() }, "Close"), this.send),
    ));
    document.body.append(this.element);
  }

  async open(files = []) {
    if (!this.element.open) this.element.showModal();
    if (this.preset.options.length === 1) {
      const about = await attempt(() => get("about"));
      for (const [name, { is_here: isHere }] of Object.entries(about?.presets ?? {})) {
        this.preset.append(h("option", { value: name }, about.mode === "alone" && !isHere ? `${name} (not installed)` : name));
      }
    }
    await this.add(files);
  }

  /** Add files; the one that is a timeline takes the place of the one before. */
  async add(files) {
    for (const file of files) {
      if (await isTimeline(file)) this.timeline = file;
      else this.others = [...this.others.filter((other) => other.name !== file.name), file];
    }
    this.#show();
    if (this.timeline && files.length) await this.#check();
  }

  #show() {
    const all = [this.timeline, ...this.others].filter(Boolean);
    put(this.list, all.map((file) => h("li", {},
      h("span", { class: "chip" }, file === this.timeline ? "timeline" : isVideo(file) ? "video" : "file"),
      h("span", { class: "grow" }, file.name), h("span", { class: "dim num" }, bytes(file.size)),
      h("button", { type: "button", class: "quiet icon", "aria-label": `Leave ${file.name} out`, onclick: () => this.#leaveOut(file) }, icon("stop")))));
    const chosen = this.input.value;
    put(this.input, h("option", { value: "" }, "That of the timeline"),
      this.others.filter(isVideo).map((file) => h("option", { value: file.name, selected: file.name === chosen }, file.name)));
  }

  #leaveOut(file) {
    if (file === this.timeline) this.timeline = null;
    this.others = this.others.filter((other) => other !== file);
    put(this.problems);
    this.#show();
    if (this.timeline) this.#check();
    else this.send.disabled = true;
  }

  /** Check what there is; only what is sound can be submitted. */
  async #check() {
    this.send.disabled = true;
    put(this.problems, h("li", {}, "checking …"));
    const round = (this.round = (this.round ?? 0) + 1);
    const report = await attempt(async () => {
      this.sent = await sendFiles(this.timeline, this.others);
      return (await post("check", this.sent))[0];
    });
    if (round !== this.round) return; // other files came meanwhile, and are checked
    put(this.problems, (report?.problems ?? []).map((problem) => h("li", { class: problem.severity },
      problem.path ? h("span", { class: "mono" }, problem.path, ": ") : null, problem.message)));
    this.send.disabled = !report?.ok;
    if (report?.problems.some((problem) => problem.message.includes("rushes convert"))) {
      this.problems.append(h("li", {}, h("button", { type: "button", onclick: () => this.#convert() }, "Convert it into a timeline")));
    }
  }

  /** Put a timeline into the place of a prompt map. */
  async #convert() {
    const converted = await attempt(() => post("convert", { upload: this.sent.upload, name: this.sent.name }));
    if (!converted) return;
    for (const problem of converted.problems) say(problem.path ? `${problem.path}: ${problem.message}` : problem.message);
    const text = JSON.stringify(converted.timeline, null, 2);
    await this.add([new File([text], this.timeline.name, { type: "application/json" })]);
  }

  async #submit(event) {
    event.preventDefault();
    this.send.disabled = true;
    const words = (text) => text.split(",").map((word) => word.trim()).filter(Boolean);
    const seeds = words(this.seeds.value).map(Number);
    const answer = await attempt(() => post("submit", {
      ...this.sent,
      preset: this.preset.value || null,
      input: this.input.value || null,
      seeds: seeds.length ? seeds : null,
      priority: this.priority.value,
      tags: words(this.tags.value),
    }));
    this.send.disabled = false;
    if (!answer) return;
    for (const job of answer.jobs) if (!job.new) say(`the same was submitted before: ${job.id.slice(0, 8)} is ${job.state}`);
    this.element.close();
    this.onDone(answer.jobs);
  }
}

/** Return a control with its label. */
export function field(text, control) {
  return h("label", { class: "field" }, text, control);
}
