// Draws the grid: the question, one button a tile, and what Enter would do. Data is text, never HTML.

const GRID_SHAPES = [[1120, 8, 6], [640, 6, 4], [480, 4, 5], [0, 3, 4]]; // from this width on: columns, rows
const GRID_IN_VIEW = 0.6; // of a tile, for it to count as looked at ...
const GRID_FILLS = 0.5; // ... or this much of what can be seen, where a tile is larger
const GRID_COVERED = "-56px 0px -64px 0px"; // by Streamlit's header and our line at the bottom

function gridShape(width) {
  const [, columns, rows] = GRID_SHAPES.find(([from]) => width >= from);
  return { columns, most: columns * rows };
}

class GridView {
  // act.pick(index, shift), act.confirm(), act.leave(), act.undo(), act.inView(index, visible)
  constructor(host, act, undoKeys) {
    this.host = host;
    this.undoKeys = undoKeys;
    this.act = act;
    this.parts = {};
    this.tiles = [];
    this.observer = new IntersectionObserver((entries) => this.observed(entries), {
      threshold: [0, 0.2, 0.4, GRID_IN_VIEW, 0.8], rootMargin: GRID_COVERED });
    this.section = element("section", { class: "grid", "aria-label": "Grid: many images of one class" },
      this.header(), this.part("tiles", element("div", { class: "tiles", role: "group" })),
      this.part("idle", element("div", { class: "idle grid-idle", role: "status", tabindex: "-1", hidden: "" })),
      this.footer());
    host.replaceChildren(this.section);
  }

  part(name, made) {
    this.parts[name] = made;
    return made;
  }

  header() {
    const back = element("button", { type: "button", class: "grid-back", "aria-keyshortcuts": "Escape",
      "aria-label": "Back to single images", onclick: () => this.act.leave() },
      element("span", { text: "Back" }, element("span", { class: "rest", text: " to single images" })),
      element("kbd", { text: "Esc", "aria-hidden": "true" }));
    return element("div", { class: "grid-head" },
      element("div", { class: "grid-asked" },
        this.part("question", element("h2", { class: "grid-question" })),
        this.part("count", element("span", { class: "grid-count" }))),
      element("div", { class: "grid-ways" }, this.undoButton(), back));
  }

  undoButton() {
    const keys = this.undoKeys.map(keyName);
    return this.part("undo", element("button", { type: "button", class: "grid-back grid-undo", hidden: "",
      "aria-keyshortcuts": keys.join(" ") || null, "aria-label": "Take the last group back", onmousedown: keepFocus,
      onclick: () => this.act.undo() },
      icon("undo"), element("span", { text: "Undo" }, element("span", { class: "rest", text: " the last group" })),
      element("kbd", { text: keys[0] ?? "", "aria-hidden": "true" })));
  }

  canUndo(possible) {
    this.parts.undo.hidden = !possible;
  }

  footer() {
    const hint = "Click the wrong ones, Shift marks a range. Or use the arrow keys and Space.";
    const touch = "Tap the wrong ones.";
    const button = element("button", { type: "button", class: "primary grid-confirm", "aria-keyshortcuts": "Enter",
      onmousedown: keepFocus, onclick: () => this.act.confirm() },
      this.part("confirmText", element("span")), element("kbd", { text: "Enter", "aria-hidden": "true" }));
    return this.part("foot", element("div", { class: "grid-foot" },
      element("p", { class: "grid-hint" }, element("span", { class: "with-mouse", text: hint }),
        element("span", { class: "with-touch", text: touch })),
      this.part("told", element("p", { class: "grid-told", role: "status", "aria-live": "polite" })),
      this.part("confirm", button)));
  }

  show(group) {
    const { tiles, question, count, idle, foot } = this.parts;
    this.observer.disconnect();
    this.className = group.className;
    idle.hidden = true;
    tiles.hidden = false;
    foot.hidden = false;
    question.replaceChildren("Is each of these ", element("strong", { text: group.className }), "?");
    count.textContent = imageCount(group.tiles.length);
    tiles.setAttribute("aria-label", `Images to confirm as ${group.className}`);
    tiles.style.setProperty("--columns", group.columns);
    this.tiles = group.tiles.map((tile, index) => this.tile(index, group.tiles.length));
    tiles.replaceChildren(...this.tiles);
    group.tiles.forEach((tile, index) => this.fill(index, tile));
    for (const made of this.tiles) this.observer.observe(made);
    this.section.dataset.group = group.tiles[0].query_id;
    this.toTop();
  }

  tile(index, total) {
    return element("button", {
      type: "button", class: "tile", tabindex: index ? "-1" : "0", "aria-pressed": "false", "data-index": index,
      "aria-label": `Image ${index + 1} of ${total} is wrong, not ${this.className}`,
      onmousedown: keepFocus, onclick: (event) => this.act.pick(index, event.shiftKey),
    });
  }

  // Called again when the tile's image arrives.
  fill(index, tile) {
    const made = this.tiles[index];
    made.dataset.state = tile.state;
    made.dataset.query = tile.query_id;
    const wrong = element("span", { class: "tile-wrong", "aria-hidden": "true" }, icon("wrong"));
    if (tile.state === "ready") {
      const side = Math.max(tile.image.naturalWidth, tile.image.naturalHeight);
      tile.image.className = side > BLOCKS && side < TINY ? "tiny" : "";
      made.replaceChildren(tile.image, wrong);
    } else if (tile.state === "broken") {
      made.replaceChildren(element("span", { class: "tile-broken", text: "Cannot be shown" }), wrong);
    }
  }

  mark(index, wrong) {
    this.tiles[index].setAttribute("aria-pressed", wrong ? "true" : "false");
  }

  focus(index) {
    const made = this.tiles[index];
    for (const other of this.tiles) other.tabIndex = other === made ? 0 : -1;
    made.focus({ preventScroll: true });
    made.scrollIntoView({ block: "nearest" });
  }

  toTop() {
    if (this.section.getBoundingClientRect().top < 0) this.section.scrollIntoView({ block: "start" });
  }

  scrollTo(index) {
    this.tiles[index].scrollIntoView({ block: "start" });
  }

  observed(entries) {
    for (const entry of entries) {
      const index = this.tiles.indexOf(entry.target);
      const fills = entry.rootBounds && entry.intersectionRect.height > GRID_FILLS * entry.rootBounds.height;
      if (index >= 0) this.act.inView(index, entry.intersectionRatio >= GRID_IN_VIEW || Boolean(fills));
    }
  }

  // What Enter would do, in words; `waits` says that it would not confirm yet.
  tell({ text, told, waits }) {
    const { confirm, confirmText, told: line } = this.parts;
    if (confirmText.textContent !== text) confirmText.textContent = text;
    if (line.textContent !== told) line.textContent = told;
    confirm.dataset.waits = waits ? "yes" : "no";
  }

  idle(title, detail, drawing) {
    const { tiles, idle, foot, question, count } = this.parts;
    const said = !idle.hidden && idle.dataset.said === `${title} ${detail}`;
    if (said) return; // a screen reader would say it again
    idle.dataset.said = `${title} ${detail}`;
    this.observer.disconnect();
    this.tiles = [];
    tiles.replaceChildren();
    question.textContent = "Grid";
    count.textContent = "";
    tiles.hidden = foot.hidden = true;
    idle.hidden = false;
    delete this.section.dataset.group;
    idle.replaceChildren(element("div", { class: "idle-icon" }, icon(drawing)),
      element("h2", { text: title }), element("p", { text: detail }));
  }

  remove() {
    this.observer.disconnect();
    this.host.replaceChildren();
  }
}
