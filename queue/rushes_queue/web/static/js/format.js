// Numbers and times as the browser's language writes them.

const NUMBER = new Intl.NumberFormat();
const ONE = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const TWO = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const FOUR = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const AGO = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

export const number = (value) => NUMBER.format(value);
export const decimal = (value) => TWO.format(value);
export const exact = (value) => FOUR.format(value); // four digits, however small
export const fps = (value) => `${ONE.format(value)} fps`;
export const date = (iso) => (iso ? DATE.format(new Date(iso)) : "");

/** Return seconds as 0:07, 12:34 or 1:02:03. */
export function clock(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, place) => (place ? String(part).padStart(2, "0") : part)).join(":");
}

/** Return a time as "5 min ago". */
export function ago(iso, now = Date.now()) {
  if (!iso) return "";
  const seconds = (new Date(iso).getTime() - now) / 1000;
  const [unit, length] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? UNITS[3];
  return AGO.format(Math.round(seconds / length), unit);
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), 4);
  return `${TWO.format(value / 2 ** (10 * power))} ${units[power]}`;
}
