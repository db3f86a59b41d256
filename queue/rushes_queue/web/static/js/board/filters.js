// Which jobs are shown: by state, tag, name and age, as the command line chooses them.

import { h } from "../dom.js";
import { number } from "../format.js";
import { STATES } from "../jobs.js";

const AGES = [["", "Any time"], ["1h", "Last hour"], ["1d", "Last day"], ["1w", "Last week"]];
const MS = { "1h": 3600e3, "1d": 86400e3, "1w": 604800e3 };

function pattern(text) {
  const parts = text.toLowerCase().split("*").map((part) => part.replace(/[.+^${}()|[\]\\?]/g, "\\$&"));
  return new RegExp(text.includes("*") ? `^${parts.join(".*")}$` : parts[0]);
}

/** The form of the filters; `onChange` is told when another choice is made. */
export class Filters {
  constructor(form, onChange) {
    this.form = form;
    this.boxes = {};
    this.counts = {};
    const given = new URLSearchParams(location.search);
    const states = STATES.map((state) => {
      const box = h("input", { type: "checkbox", name: "state", value: state, checked: given.getAll("state").includes(state) });
      this.boxes[state] = box;
      this.counts[state] = h("b");
      return h("label", { class: `toggle state-${state}` }, box, state, this.counts[state]);
    });
    this.name = h("input", { type: "search", name: "name", placeholder: "Name, id or prompt", "aria-label": "Name, id or prompt", value: given.get("name") ?? "" });
    this.tag = h("select", { name: "tag", "aria-label": "Tag" }, h("option", { value: "" }, "Any tag"));
    this.age = h("select", { name: "since", "aria-label": "Submitted" }, AGES.map(([value, text]) => h("option", { value, selected: value === given.get("since") }, text)));
    this.wantedTag = given.get("tag") ?? "";
    form.append(h("fieldset", {}, h("legend", { class: "visually-hidden" }, "States"), states), this.name, this.tag, this.age);
    const changed = () => {
      this.#remember();
      onChange();
    };
    form.addEventListener("input", changed);
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Return a function that says whether a job is shown. */
  test() {
    const states = new Set(STATES.filter((state) => this.boxes[state].checked));
    const words = this.name.value.trim();
    const like = words ? pattern(words) : null;
    const tag = this.tag.value;
    const since = this.age.value ? Date.now() - MS[this.age.value] : 0;
    return (job) =>
      (!states.size || states.has(job.state)) &&
      (!tag || job.tags.includes(tag)) &&
      (!since || Date.parse(job.created_at) >= since) &&
      (!like || like.test(job.name.toLowerCase()) || job.id.startsWith(words) || like.test(job.prompt.toLowerCase()));
  }

  /** Show how many jobs are in each state, and which tags there are. */
  count(jobs) {
    const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
    const tags = new Set();
    for (const job of jobs) {
      counts[job.state] += 1;
      for (const tag of job.tags) tags.add(tag);
    }
    for (const state of STATES) {
      this.counts[state].textContent = number(counts[state]);
      this.boxes[state].parentElement.hidden = !counts[state] && !this.boxes[state].checked;
    }
    const shown = [...this.tag.options].slice(1).map((option) => option.value);
    const wanted = [...tags].sort();
    if (wanted.join("\n") !== shown.join("\n")) {
      const chosen = this.tag.value || this.wantedTag;
      this.tag.replaceChildren(h("option", { value: "" }, "Any tag"), ...wanted.map((tag) => h("option", { value: tag, selected: tag === chosen }, tag)));
    }
    this.tag.hidden = !wanted.length;
  }

  #remember() {
    const query = new URLSearchParams(new FormData(this.form));
    for (const [name, value] of [...query]) if (!value) query.delete(name);
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  }
}
