// What the server says to a document: its faults, and how it would be rendered.

import { post } from "../api.js";

const QUIET_MS = 250; // without a change, before the server is asked

/** Asks for the plan of the newest document; older answers are dropped. */
export class Planner {
  #timer = 0;
  #asking = null;

  /** `onAnswer` gets {problems, plan, error}; `plan` is null where there is none. */
  constructor(onAnswer) {
    this.onAnswer = onAnswer;
  }

  ask(sent, options, delay = QUIET_MS) {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#timer = setTimeout(() => this.#ask(sent, options), delay);
  }

  async #ask(sent, options) {
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    try {
      const { input, ...checked } = sent;
      const [report] = await post("check", checked, { signal });
      const answer = { problems: report.problems, plan: null, error: null };
      if (report.ok) {
        answer.plan = await post("plan", { ...sent, options }, { signal }).catch((error) => {
          if (error.name === "AbortError") throw error;
          answer.error = error;
          return null;
        });
      }
      this.onAnswer(answer);
    } catch (error) {
      if (error.name !== "AbortError") this.onAnswer({ problems: [], plan: null, error });
    }
  }
}
