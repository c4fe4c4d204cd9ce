// Shows many small images side by side, a strip an arm: fetched with the token, never by an address that works without it.

class Wall extends Pictures {
  update(data, askForToken) {
    this.connect(data, askForToken);
    const wanted = JSON.stringify(data.strips);
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.root.style.setProperty("--strips", data.strips.length);
    this.root.replaceChildren(...data.strips.map((strip) => this.strip(strip)));
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
    this.load(`images/${sample}`, alt, frame, item);
    return item;
  }
}

export default function mount({ data, parentElement, setStateValue }) {
  const wall = picturesIn(parentElement, () => new Wall(parentElement.querySelector(".wall")));
  wall.update(data, () => setStateValue("renew", Date.now()));
  return () => unmount(parentElement);
}
