// The workers: their GPU, what they hold loaded, and what they do.

import { get } from "../api.js";
import { ago } from "../format.js";
import { h, put } from "../dom.js";

const SECONDS_BETWEEN_LOOKS = 5;

function card(worker, jobs) {
  const held = worker.holds.map((id) => {
    const job = jobs.get(id);
    return h("a", { href: `/job/${id}` }, job ? job.name : id.slice(0, 8));
  });
  const state = { busy: "running", idle: "done", unhealthy: "failed" }[worker.status] ?? "queued";
  return h("li", { class: "worker" },
    h("div", { class: "line" }, h("strong", { title: worker.name }, worker.name), h("span", { class: `state state-${state}` }, worker.status)),
    h("div", { class: "dim" }, [worker.gpu || "CPU", worker.preset && `${worker.preset} loaded`].filter(Boolean).join(" · ")),
    held.length ? h("div", {}, "renders ", held) : null,
    h("div", { class: "dim" }, `up since ${ago(worker.started_at)}`),
    worker.note ? h("div", { class: "dim" }, worker.note) : null,
  );
}

/** Show the workers in a list, and look again and again; returns what looks at once. */
export function showWorkers(list, jobs) {
  async function look() {
    if (document.hidden) return;
    try {
      const { workers } = await get("workers");
      put(list, workers.length ? workers.map((worker) => card(worker, jobs))
        : h("li", { class: "worker dim" }, "No worker lives. ", h("span", { class: "mono" }, "rushes worker"), " starts one."));
    } catch (error) {
      put(list, h("li", { class: "worker dim" }, error.message));
    }
  }
  look();
  setInterval(look, SECONDS_BETWEEN_LOOKS * 1000);
  return look;
}
