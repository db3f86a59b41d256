// What every page has: its head with the way to the other pages, and messages in the corner.

import { get } from "./api.js";
import { fps, number } from "./format.js";
import { h, put, setText, svg } from "./dom.js";

const PAGES = [["/", "Board"], ["/edit", "Editor"], ["/compare", "Compare"]];
const SECONDS_BETWEEN_COUNTS = 5;
const SECONDS_OF_A_MESSAGE = 8;

function mark() {
  const strip = svg("rect", { x: 2, y: 5, width: 22, height: 16, rx: 3, fill: "var(--accent)" });
  const holes = [5, 10.3, 15.6, 20.9].flatMap((x) =>
    [7, 17.2].map((y) => svg("rect", { x: x - 1, y, width: 2.2, height: 1.9, rx: 0.5, fill: "var(--panel)" })),
  );
  const play = svg("path", { d: "M10.6 10.2v5.6l5-2.8z", fill: "var(--panel)" });
  return svg("svg", { viewBox: "0 0 26 26", "aria-hidden": "true" }, strip, holes, play);
}

async function count(place, user) {
  try {
    const [stats, about] = await Promise.all([get("stats"), get("about")]);
    const workers = Object.values(stats.workers).reduce((sum, each) => sum + each, 0);
    const where = about.mode === "alone" ? "this machine" : `${number(workers)} ${workers === 1 ? "worker" : "workers"}`;
    const speed = stats.fps ? `, ${fps(stats.fps)}` : "";
    setText(place, `${where} · ${number(stats.states.running)} running${speed} · ${number(stats.states.queued)} waiting`);
  } catch (error) {
    setText(place, error.message);
  }
}

/** Put the head of a page into its place, and keep its counts. */
export function addHead(pages = PAGES) {
  const place = document.querySelector("header.top");
  const here = location.pathname;
  const links = pages.map(([path, name]) =>
    h("a", { href: path, "aria-current": path === here ? "page" : null }, name),
  );
  const pulse = h("span", { class: "pulse num" });
  const user = h("span", { class: "user", title: "You, as the proxy names you" });
  put(place, h("a", { class: "brand", href: "/" }, mark(), "Rushes"), h("nav", { "aria-label": "Pages" }, links), pulse, user);
  const look = () => document.hidden || count(pulse, user);
  look();
  setInterval(look, SECONDS_BETWEEN_COUNTS * 1000);
}

let toasts = null;

/** Say something in the corner for a while; screen readers read it. */
export function say(text, kind = "note") {
  if (!toasts) {
    toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
    document.body.append(toasts);
  }
  const toast = h("div", { class: `toast ${kind}` }, text);
  toasts.append(toast);
  setTimeout(() => toast.remove(), SECONDS_OF_A_MESSAGE * 1000);
}

/** Do something, and say what went wrong. */
export async function attempt(act) {
  try {
    return await act();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, "error");
    return undefined;
  }
}
