// What a plan's JSON says over time: blocks as they are rendered, transitions, resets, curves.

/** Return the seconds at which each chunk starts, and the end. */
export function chunkTimes(plan) {
  const end = plan.num_frames / plan.fps;
  return [...plan.chunks.map((chunk) => chunk.first_frame / plan.fps), end];
}

/** Return runs of chunks that show the same prompt block: {block, start, end, first, last, text}. */
export function runsOf(plan) {
  const times = chunkTimes(plan);
  const runs = [];
  plan.chunks.forEach((chunk, place) => {
    const last = runs.at(-1);
    if (last && last.block === chunk.prompt_block) {
      last.end = times[place + 1];
      last.last = place;
    } else {
      const prompts = plan.prompts[chunk.prompt_block] ?? [];
      runs.push({ block: chunk.prompt_block, start: times[place], end: times[place + 1], first: place, last: place, prompts, text: prompts.map((each) => each.text).join(" + ") });
    }
  });
  return runs;
}

/** Return runs of chunks in transition, each with its weights at the chunks' starts and its end. */
export function rampsOf(plan) {
  const times = chunkTimes(plan);
  const ramps = [];
  let open = null;
  plan.chunks.forEach((chunk, place) => {
    if (chunk.transition === null) {
      open = null;
      return;
    }
    if (!open || chunk.transition <= open.points.at(-1).weight || chunk.prompt_block !== open.block) {
      open = { block: chunk.prompt_block, points: [{ time: times[place], weight: 0 }] };
      ramps.push(open);
    }
    open.points.push({ time: times[place], weight: chunk.transition }, { time: times[place + 1], weight: chunk.transition });
  });
  return ramps;
}

/** Return the times of resets after the start. */
export function resetsOf(plan) {
  const times = chunkTimes(plan);
  return plan.chunks.flatMap((chunk, place) => (chunk.reset && place ? [times[place]] : []));
}

/** Return a file's name without its extension. */
export const stemOf = (name) => name.replace(/\.(safetensors|pt|bin)$/i, "");

/**
 * Return what changes from chunk to chunk as curves: {name, low, high, values}, a value a chunk;
 * with `key` where the timeline can set them over time.
 */
export function curvesOf(plan) {
  const chunks = plan.chunks;
  const curves = [];
  if (chunks.some((chunk) => chunk.noise_scale !== null)) {
    curves.push({ key: "noise_scale", name: "noise scale", low: 0, high: 1, values: chunks.map((chunk) => chunk.noise_scale) });
  }
  plan.loras.forEach((lora, place) => {
    const values = chunks.map((chunk) => chunk.lora_scales[place] ?? lora.scale);
    const { low, high } = withRange("", [...values, 1]);
    curves.push({ key: `lora_scale.${stemOf(lora.name).toLowerCase()}`, name: stemOf(lora.name), low, high, values });
  });
  if (chunks.some((chunk) => chunk.steering)) {
    curves.push({ key: "vace_scale", name: "VACE scale", low: 0, high: 2, values: chunks.map((chunk) => chunk.steering?.scale ?? null) });
  }
  const steps = chunks.map((chunk) => chunk.denoising_steps.length);
  if (new Set(steps).size > 1) curves.push(withRange("steps", steps));
  return curves;
}

/** Return a curve whose range is that of its values, zero included. */
export function withRange(name, values) {
  const known = values.filter((value) => value !== null);
  const low = Math.min(0, ...known);
  const high = Math.max(low + 1e-6, ...known);
  return { name, low, high: high === low + 1e-6 ? low + 1 : high, values };
}

/** Return the place of the chunk that shows a time. */
export function chunkAt(times, seconds) {
  let low = 0;
  let high = times.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= seconds + 1e-6) low = middle;
    else high = middle - 1;
  }
  return Math.max(low, 0);
}
