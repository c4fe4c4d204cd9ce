// Puts the parts together: one key is one answer about the image on the screen, and the next image is there at once.

const HISTORY = 20;
const MEASURE = "borderline:key-to-image";

class Labeler {
  constructor(root, shadow) {
    this.root = root;
    this.shadow = shadow;
    this.shown = null; // the image in the page
    this.painted = false; // ... and a frame with it has reached the screen
    this.early = []; // keys pressed in the frame before that; each is applied once its image is painted
    this.history = [];
    this.answered = new Set();
    this.saved = 0;
    this.status = LOADING;
    this.keyboardOn = readStored("borderline.keyboard", true, "localStorage");
    this.channel = new MessageChannel();
    this.channel.port1.onmessage = () => this.afterPaint();
  }

  start(data, streamlit) {
    const name = `${data.user.id}.${data.project.id}`;
    this.names = { history: `borderline.history.${name}`, saved: `borderline.saved.${name}` };
    this.streamlit = streamlit;
    this.asked = 0;
    this.server = new Server(data.project.id, () => this.askForToken());
    this.server.setToken(data.token, data.expires_in);
    this.outbox = outboxFor(`borderline.outbox.${name}`, this.server, this.outboxListeners());
    this.saved = readStored(this.names.saved, 0);
    this.queue = new Queue(this.server, this.queueListeners());
    this.keyboard = new Keyboard(this.keyboardListeners());
    this.connectionDialog = new ConnectionDialog();
    this.view = new View(this.root, (action) => this.press(action), (on) => this.setKeyboard(on));
    this.addGridButton();
    this.view.parts.keyboardOn.checked = this.keyboardOn;
    this.history = readStored(this.names.history, []).map((past) => ({ ...past, item: restored(past.item) }));
    this.setProject(data);
    this.render();
    leaveTextField();
    this.queue.refill();
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
    this.grid?.stop();
    this.queue.stop();
    this.keyboard.stop();
    this.connectionDialog.stop();
    this.outbox.listeners = { ...this.outbox.listeners, onChange() {}, onResult() {}, secondWay() {} };
    this.outbox.retryNow(); // the outbox goes on until SQL has everything
  }

  setProject(data) {
    const signature = JSON.stringify([data.classes, data.project]);
    if (signature === this.signature) return;
    this.signature = signature;
    this.classes = data.classes;
    this.view.setClasses(data.classes);
    this.view.setGuidelines(data.project.guidelines);
    this.keyboard.setClasses(data.classes);
    if (this.shown) this.view.showImage(this.shown);
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
      escape: () => this.escape(),
      enabled: () => this.keyboardOn,
      root: () => this.root,
      first: (event) => this.grid?.press(event), // the grid has its own keys while it is open
    };
  }

  // A button in the head opens the grid; it lies over single mode until it is left.
  addGridButton() {
    const button = element("button", { type: "button", class: "tool grid-open", onmousedown: keepFocus,
      onclick: () => this.openGrid() }, icon("grid"), element("span", { text: "Grid" }));
    this.root.querySelector(".head").append(button);
  }

  openGrid() {
    const host = element("div", { class: "grid-host" });
    this.root.append(host);
    this.root.dataset.mode = "grid";
    const onLeave = () => {
      this.grid = null;
      host.remove();
      delete this.root.dataset.mode;
      this.leaveControl();
      this.queue.refill();
    };
    const notice = (text) => this.view.notice(text);
    this.grid = openGrid({ host, server: this.server, outbox: this.outbox, classes: this.classes, onLeave, notice });
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

  // Every key and click comes through here.
  press(action, event) {
    const panels = { guidelines: "toggleGuidelines", help: "toggleHelp", "flag-close": "closeFlag" };
    this.queue.active();
    if (panels[action.name]) return this[panels[action.name]]();
    if (this.grid) return undefined;
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
    if (action.name === "flag") return this.openFlag();
    const outcome = action.name === "flag-send" ? "flag" : action.name;
    const entry = this.entryOf(item, outcome, action);
    if (!this.view.parts.flag.hidden) this.closeFlag();
    this.view.flash(outcome === "class" ? this.view.buttons.get(action.entry.id) : this.view.parts[`tool-${outcome}`]);
    this.answered.add(item.query_id);
    this.queue.remove(item);
    this.remember(entry, item, outcome === "class" ? action.entry.name : SPOKEN[outcome]);
    this.pressedAt = action.at;
    this.shown = null;
    this.outbox.add(entry);
    this.render();
    this.queue.active();
  }

  entryOf(item, outcome, action) {
    const now = Date.now();
    return {
      kind: "answer",
      id: item.answer_id,
      query_id: item.query_id,
      token: item.token,
      outcome,
      class_id: outcome === "class" ? action.entry.id : null,
      note: outcome === "flag" ? this.view.parts.note.value : "",
      shown_at: item.shown_at,
      answered_at: now,
      latency_ms: Math.max(0, Math.round(action.at - item.painted_at)),
      prediction_shown: false,
    };
  }

  remember(entry, item, spoken) {
    this.history.push({ answer_id: entry.id, item, spoken });
    while (this.history.length > HISTORY) forget(this.history.shift().item);
    this.storeHistory();
  }

  storeHistory() {
    const plain = this.history.map(({ answer_id, item, spoken }) => {
      const { query_id, sample_id, token, rank, predicted } = item;
      return { answer_id, spoken, item: { query_id, sample_id, token, rank, predicted } };
    });
    writeStored(this.names.history, plain);
  }

  undo() {
    const past = this.history.pop();
    if (!past) return;
    this.storeHistory();
    this.answered.delete(past.item.query_id);
    past.item.undoing = true;
    this.outbox.add({ kind: "undo", id: uuid(), answer_id: past.answer_id, query_id: past.item.query_id });
    this.queue.putFirst(past.item);
    this.shown = null;
    this.pressedAt = null;
    this.view.flash(this.view.parts["tool-undo"]);
    this.render();
  }

  acknowledged(entry, result) {
    if (!result.ok) return this.refused(entry, result);
    if (entry.kind === "undo") return this.undone(entry, result);
    this.saved += 1;
    writeStored(this.names.saved, this.saved);
    if (result.status === "draft") this.view.notice(result.message || "Somebody was faster; your answer is kept aside.");
    if (result.round_complete) this.queue.refill();
    return undefined;
  }

  undone(entry, result) {
    this.saved = Math.max(0, this.saved - 1);
    writeStored(this.names.saved, this.saved);
    const item = this.queue.items.find((candidate) => candidate.query_id === entry.query_id);
    if (result.query) {
      if (item) Object.assign(item, { token: result.query.token, undoing: false });
      this.outbox.renewToken(result.query);
    } else if (item && !result.repeated) {
      this.giveUp(item, result.message);
    }
  }

  refused(entry, result) {
    this.answered.delete(entry.query_id);
    const item = this.queue.items.find((candidate) => candidate.query_id === entry.query_id);
    if (entry.kind === "undo" && item) this.giveUp(item, "");
    this.view.notice(entry.kind === "undo" ? `Not undone: ${result.message}` : `Not saved: ${result.message}`);
  }

  giveUp(item, message) {
    this.queue.remove(item);
    if (this.shown === item) this.shown = null;
    if (message) this.view.notice(message);
  }

  // Show the next image when none is shown; say how things stand.
  render() {
    if (!this.view) return;
    if (!this.shown) this.showNext();
    this.view.setSaved(this.saved, this.outbox.size);
    this.root.dataset.ready = this.queue.items.filter(({ state }) => state === "ready").length;
    this.view.setBanner(this.bannerText());
    this.view.setLast(this.history.length ? `Last: ${this.history.at(-1).spoken}` : "");
  }

  showNext() {
    const item = this.queue.next();
    if (!item) {
      this.early = [];
      this.view.showIdle(this.queue.items.length ? LOADING : this.status);
      return;
    }
    this.shown = item;
    this.painted = false;
    item.answer_id = uuid();
    this.view.showImage(item);
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

  openFlag() {
    this.view.parts.note.value = "";
    this.view.toggle("flag", true);
    this.view.parts.note.focus();
  }

  closeFlag() {
    this.view.toggle("flag", false);
    this.leaveControl();
  }

  toggleGuidelines() {
    this.view.toggle("guidelines", this.view.parts.guidelines.hidden);
  }

  toggleHelp() {
    const open = this.view.parts.help.hidden;
    this.view.toggle("help", open);
    if (open) this.view.parts.help.querySelector("button").focus();
    else this.leaveControl();
  }

  escape() {
    this.view.toggle("help", false);
    this.view.toggle("guidelines", false);
    this.leaveControl();
  }

  // A control that was just hidden keeps the focus for another frame, and would take the next key.
  leaveControl() {
    this.shadow.activeElement?.blur();
  }

  setKeyboard(on) {
    this.keyboardOn = on;
    writeStored("borderline.keyboard", on, "localStorage");
    this.root.dataset.keyboard = on ? "on" : "off";
  }
}

const SPOKEN = { skip: "skipped", unsure: "not sure", flag: "flagged" };
const LOADING = { kind: "loading", title: "One moment", detail: "Getting your images." };

function restored(item) {
  return { ...item, state: "loading", image: null, tries: 0 };
}

function measure(start, item) {
  performance.measure(MEASURE, { start, end: item.painted_at, detail: { query_id: item.query_id } });
  performance.clearMeasures(MEASURE); // observers have it already
}

// After picking a project or a name the focus stays in that field, and keys would be typed into it.
function leaveTextField() {
  const focused = document.activeElement;
  if (focused?.matches?.("input, textarea")) focused.blur();
}

function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

// One outbox per person and project lives as long as the tab, also while another page is open.
function outboxFor(key, server, listeners) {
  const all = (globalThis[Symbol.for("borderline.outboxes")] ??= new Map());
  const known = all.get(key);
  if (known) {
    Object.assign(known, { server, listeners });
    known.retryNow();
    return known;
  }
  const made = new Outbox(key, server, listeners);
  all.set(key, made);
  return made;
}

const labelers = new WeakMap();

export default function mount({ data, parentElement, setStateValue }) {
  const streamlit = { setStateValue };
  const known = labelers.get(parentElement);
  if (known) {
    known.update(data, streamlit);
  } else {
    const labeler = new Labeler(parentElement.querySelector(".labeler"), parentElement);
    labelers.set(parentElement, labeler);
    labeler.start(data, streamlit);
  }
  return () => {
    labelers.get(parentElement)?.stop();
    labelers.delete(parentElement);
  };
}
