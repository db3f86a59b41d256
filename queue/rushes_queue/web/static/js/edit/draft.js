// The draft: the first chunk of every block as one picture, drawn by the server when asked.

import { postForBlob } from "../api.js";
import { attempt } from "../shell.js";
import { h, put, setText } from "../dom.js";

/** The panel of the draft, and the button that asks for it. */
export class Draft {
  #url = null;

  constructor(panel, button) {
    this.panel = panel;
    this.button = button;
    this.note = panel.querySelector(".note");
    this.body = panel.querySelector(".sheet");
  }

  /** Ask for the draft of a document; `blocks` is how many blocks it has. */
  async draw(sent, blocks) {
    this.panel.hidden = false;
    this.button.setAttribute("aria-busy", "true");
    setText(this.note, "The draft is being drawn.");
    const blob = await attempt(() => postForBlob("draft", sent));
    this.button.removeAttribute("aria-busy");
    if (blob) this.#show(blob, blocks);
    else setText(this.note, this.#url ? "This is the draft of before." : "There is no draft yet.");
  }

  /** Tell that the document has changed since. */
  outdate() {
    if (this.#url) setText(this.note, "The timeline has changed since this draft.");
  }

  #show(blob, blocks) {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(blob);
    put(this.body, h("img", { src: this.#url, alt: `Draft: the first chunk of ${blocks === 1 ? "the block" : `each of ${blocks} blocks`}, by the small model` }));
    setText(this.note, "By the small model: what a block shows and where it begins, not how good it will look.");
  }
}
