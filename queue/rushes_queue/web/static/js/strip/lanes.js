// The lanes of the strip, each drawn into a group of its own at its height.

import { h, svg } from "../dom.js";
import { decimal } from "../format.js";
import { rampsOf, resetsOf } from "./plan.js";
import { tickText } from "./scale.js";

export const HUES = 8;

function withHue(element, block) {
  element.style.setProperty("--hue", `var(--hue-${((block % HUES) + HUES) % HUES})`);
  return element;
}

/** Times at the top. */
export const ruler = {
  name: "time",
  height: 26,
  draw(group, { scale }) {
    for (const seconds of scale.ticks()) {
      const x = scale.x(seconds);
      group.append(svg("line", { class: "tick", x1: x, x2: x, y1: 16, y2: 26 }));
      const isLast = x > scale.width - 24;
      group.append(svg("text", { class: "tick-text", x: isLast ? scale.width - 2 : x + 3, y: 13, "text-anchor": isLast ? "end" : "start" }, tickText(seconds, scale.step)));
    }
  },
};

/** Small pictures of the result, at even distances. */
export const thumbnails = {
  name: "pictures",
  height: 50,
  draw(group, { scale, pictures }) {
    const width = scale.width / pictures.length;
    pictures.forEach((picture, place) => {
      group.append(svg("image", { href: picture, x: place * width, y: 2, width, height: 46, preserveAspectRatio: "xMidYMid slice" }));
    });
  },
};

/** A block for each prompt with its words, ramps of transitions, notches of resets. */
export const blocks = {
  name: "prompts",
  height: 74,
  draw(group, { scale, plan, runs }) {
    for (const run of runs) {
      const x = scale.x(run.start);
      const width = Math.max(scale.x(run.end) - x, 1);
      const box = svg("rect", { class: "block", x: x + 0.5, y: 6.5, width: Math.max(width - 1, 1), height: 62, rx: 4, "data-block": run.block });
      group.append(withHue(svg("g", {}, box, svg("title", {}, run.text)), run.block));
      if (width > 46) {
        const words = svg("foreignObject", { x, y: 6, width, height: 62 });
        words.append(h("div", { class: "words" }, run.text));
        group.append(words);
      }
    }
    for (const ramp of rampsOf(plan)) {
      const y = (weight) => 68 - weight * 22;
      const points = ramp.points.map(({ time, weight }) => `${scale.x(time).toFixed(1)},${y(weight).toFixed(1)}`);
      const [first, last] = [scale.x(ramp.points[0].time), scale.x(ramp.points.at(-1).time)];
      const shape = svg("polygon", { class: "ramp", points: `${first},68 ${points.join(" ")} ${last},68` });
      group.append(withHue(svg("g", {}, shape, svg("title", {}, "transition")), ramp.block));
    }
    for (const time of resetsOf(plan)) {
      const x = scale.x(time);
      group.append(svg("g", {}, svg("path", { class: "reset", d: `M${x - 6} 0h12l-6 9z` }), svg("title", {}, "the past frames are forgotten here")));
    }
  },
};

/** A line at the start of each chunk. */
export const grid = {
  name: "chunks",
  height: 16,
  draw(group, { scale, times }) {
    const d = times.map((time, place) => `M${scale.x(time).toFixed(1)} ${place % 10 ? 8 : 2}V15`);
    group.append(svg("path", { class: "grid", d: d.join("") }));
  },
};

const CURVE_FOOT = 35; // pixels from the top of a curve's lane to its lowest value
const CURVE_HEIGHT = 29;

/** Return the height in its lane, from the top, of a share of a curve's range. */
export const curveY = (share) => CURVE_FOOT - share * CURVE_HEIGHT;

/** Return the share of a curve's range at a height in its lane. */
export const curveValue = (y) => (CURVE_FOOT - y) / CURVE_HEIGHT;

/** One value that changes over the chunks. */
export function curveLane(curve) {
  return {
    ...curve,
    height: 40,
    range: [decimal(curve.high), decimal(curve.low)],
    draw(group, { scale, times }) {
      const y = (value) => curveY((value - curve.low) / (curve.high - curve.low));
      let d = "";
      let isOpen = false;
      const at = curve.at ?? ((place) => [times[place], times[place + 1]]);
      curve.values.forEach((value, place) => {
        if (value === null || value === undefined) {
          isOpen = false;
          return;
        }
        const [start, end] = at(place).map((time) => scale.x(time).toFixed(1));
        d += `${isOpen ? "L" : "M"}${start} ${y(value).toFixed(1)}L${end} ${y(value).toFixed(1)}`;
        isOpen = true;
      });
      group.append(svg("line", { class: "lane-line", x1: 0, x2: scale.width, y1: 39.5, y2: 39.5 }));
      group.append(svg("path", { class: "curve", d }));
    },
  };
}

/** The loudness of the sound, and its beats. */
export const loudness = {
  name: "sound",
  height: 38,
  draw(group, { scale, sound }) {
    const { levels, seconds, beats } = sound;
    const step = seconds / levels.length;
    const top = levels.map((level, place) => `${scale.x(place * step).toFixed(1)},${(19 - level * 17).toFixed(1)}`);
    const bottom = levels.map((level, place) => `${scale.x(place * step).toFixed(1)},${(19 + level * 17).toFixed(1)}`).reverse();
    group.append(svg("polygon", { class: "wave", points: [...top, ...bottom].join(" ") }));
    const marks = beats.map((beat) => `M${scale.x(beat).toFixed(1)} 0V38`).join("");
    group.append(svg("path", { class: "beat", d: marks }));
  },
};
