// Changes of a timeline's prompt blocks. Each returns a new document and leaves the old one as it
// is; whatever else stands in the document stays.

const LEAST_SECONDS = 0.1; // of a block
const TOUCHING = 1e-3; // seconds between two blocks that follow on each other
const NEW_SECONDS = 4;
const DIGITS = 4;
const SCHEMA = 1; // of what `ext` holds

const rounded = (seconds) => Number(seconds.toFixed(DIGITS));

/** Return a document whose blocks are in order, as all changes expect it. */
export function inOrder(timeline) {
  const prompts = [...(timeline.prompts ?? [])].sort((a, b) => a.startTime - b.startTime);
  return { ...timeline, prompts };
}

/** Return an empty timeline. */
export function emptyTimeline() {
  return { prompts: [newBlock(0)], settings: { inputMode: "text" }, version: "2.1" };
}

function newBlock(start) {
  return { startTime: rounded(start), endTime: rounded(start + NEW_SECONDS), prompts: [{ text: "", weight: 100 }] };
}

/** Return the prompts of a block, [{text, weight}], also where it has a single text. */
export function promptsOf(block) {
  return block.prompts ?? [{ text: block.text ?? "", weight: 100 }];
}

/** Return which block shows a time: the last one that has begun. */
export function blockAt(timeline, seconds) {
  return Math.max(timeline.prompts.findLastIndex((block) => block.startTime <= seconds + TOUCHING), 0);
}

const withBlocks = (timeline, prompts) => ({ ...timeline, prompts });
const replaced = (timeline, place, block) => withBlocks(timeline, timeline.prompts.with(place, block));

/** Move the start or the end of a block; a neighbour that touches it there moves along. */
export function moveEdge(timeline, place, side, seconds) {
  const { prompts } = timeline;
  const block = prompts[place];
  const other = side === "startTime" ? place - 1 : place + 1;
  const facing = side === "startTime" ? "endTime" : "startTime";
  const neighbour = prompts[other];
  const touches = neighbour && Math.abs(neighbour[facing] - block[side]) <= TOUCHING;
  const [low, high] = limits(block, neighbour, touches, side);
  const time = rounded(Math.min(Math.max(seconds, low), high));
  const moved = prompts.with(place, { ...block, [side]: time });
  return withBlocks(timeline, touches ? moved.with(other, { ...neighbour, [facing]: time }) : moved);
}

function limits(block, neighbour, touches, side) {
  if (side === "startTime") {
    const low = !neighbour ? 0 : touches ? neighbour.startTime + LEAST_SECONDS : neighbour.endTime;
    return [low, block.endTime - LEAST_SECONDS];
  }
  const high = !neighbour ? Infinity : touches ? neighbour.endTime - LEAST_SECONDS : neighbour.startTime;
  return [block.startTime + LEAST_SECONDS, high];
}

/** Cut a block in two at a time; null where a part would be too short. */
export function split(timeline, seconds) {
  const place = blockAt(timeline, seconds);
  const block = timeline.prompts[place];
  const time = rounded(seconds);
  if (time - block.startTime < LEAST_SECONDS || block.endTime - time < LEAST_SECONDS) return null;
  const { transitionSteps, temporalInterpolationMethod, ...plain } = structuredClone(block);
  if (plain.ext) delete plain.ext.transition;
  const parts = [{ ...block, endTime: time }, { ...plain, startTime: time }];
  return withBlocks(timeline, timeline.prompts.toSpliced(place, 1, ...parts));
}

/** Let a block go on until the end of the next one, which is left out; null for the last one. */
export function join(timeline, place) {
  const next = timeline.prompts[place + 1];
  if (!next) return null;
  const longer = { ...timeline.prompts[place], endTime: next.endTime };
  return withBlocks(timeline, timeline.prompts.toSpliced(place, 2, longer));
}

/** Leave a block out; the one before goes on in its place. Null for the only one. */
export function remove(timeline, place) {
  const { prompts } = timeline;
  if (prompts.length === 1) return null;
  if (place === 0) return withBlocks(timeline, prompts.slice(1).with(0, { ...prompts[1], startTime: prompts[0].startTime }));
  return join(timeline, place - 1);
}

/** Add a block behind the last one. */
export function append(timeline) {
  const end = timeline.prompts.at(-1)?.endTime ?? 0;
  return withBlocks(timeline, [...timeline.prompts, newBlock(end)]);
}

/** Change the prompts of a block. */
export function setPrompts(timeline, place, prompts) {
  const { text, ...block } = timeline.prompts[place];
  return replaced(timeline, place, { ...block, prompts });
}

/** Set fields of a block; a value of null leaves the field out. */
export function setFields(timeline, place, fields) {
  const block = { ...timeline.prompts[place], ...fields };
  for (const [name, value] of Object.entries(fields)) if (value === null) delete block[name];
  return replaced(timeline, place, block);
}

/** Set a value in a section of a block's `ext`, such as `params`; null leaves it out. */
export function setBlockExt(timeline, place, section, name, value) {
  const { [section]: before, ...ext } = timeline.prompts[place].ext ?? {};
  const values = { ...before, [name]: value };
  if (value === null) delete values[name];
  if (Object.keys(values).length) ext[section] = values;
  const changed = setFields(timeline, place, { ext: Object.keys(ext).length ? ext : null });
  return { ...changed, ext: { ...timeline.ext, schema: SCHEMA } };
}

/** Set a field of the settings; null leaves it out. */
export function setSetting(timeline, name, value) {
  const settings = { ...timeline.settings, [name]: value };
  if (value === null) delete settings[name];
  return { ...timeline, settings };
}
