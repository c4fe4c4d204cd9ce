// Shows generated images, each beside the real image it is most like, and lets people choose some of them.

const TINY = 100; // an image smaller than this is scaled up with hard edges
const AT_ONCE = 6; // requests under way; more would only queue in the browser and run into their time limit

class Sheet {
  constructor(root) {
    this.root = root;
    this.shown = "";
    this.addresses = new Map(); // path -> promise of an object URL: two images may have the same nearest one
    this.waiting = [];
    this.busy = 0;
    this.chosen = new Set();
  }

  update(data, tell) {
    if (!this.server || this.project !== data.project) this.begin(data.project, () => tell("renew", Date.now()));
    this.server.setToken(data.token, data.expires_in);
    this.tell = () => tell("chosen", { sheet: data.sheet, ids: [...this.chosen] });
    const wanted = JSON.stringify([data.sheet, data.tiles]);
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.chosen = new Set(data.chosen);
    const list = document.createElement("ul");
    list.append(...data.tiles.map((tile) => this.tile(tile)));
    this.root.replaceChildren(list);
  }

  begin(project, askForToken) {
    this.release();
    this.project = project;
    this.server = new Server(project, askForToken);
  }

  tile({ id, title, state, note, made_alt: madeAlt, nearest, nearest_alt: nearestAlt }) {
    const item = document.createElement("li");
    item.dataset.state = state;
    item.dataset.synthetic = id;
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = this.chosen.has(id);
    item.dataset.chosen = box.checked ? "yes" : "no";
    box.addEventListener("change", () => {
      if (box.checked) this.chosen.add(id);
      else this.chosen.delete(id);
      item.dataset.chosen = box.checked ? "yes" : "no";
      this.tell();
    });
    const head = document.createElement("span");
    head.className = "head";
    head.append(box, text("span", title));
    label.append(head, text("span", note, "note"));
    const pair = document.createElement("div");
    pair.className = "pair";
    pair.append(this.figure(`synthetic/${id}`, madeAlt, "made"));
    if (nearest !== null) pair.append(this.figure(`images/${nearest}`, nearestAlt, "nearest real"));
    item.append(pair, label);
    return item;
  }

  figure(path, alt, caption) {
    const figure = document.createElement("figure");
    const frame = document.createElement("div");
    frame.className = "frame";
    figure.append(frame, text("figcaption", caption));
    this.load(path, alt, frame, figure);
    return figure;
  }

  async load(path, alt, frame, figure) {
    try {
      if (!this.addresses.has(path)) this.addresses.set(path, this.fetched(path));
      const image = new Image();
      image.alt = alt;
      image.src = await this.addresses.get(path);
      await image.decode();
      image.className = Math.max(image.naturalWidth, image.naturalHeight) < TINY ? "tiny" : "";
      frame.replaceChildren(image);
      figure.dataset.state = "ready";
    } catch (error) {
      this.addresses.delete(path); // the next look tries again
      frame.replaceChildren(text("span", error instanceof Refused ? error.message : "Cannot be loaded"));
      figure.dataset.state = "broken";
    }
  }

  async fetched(path) {
    if (this.busy >= AT_ONCE) await new Promise((go) => this.waiting.push(go));
    this.busy += 1;
    try {
      return URL.createObjectURL(await this.server.blob(`${this.server.base}/${path}`));
    } finally {
      this.busy -= 1;
      this.waiting.shift()?.();
    }
  }

  release() {
    for (const address of this.addresses.values()) address.then(URL.revokeObjectURL, () => {});
    this.addresses.clear();
  }
}

function text(tag, content, className = "") {
  const made = document.createElement(tag);
  made.textContent = content;
  made.className = className;
  return made;
}

const sheets = new WeakMap();

export default function mount({ data, parentElement, setStateValue }) {
  let sheet = sheets.get(parentElement);
  if (!sheet) sheets.set(parentElement, (sheet = new Sheet(parentElement.querySelector(".sheet"))));
  sheet.update(data, setStateValue);
  return () => {
    sheets.get(parentElement)?.release();
    sheets.delete(parentElement);
  };
}
