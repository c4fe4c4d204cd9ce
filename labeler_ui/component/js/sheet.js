// Shows generated images, each beside the real image it is most like, and lets people choose some of them.

class Sheet extends Pictures {
  constructor(root) {
    super(root);
    this.chosen = new Set();
  }

  update(data, tell) {
    this.connect(data, () => tell("renew", Date.now()));
    this.tell = () => tell("chosen", { sheet: data.sheet, ids: [...this.chosen] });
    const wanted = JSON.stringify([data.sheet, data.tiles]);
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.chosen = new Set(data.chosen);
    const list = document.createElement("ul");
    list.append(...data.tiles.map((tile) => this.tile(tile)));
    this.root.replaceChildren(list);
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
}

export default function mount({ data, parentElement, setStateValue }) {
  const sheet = picturesIn(parentElement, () => new Sheet(parentElement.querySelector(".sheet")));
  sheet.update(data, setStateValue);
  return () => unmount(parentElement);
}
