// Small makers of elements and icons, for every part of the page. Data becomes text, never HTML.

const ICONS = {
  undo: "M9 14 4 9l5-5 M4 9h10a6 6 0 0 1 0 12h-3",
  skip: "M5 5l9 7-9 7z M19 5v14",
  unsure: "M9.2 9a3 3 0 1 1 4.3 2.7c-1 .5-1.5 1.1-1.5 2.3 M12 17.5v.1",
  flag: "M5 21V4 M5 4h12l-2.5 4L17 12H5",
  zoom: "M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13z M15.300 15.300 21 21 M8 10.500h5 M10.500 8v5",
  why: "M9.500 18h5 M10.500 21h3 M9 15c-2-1.400-3-3.200-3-5.300a6 6 0 0 1 12 0c0 2.100-1 3.900-3 5.300z",
  guidelines: "M6 3h9l4 4v14H6z M9 11h7 M9 15h7",
  help: "M3 6h18v12H3z M7 10h.1 M11 10h.1 M15 10h.1 M8 14h8",
  single: "M4 4h16v16H4z",
  grid: "M4 4h6.500v6.500H4z M13.500 4H20v6.500h-6.500z M4 13.500h6.500V20H4z M13.500 13.500H20V20h-6.500z",
  done: "M4 12.5l5 5L20 6.5",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z M2.5 20c.6-3.6 3-5.5 6.500-5.500s5.900 1.900 6.500 5.500 M16 4.500a3.500 3.500 0 0 1 0 6.500 M18 14.800c1.900.8 3.100 2.500 3.500 5.200",
  model: "M4 18c3-8 5-11 8-11s3 7 8 3 M4 6h.1 M8 4h.1 M17 17h.1 M20 19h.1 M15 20h.1",
  pause: "M8 5v14 M16 5v14",
  empty: "M4 6h16v12H4z M4 15l4-4 4 4 3-3 5 5 M15.500 9.500h.1",
  wrong: "M5 5l14 14 M19 5L5 19",
  offline: "M3 3l18 18 M8 16a6 6 0 0 1 6-2 M5 12a10 10 0 0 1 5-2.600 M19 12a10 10 0 0 0-3-2 M12 20h.1",
};

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function icon(name) {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  drawing.append(path);
  return drawing;
}

function bar(done, total, label) {
  const made = element("div", { class: "track", role: "progressbar", "aria-label": label });
  made.setAttribute("aria-valuemax", total);
  made.setAttribute("aria-valuenow", Math.min(done, total));
  made.style.setProperty("--done", Math.min(1, done / total));
  return made;
}

// A click must not take the focus away: Space would then press the button again instead of skipping.
const keepFocus = (event) => event.preventDefault();

function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
