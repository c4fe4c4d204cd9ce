// Keeps every answer until SQL has it: in memory, in sessionStorage, sent in order, repeated until acknowledged by id.

const BATCH = 25;
const GATHER_MS = 20;
const BACKOFF_MS = [400, 1000, 2000, 4000, 8000];
const FAILURES_BEFORE_SECOND_WAY = 2;

class Outbox {
  // listeners: onChange(), onResult(entry, result), secondWay(entries)
  constructor(storageKey, server, listeners) {
    this.storageKey = storageKey;
    this.server = server;
    this.listeners = listeners;
    this.entries = readStored(storageKey, []);
    this.sending = false;
    this.failures = 0;
    this.problem = null; // null, "offline" or the sentence of a refusal
    this.timer = 0;
    window.addEventListener("online", () => this.retryNow());
    window.addEventListener("beforeunload", (event) => this.warn(event));
    window.addEventListener("pagehide", () => this.lastCall());
    if (this.entries.length) this.schedule(0);
  }

  get size() {
    return this.entries.length;
  }

  has(queryId) {
    return this.entries.some((entry) => entry.query_id === queryId);
  }

  add(entry) {
    this.entries.push(entry);
    this.store();
    this.schedule(GATHER_MS);
  }

  retryNow() {
    if (this.size) this.schedule(0);
  }

  schedule(delay) {
    if (this.sending) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), delay);
  }

  async flush() {
    if (this.sending || !this.entries.length) return;
    this.sending = true;
    const batch = this.nextBatch();
    try {
      const alone = batch.length === 1 && batch[0].kind === "undo";
      const results = alone ? await this.sendUndo(batch[0]) : await this.sendAnswers(batch);
      this.failures = 0;
      this.problem = null;
      this.settle(results);
    } catch (error) {
      this.failed(error);
    }
    this.sending = false;
    this.listeners.onChange();
    if (this.entries.length) this.schedule(this.failures ? this.backoff() : 0);
  }

  // The order is kept: undos go by themselves, after the answers they take back and before those that replace them.
  nextBatch() {
    const first = this.entries[0].kind === "undo";
    const stop = this.entries.findIndex((entry) => (entry.kind === "undo") !== first);
    return this.entries.slice(0, stop < 0 ? BATCH : Math.min(stop, BATCH));
  }

  async sendAnswers(batch) {
    return (await this.server.post("answers", { answers: batch })).results;
  }

  async sendUndo(entry) {
    try {
      return [(await this.server.post("undo", entry)).result];
    } catch (error) {
      const final = error instanceof Refused && [403, 404, 409, 422].includes(error.status);
      if (!final) throw error;
      return [{ id: entry.id, ok: false, retry: false, reason: error.reason, message: error.message }];
    }
  }

  // Also called with the results that came back by the second way.
  settle(results) {
    for (const result of results ?? []) {
      const entry = this.entries.find((candidate) => candidate.id === result.id);
      if (!entry) continue;
      if (!result.ok && result.retry) {
        this.failures += 1;
        this.problem = result.message;
        continue;
      }
      this.entries = this.entries.filter((candidate) => candidate !== entry);
      this.listeners.onResult(entry, result);
    }
    if (!this.size) Object.assign(this, { failures: 0, problem: null });
    this.store();
    this.listeners.onChange();
  }

  failed(error) {
    this.failures += 1;
    this.problem = error instanceof Refused && error.status !== 401 ? error.message : "offline";
    if (this.failures >= FAILURES_BEFORE_SECOND_WAY) this.listeners.secondWay(this.entries.slice(0, BATCH));
  }

  backoff() {
    const base = BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length) - 1];
    return base * (0.75 + Math.random() / 2);
  }

  // After an undo was accepted, an answer for the same image that waits behind it needs the new claim's token.
  renewToken(query) {
    for (const entry of this.entries) if (entry.query_id === query.query_id) entry.token = query.token;
    this.store();
  }

  warn(event) {
    if (this.size) event.preventDefault();
  }

  lastCall() {
    if (!this.size || this.entries[0].kind === "undo") return;
    this.server.post("answers", { answers: this.nextBatch() }, true).catch(() => {});
  }

  store() {
    writeStored(this.storageKey, this.entries);
  }
}

function readStored(key, otherwise, place = "sessionStorage") {
  try {
    return JSON.parse(window[place].getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function writeStored(key, value, place = "sessionStorage") {
  try {
    window[place].setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or switched off: the entries stay in memory and beforeunload still warns.
  }
}
