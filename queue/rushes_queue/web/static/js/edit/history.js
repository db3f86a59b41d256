// The states of a document, to go back and forth in.

const MOST = 500;

export class History {
  #states;
  #place = 0;
  #kind = null;

  constructor(state) {
    this.#states = [state];
  }

  get now() {
    return this.#states[this.#place];
  }

  get canUndo() {
    return this.#place > 0;
  }

  get canRedo() {
    return this.#place < this.#states.length - 1;
  }

  /** Take a new state. States of one `kind` in a row, such as letters of a word, count as one. */
  add(state, kind = null) {
    const goesOn = kind !== null && kind === this.#kind && this.#place > 0;
    this.#states = [...this.#states.slice(0, goesOn ? this.#place : this.#place + 1), state].slice(-MOST);
    this.#place = this.#states.length - 1;
    this.#kind = kind;
  }

  undo() {
    this.#kind = null;
    if (this.canUndo) this.#place -= 1;
    return this.now;
  }

  redo() {
    this.#kind = null;
    if (this.canRedo) this.#place += 1;
    return this.now;
  }
}
