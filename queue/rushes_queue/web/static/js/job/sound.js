// The loudness of a video's sound over time, and where its beats are.

const LARGEST = 200 * 2 ** 20; // bytes that are read to hear
const LEVELS_A_SECOND = 43;
const LEAST_BEAT = 0.25; // seconds between two beats

/** Return {levels, seconds, beats}; null for a video without sound. */
export async function hear(address) {
  const head = await fetch(address, { method: "GET", headers: { range: "bytes=0-0" } });
  const size = Number(head.headers.get("content-range")?.split("/")[1] ?? 0);
  if (!size || size > LARGEST) return null;
  const data = await (await fetch(address)).arrayBuffer();
  let buffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, 22050).decodeAudioData(data);
  } catch {
    return null; // it has no sound
  }
  const samples = buffer.getChannelData(0);
  const length = Math.floor(buffer.sampleRate / LEVELS_A_SECOND);
  const levels = [];
  for (let first = 0; first + length <= samples.length; first += length) {
    let sum = 0;
    for (let place = first; place < first + length; place += 1) sum += samples[place] ** 2;
    levels.push(Math.sqrt(sum / length));
  }
  const loudest = Math.max(...levels, 1e-6);
  const shown = levels.map((level) => level / loudest);
  if (loudest < 1e-4) return null;
  return { levels: shown, seconds: buffer.duration, beats: beatsOf(shown, buffer.duration) };
}

/** Return the times at which the loudness rises by far more than it did around there. */
export function beatsOf(levels, seconds) {
  const rises = levels.map((level, place) => Math.max(level - (levels[place - 1] ?? level), 0));
  const around = LEVELS_A_SECOND / 2;
  const beats = [];
  rises.forEach((rise, place) => {
    const near = rises.slice(Math.max(place - around, 0), place + around);
    const mean = near.reduce((sum, each) => sum + each, 0) / near.length;
    const isPeak = rise >= Math.max(rises[place - 1] ?? 0, rises[place + 1] ?? 0);
    const time = (place / levels.length) * seconds;
    if (isPeak && rise > 3 * mean + 0.04 && time - (beats.at(-1) ?? -1) >= LEAST_BEAT) beats.push(time);
  });
  return beats;
}
