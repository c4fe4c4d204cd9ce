// Why this image was asked: computed with the round, fetched when somebody wants to know, drawn as text and pictures.

const CARD_AFTER_MS = 250; // while somebody answers fast, only the last image is explained
const SAVED_WITHIN_MS = [300, 700, 2000]; // where it is told after the answer, the answer has to be saved first

class Why {
  // seen(item, explanation) is called once the explanation of an image is on the screen
  constructor(server, panel, card, seen) {
    Object.assign(this, { server, panel, card, seen });
    this.turn = 0;
    this.urls = [];
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  async open(item) {
    this.close();
    const turn = ++this.turn;
    this.panel.hidden = false;
    this.fill(element("p", { class: "quiet", text: "One moment." }));
    try {
      const found = await this.explanation(item);
      if (turn !== this.turn) return;
      this.fill(...this.parts(item, found, turn));
      this.seen(item, found);
    } catch (error) {
      if (turn === this.turn) this.fill(element("p", { text: apology(error) }));
    }
  }

  async explanation(item) {
    for (const wait of SAVED_WITHIN_MS) {
      try {
        return await this.server.get(`queries/${item.query_id}/why`);
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 403) throw error;
        await new Promise((done) => setTimeout(done, wait));
      }
    }
    return this.server.get(`queries/${item.query_id}/why`);
  }

  empty(text) {
    this.close();
    this.panel.hidden = false;
    this.fill(element("p", { text }));
  }

  fill(...parts) {
    const close = element("button", { type: "button", class: "shut", "aria-label": "Close", text: "×",
      onmousedown: keepFocus, onclick: () => this.close() });
    this.panel.replaceChildren(element("div", { class: "panel-head" }, element("h2", { text: "Why this image" }), close), ...parts);
  }

  close() {
    this.turn += 1;
    clearTimeout(this.timer);
    this.panel.hidden = true;
    this.panel.replaceChildren();
    for (const url of this.urls.splice(0)) URL.revokeObjectURL(url);
  }

  parts(item, found, turn) {
    const parts = [element("p", { class: "sentence", text: found.sentence || "Nothing more is known about this image." })];
    if (found.copy || found.difference) parts.push(this.pictures(item, found, turn));
    const facts = factsOf(found);
    if (facts.length) parts.push(element("dl", { class: "facts" }, ...facts));
    if (found.neighbors?.length) parts.push(element("h3", { text: "Most similar labeled images" }), this.neighbors(found, turn));
    return parts;
  }

  pictures(item, found, turn) {
    const original = this.figure("This image", () => this.server.asked(item.query_id), turn);
    const copy = found.copy && this.figure("Pushed over the border", () => this.server.blob(found.copy), turn);
    const difference = found.difference && this.figure(differenceOf(found), () => this.server.blob(found.difference), turn);
    return element("div", { class: "pictures" }, ...[original, copy, difference].filter(Boolean));
  }

  neighbors(found, turn) {
    const made = found.neighbors.map((one) => this.figure(String(one.class), () => this.server.image(one.sample_id), turn));
    return element("div", { class: "neighbors" }, ...made);
  }

  figure(caption, fetchBlob, turn) {
    const image = element("img", { alt: caption });
    const figure = element("figure", {}, element("div", { class: "frame-box" }, image), element("figcaption", { text: caption }));
    fetchBlob().then(
      (blob) => turn === this.turn && this.showBlob(image, blob),
      () => figure.classList.add("missing"),
    );
    return figure;
  }

  showBlob(image, blob) {
    const url = URL.createObjectURL(blob);
    this.urls.push(url);
    image.onload = () => image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) < TINY);
    image.src = url;
  }

  // A small card about the image just answered; it takes no focus and no key.
  tell(item, spoken, more) {
    clearTimeout(this.timer);
    const { turn } = this;
    this.timer = setTimeout(async () => {
      const found = await this.explanation(item).catch(() => null);
      if (!found || turn !== this.turn) return;
      this.seen(item, found); // an answer that is taken back or changed later was given knowing this
      this.showCard(found, spoken, more);
    }, CARD_AFTER_MS);
  }

  showCard(found, spoken, more) {
    const model = found.predicted ? ` The model said ${found.predicted.name}.` : "";
    const shut = () => {
      this.card.hidden = true;
    };
    this.card.replaceChildren(
      element("p", {}, element("strong", { text: `You said ${spoken}.${model}` })),
      element("p", { text: found.sentence ?? "" }),
      element("div", { class: "card-row" },
        element("button", { type: "button", class: "plain", text: "More", onmousedown: keepFocus, onclick: () => { shut(); more(); } }),
        element("button", { type: "button", class: "plain", text: "Dismiss", onmousedown: keepFocus, onclick: shut })),
    );
    this.card.hidden = false;
  }
}

function differenceOf({ amplified }) {
  if (amplified == null) return "The difference, made visible";
  return `The difference, amplified ${amplified.toLocaleString("en-US")} times`;
}

function factsOf({ strategy, place, pool, score, distance, predicted, nearest }) {
  const of = pool == null ? "" : ` of ${pool.toLocaleString("en-US")}`;
  const facts = [
    ["The model said", predicted?.name],
    ["Nearest other class", nearest?.name],
    ["Place in the pool", place == null ? null : `${place.toLocaleString("en-US")}${of}`],
    ["Distance to the border", distance == null ? null : Number(distance).toPrecision(3)],
    ["Score", score == null || score === distance ? null : Number(score).toPrecision(3)],
    ["Chosen by", strategy],
  ];
  return facts.filter(([, value]) => value).map(([name, value]) =>
    element("div", {}, element("dt", { text: name }), element("dd", { text: String(value) })));
}

function apology(error) {
  if (error instanceof Refused && error.status === 404) return "Nothing is stored about this image.";
  return error instanceof Refused ? error.message : "No connection. Close this and try again later.";
}
