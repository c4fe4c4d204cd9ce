// Holds the next claimed images, decoded ahead, and keeps asking when there are none.

const CAPACITY = 20;
const REFILL_BELOW = 13;
const POLL_MS = 2000;
const RENEW_MS = 40000; // leases last 120 s
const LEASE_IN_DOUBT_MS = 90000; // nobody renewed: look what is still ours
const AT_MOST_EVERY_MS = 1000; // in a short round every answer would ask otherwise
const IDLE_AFTER_MS = 240000; // a person who left keeps nothing from the others
const IMAGE_TRIES = 4;
const RELEASE_MS = 1500;

class Queue {
  // listeners: onChange() when there is something new to show, isAnswered(queryId), pending(), onStatus(status)
  constructor(server, listeners) {
    this.server = server;
    this.listeners = listeners;
    this.items = [];
    this.asking = false;
    this.askedAt = -Infinity;
    this.problem = null;
    this.lastActive = performance.now();
    this.stopped = false;
    this.paused = false; // the grid is open: single images stay for others
    this.timer = 0;
    this.onVisible = () => document.visibilityState === "visible" && this.wake();
    document.addEventListener("visibilitychange", this.onVisible);
    window.addEventListener("online", this.onVisible);
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.onVisible);
    window.removeEventListener("online", this.onVisible);
  }

  // The grid opens: others get at once what is held here, but for what an undo is just bringing back.
  pause() {
    this.paused = true;
    clearTimeout(this.timer);
    this.giveBack(this.items.filter((item) => !item.undoing));
    this.items = this.items.filter((item) => item.undoing);
  }

  giveBack(items) {
    const query_ids = items.map(({ query_id }) => query_id);
    for (const item of items) forget(item);
    if (!query_ids.length) return;
    const released = this.server.post("grid/release", { query_ids }, true).catch(() => {}); // else the leases end
    this.releasing = Promise.all([this.releasing, released]);
  }

  // What was given back is claimed again, unless others have it by now.
  async resume() {
    const atMost = new Promise((resolve) => setTimeout(resolve, RELEASE_MS));
    await Promise.race([this.releasing, atMost]);
    this.paused = false;
    this.wake();
  }

  // The first image that can be looked at; one that is slow to load does not hold up the rest.
  next() {
    return this.items.find((item) => item.state === "ready") ?? this.items.find((item) => item.state === "broken");
  }

  remove(item) {
    this.items = this.items.filter((candidate) => candidate !== item);
  }

  putFirst(item) {
    this.remove(item);
    this.items.unshift(item);
    if (item.state !== "ready") this.load(item);
  }

  wake() {
    this.lastActive = performance.now();
    this.refill();
  }

  active() {
    const now = performance.now();
    this.lastActive = now;
    const quiet = now - this.askedAt;
    const hungry = this.items.length < REFILL_BELOW && (quiet > AT_MOST_EVERY_MS || !this.items.length);
    if (hungry || quiet > LEASE_IN_DOUBT_MS) this.refill();
  }

  async refill() {
    if (this.asking || this.stopped || this.paused) return;
    this.asking = true;
    this.askedAt = performance.now();
    try {
      const pending = this.listeners.pending(); // SQL still counts these as held
      const ask = { count: CAPACITY + pending, holding: this.items.length + pending };
      const answer = await this.server.post("claims", ask);
      this.problem = null;
      if (this.paused) this.giveBack(answer.queries.filter((query) => this.isFree(query)));
      else this.merge(answer.queries);
      this.listeners.onStatus(answer);
    } catch (error) {
      this.problem = error instanceof Refused && error.status !== 401 ? error.message : "offline";
    }
    this.asking = false;
    this.listeners.onChange();
    this.planNext();
  }

  isFree({ query_id }) {
    return !this.listeners.isAnswered(query_id) && !this.items.some((item) => item.query_id === query_id);
  }

  planNext() {
    clearTimeout(this.timer);
    if (this.stopped || this.paused) return;
    const hungry = this.items.length === 0 || this.onlyReserve() || this.problem;
    this.timer = setTimeout(() => this.tick(), hungry ? POLL_MS : RENEW_MS);
  }

  // Renew the leases while somebody is here; with nothing to show, ask quietly for the next round.
  tick() {
    const idle = performance.now() - this.lastActive > IDLE_AFTER_MS;
    const hidden = document.visibilityState !== "visible";
    if (this.items.length && (idle || hidden)) this.planNext();
    else if (hidden) this.timer = setTimeout(() => this.tick(), POLL_MS * 5);
    else this.refill();
  }

  merge(queries) {
    const held = new Map(queries.map((query) => [query.query_id, query]));
    const shown = this.listeners.shown();
    this.items = this.items.filter((item) => held.has(item.query_id) || item === shown || item.undoing);
    for (const query of queries) {
      const known = this.items.find((item) => item.query_id === query.query_id);
      if (known) Object.assign(known, { token: query.token, expires_at: query.expires_at });
      else if (!this.listeners.isAnswered(query.query_id)) this.accept(query);
    }
    this.putInOrder(queries, shown);
  }

  // The server knows the order: a new round goes before the reserve that is still held. What is in sight stays first.
  putInOrder(queries, shown) {
    const place = new Map(queries.map((query, index) => [query.query_id, index]));
    const placeOf = (item) => (item === shown || item.undoing ? -1 : (place.get(item.query_id) ?? -1));
    this.items.sort((one, other) => placeOf(one) - placeOf(other));
  }

  onlyReserve() {
    return this.items.length > 0 && this.items.every((item) => item.reserve);
  }

  accept(query) {
    const item = { ...query, state: "loading", image: null, tries: 0 };
    this.items.push(item);
    this.load(item);
  }

  async load(item) {
    try {
      const url = URL.createObjectURL(await this.server.asked(item.query_id));
      const image = new Image();
      image.alt = "The image to label";
      image.draggable = false;
      image.src = url;
      await image.decode();
      Object.assign(item, { image, url, state: "ready" });
    } catch (error) {
      this.loadFailed(item, error);
    }
    this.listeners.onChange();
  }

  loadFailed(item, error) {
    item.tries += error instanceof Unreachable ? 0 : 1;
    const gone = error instanceof Refused && [403, 404].includes(error.status);
    if (gone || item.tries >= IMAGE_TRIES) {
      Object.assign(item, { state: "broken", problem: error.message || "This image cannot be shown." });
    } else if (!this.stopped) {
      setTimeout(() => (this.items.includes(item) || item.revisited) && this.load(item), 700 * (item.tries + 1));
    }
  }
}

function forget(item) {
  if (item.url) URL.revokeObjectURL(item.url);
  Object.assign(item, { url: null, image: null, state: "loading" });
}
