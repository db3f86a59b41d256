// Elements made from names, properties and texts. Texts stay texts: nothing is parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(3)) {
    if (child !== undefined && child !== null && child !== false) element.append(child);
  }
  return element;
}

/** Return an HTML element: h("a", { href: "/", onclick: act }, "text", otherElement). */
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Return an SVG element. */
export function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/** Put children in the place of what an element holds. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat(3).filter((child) => child || child === 0));
}

/** Write a text, unless it stands there already: what does not change costs nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const ICONS = {
  pause: "M8 5v14M16 5v14",
  play: "M7 4.5v15l12-7.5z",
  stop: "M6 6l12 12M18 6L6 18",
  retry: "M4 5v5h5M4.5 10a8 8 0 1 1-.5 5",
  fetch: "M12 4v11m-5-5 5 5 5-5M5 20h14",
  plus: "M12 5v14M5 12h14",
  again: "M17 3l4 4-4 4M21 7H9a6 6 0 0 0-6 6M7 21l-4-4 4-4M3 17h12a6 6 0 0 0 6-6",
  loupe: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM15.5 15.5 21 21",
  back: "M15 5l-7 7 7 7",
  forward: "M9 5l7 7-7 7",
  in: "M12 5v14M5 12h14",
  out: "M5 12h14",
  edit: "M4 20l4-1L19 8l-3-3L5 16zM14 7l3 3",
};

/** Return one of our icons; it says nothing to screen readers. */
export function icon(name) {
  return svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}
