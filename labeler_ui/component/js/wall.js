// Shows many small images side by side, a strip an arm: fetched with the token, never by an address that works without it.

const TINY = 100; // an image smaller than this is scaled up with hard edges
const AT_ONCE = 6; // requests under way; more would only queue in the browser and run into their time limit

class Wall {
  constructor(root) {
    this.root = root;
    this.shown = "";
    this.addresses = new Map(); // sample -> promise of an object URL: an image that two arms chose is fetched once
    this.waiting = [];
    this.busy = 0;
  }

  update(data, askForToken) {
    if (!this.server || this.project !== data.project) this.begin(data.project, askForToken);
    this.server.askForToken = askForToken;
    this.server.setToken(data.token, data.expires_in);
    const wanted = JSON.stringify(data.strips);
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.root.style.setProperty("--strips", data.strips.length);
    this.root.replaceChildren(...data.strips.map((strip) => this.strip(strip)));
  }

  begin(project, askForToken) {
    this.release();
    this.project = project;
    this.server = new Server(project, askForToken);
  }

  strip({ title, detail, tiles }) {
    const section = document.createElement("section");
    section.className = "strip";
    section.setAttribute("aria-label", title);
    const list = document.createElement("ul");
    list.append(...tiles.map((tile) => this.tile(tile)));
    section.append(text("h4", title), text("p", detail), list);
    return section;
  }

  tile({ sample, caption, note, alt }) {
    const item = document.createElement("li");
    const frame = document.createElement("div");
    frame.className = "frame";
    item.dataset.sample = sample;
    if (note) item.title = note;
    item.dataset.shared = note ? "yes" : "no";
    item.append(frame, text("span", caption));
    this.load(sample, alt, frame, item);
    return item;
  }

  async load(sample, alt, frame, item) {
    try {
      if (!this.addresses.has(sample)) this.addresses.set(sample, this.fetched(sample));
      const image = new Image();
      image.alt = alt;
      image.src = await this.addresses.get(sample);
      await image.decode();
      image.className = Math.max(image.naturalWidth, image.naturalHeight) < TINY ? "tiny" : "";
      frame.replaceChildren(image);
      item.dataset.state = "ready";
    } catch (error) {
      this.addresses.delete(sample); // the next look tries again
      frame.replaceChildren(text("span", error instanceof Refused ? error.message : "Cannot be loaded"));
      item.dataset.state = "broken";
    }
  }

  async fetched(sample) {
    if (this.busy >= AT_ONCE) await new Promise((go) => this.waiting.push(go));
    this.busy += 1;
    try {
      return URL.createObjectURL(await this.server.image(sample));
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

function text(tag, content) {
  const made = document.createElement(tag);
  made.textContent = content;
  return made;
}

const walls = new WeakMap();

export default function mount({ data, parentElement, setStateValue }) {
  let wall = walls.get(parentElement);
  if (!wall) walls.set(parentElement, (wall = new Wall(parentElement.querySelector(".wall"))));
  wall.update(data, () => setStateValue("renew", Date.now()));
  return () => {
    walls.get(parentElement)?.release();
    walls.delete(parentElement);
  };
}
