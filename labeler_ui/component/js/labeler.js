// Puts the parts together: one key is one answer about the image on the screen, and the next image is there at once.

const MEASURE = "borderline:key-to-image";
const SPOKEN = { skip: "skipped", unsure: "not sure", flag: "flagged" };
const LOADING = { kind: "loading", title: "One moment", detail: "Getting your images." };

class Labeler {
  constructor(root, shadow) {
    this.root = root;
    this.shadow = shadow;
    this.shown = null; // the image in the page
    this.painted = false; // ... and a frame with it has reached the screen
    this.early = []; // keys pressed in the frame before that; each is applied once its image is painted
    this.revisiting = null; // the past answer whose image is looked at again
    this.answered = new Set();
    this.saved = 0;
    this.status = LOADING;
    this.keyboardOn = readStored("borderline.keyboard", true, "localStorage");
    this.channel = new MessageChannel();
    this.channel.port1.onmessage = () => this.afterPaint();
  }

  start(data, streamlit) {
    const name = `${data.user.id}.${data.project.id}`;
    this.savedName = `borderline.saved.${name}`;
    this.streamlit = streamlit;
    this.asked = 0;
    this.server = new Server(data.project.id, () => this.askForToken());
    this.server.setToken(data.token, data.expires_in);
    this.outbox = outboxFor(`borderline.outbox.${name}`, this.server, this.outboxListeners());
    this.saved = readStored(this.savedName, 0);
    this.history = new History(`borderline.history.${name}`);
    this.bindings = new Bindings(`borderline.keys.${data.project.id}`);
    this.queue = new Queue(this.server, this.queueListeners());
    this.keyboard = new Keyboard(this.bindings, this.keyboardListeners());
    this.connectionDialog = new ConnectionDialog();
    this.view = new View(this.root, (action) => this.press(action));
    this.zoom = new Zoom(this.view.parts.picture, (scale) => this.view.setScale(scale));
    this.gestures = new Gestures(this.view.parts.picture, this.zoom, (side) => this.press({ name: SWIPES[side] }));
    this.strip = new Filmstrip(this.view.parts.strip, this.server, (past) => this.revisit(past));
    this.panels = new Panels(this);
    this.setProject(data);
    this.view.setMode("single", this.panels.offersGrid());
    this.render();
    leaveTextField();
    this.queue.refill().then(() => this.recall());
  }

  // Called on every run of the Streamlit script: a fresh token, perhaps new classes, results of the second way.
  update(data, streamlit) {
    this.streamlit = streamlit;
    this.server.setToken(data.token, data.expires_in);
    this.setProject(data);
    if (data.results.length) this.outbox.settle(data.results);
    this.render();
  }

  stop() {
    this.queue.stop();
    this.keyboard.stop();
    this.connectionDialog.stop();
    this.panels.stopGrid();
    this.panels.why.close();
    this.outbox.listeners = { ...this.outbox.listeners, onChange() {}, onResult() {}, secondWay() {} };
    this.outbox.retryNow(); // the outbox goes on until SQL has everything
  }

  setProject(data) {
    const signature = JSON.stringify([data.classes, data.project]);
    if (signature === this.signature) return;
    this.signature = signature;
    this.classes = data.classes;
    this.showWhy = data.project.show_why ?? "on request";
    this.offersGrid = data.project.grid === true;
    const hidden = new Set([this.showWhy === "never" && "why", !this.panels.offersGrid() && "mode"].filter(Boolean));
    this.bindings.setTargets(data.classes, hidden);
    this.view.setClasses(data.classes);
    this.view.setKeys(this.bindings);
    this.view.setGuidelines(data.project.guidelines);
    if (this.shown) this.view.showImage(this.shown);
    if (!this.panels.grid) this.view.setMode("single", this.panels.offersGrid());
  }

  outboxListeners() {
    return {
      onChange: () => this.render(),
      onResult: (entry, result) => this.acknowledged(entry, result),
      secondWay: (entries) => this.streamlit.setStateValue("outbox", { turn: Date.now(), entries }),
    };
  }

  queueListeners() {
    return {
      onChange: () => this.render(),
      onStatus: (answer) => this.setStatus(answer),
      isAnswered: (queryId) => this.answered.has(queryId) || this.outbox.has(queryId),
      pending: () => this.outbox.size,
      shown: () => this.shown,
    };
  }

  keyboardListeners() {
    return {
      press: (action, event) => this.press(action, event),
      escape: () => this.panels.escape(),
      enabled: () => this.keyboardOn,
      root: () => this.root,
      capture: (key) => this.panels.keys.take(key),
      arrow: (key) => this.zoom.arrow(key),
      grid: () => this.panels.grid,
    };
  }

  askForToken() {
    if (performance.now() - this.asked < 3000 && this.asked) return;
    this.asked = performance.now();
    this.streamlit.setStateValue("renew", Date.now());
  }

  setStatus(answer) {
    this.status = answer.state ?? LOADING; // with images there is nothing to explain
    this.view.setRound(answer.progress);
  }

  // Every key, click and swipe comes through here.
  press(action, event) {
    this.queue.active();
    if (this.panels.perform(action) || this.panels.grid) return undefined;
    const pressed = { ...action, at: event?.timeStamp ?? performance.now() };
    if (this.shown && !this.painted) return this.early.push(pressed); // in order, also an undo
    return this.perform(pressed);
  }

  perform(action) {
    if (action.name === "undo") this.undo();
    else if (this.shown) this.answer(action); // nothing to see, nothing to answer
  }

  answer(action) {
    const item = this.shown;
    if (item.state === "broken" && ["class", "unsure"].includes(action.name)) return;
    if (action.name === "flag") return this.panels.openFlag();
    const outcome = action.name === "flag-send" ? "flag" : action.name;
    const entry = this.entryOf(item, outcome, action);
    const spoken = outcome === "class" ? action.entry.name : SPOKEN[outcome];
    this.view.flash(outcome === "class" ? this.view.buttons.get(action.entry.id) : this.view.parts[`tool-${outcome}`]);
    this.panels.answered(item, spoken);
    if (this.revisiting && !this.differs(entry)) return this.backToQueue();
    this.answered.add(item.query_id);
    this.queue.remove(item);
    this.remember(entry, item, spoken);
    this.pressedAt = action.at;
    this.shown = null;
    this.outbox.add(entry);
    this.render();
    this.queue.active();
  }

  entryOf(item, outcome, action) {
    return {
      kind: "answer",
      id: item.answer_id,
      query_id: item.query_id,
      token: item.token,
      outcome,
      class_id: outcome === "class" ? action.entry.id : null,
      note: outcome === "flag" ? this.view.parts.note.value : "",
      shown_at: item.shown_at,
      answered_at: Date.now(),
      latency_ms: Math.max(0, Math.round(action.at - item.painted_at)),
      prediction_shown: item.predicted != null || item.prediction_seen === true,
      shown: { why: item.why_seen === true },
      mode: "single",
      supersedes: this.revisiting?.answer_id ?? null,
    };
  }

  remember({ id, outcome, class_id }, item, spoken) {
    const said = { answer_id: id, outcome, class_id, spoken };
    if (this.revisiting) this.history.replace(this.revisiting, said);
    else this.history.push({ ...said, item });
    this.setRevisiting(null);
  }

  undo() {
    const past = this.revisiting ?? this.history.last();
    if (!past) return;
    this.setRevisiting(null);
    this.history.remove(past);
    this.answered.delete(past.item.query_id);
    past.item.undoing = true;
    this.outbox.add({ kind: "undo", id: uuid(), answer_id: past.answer_id, query_id: past.item.query_id });
    this.queue.putFirst(past.item);
    this.shown = null;
    this.pressedAt = null;
    this.panels.why.close();
    this.view.flash(this.view.parts["tool-undo"]);
    this.render();
  }

  // Show the next image when none is shown; say how things stand.
  render() {
    if (!this.panels) return;
    if (!this.shown && !this.panels.grid) this.showNext();
    this.view.setSaved(this.saved, this.outbox.size);
    this.root.dataset.ready = this.queue.items.filter(({ state }) => state === "ready").length;
    this.view.setBanner(this.bannerText());
    this.view.setLast(this.history.size ? `Last: ${this.history.last().spoken}` : "");
    this.strip.later(this.history.items, this.revisiting);
  }

  showNext() {
    const item = this.revisiting ? this.loadedAgain() : this.queue.next();
    if (!item) {
      this.early = [];
      this.zoom.attach(null);
      this.view.showIdle(this.revisiting || this.queue.items.length ? LOADING : this.status);
      return;
    }
    this.shown = item;
    this.painted = false;
    item.answer_id = uuid();
    this.view.showImage(item);
    this.zoom.attach(item.state === "ready" ? item.image : null);
    requestAnimationFrame(() => this.channel.port2.postMessage(0)); // arrives once that frame is painted
  }

  afterPaint() {
    const item = this.shown;
    if (!item || this.painted) return;
    this.painted = true;
    item.painted_at = performance.now();
    item.shown_at = Date.now();
    if (this.pressedAt) measure(this.pressedAt, item);
    this.pressedAt = null;
    const early = this.early.shift();
    if (early) this.perform(early);
  }

  bannerText() {
    const problem = this.outbox.problem ?? this.queue.problem;
    const waiting = this.outbox.size;
    const safe = waiting === 1 ? "1 answer is safe here" : `${waiting} answers are safe here`;
    if (!problem) return "";
    if (problem !== "offline") return waiting ? `${problem} (${safe})` : problem;
    return waiting ? `No connection. ${safe} and will be sent when it is back.` : "No connection. Trying again.";
  }

  setKeyboard(on) {
    this.keyboardOn = on;
    writeStored("borderline.keyboard", on, "localStorage");
    this.root.dataset.keyboard = on ? "on" : "off";
  }
}
