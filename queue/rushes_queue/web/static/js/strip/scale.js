// From seconds to pixels and back, and where ticks stand.

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const LEAST_PIXELS = 68; // between two ticks with a text

export class Scale {
  constructor(duration, width) {
    this.duration = Math.max(duration, 1e-3);
    this.width = width;
  }

  x(seconds) {
    return (seconds / this.duration) * this.width;
  }

  seconds(x) {
    return Math.min(Math.max((x / this.width) * this.duration, 0), this.duration);
  }

  /** Return the seconds between two ticks. */
  get step() {
    return STEPS.find((step) => this.x(step) >= LEAST_PIXELS) ?? STEPS.at(-1);
  }

  *ticks() {
    for (let place = 0; place * this.step <= this.duration + 1e-9; place += 1) yield place * this.step;
  }
}

/** Return a tick's time: 4, 4.5 s or 1:05. */
export function tickText(seconds, step) {
  if (step < 1) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, "0")}`;
}
