// The grid mode: look at many images of one predicted class, mark the wrong ones, confirm the rest with one key.

const GRID_RENEW_MS = 40000; // leases last 120 s
const GRID_POLL_MS = 2500;
const GRID_IDLE_MS = 240000; // a person who left keeps nothing from the others
const GRID_PENDING = 400; // answers on their way that a claim is told about
const GRID_ARROWS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last" };

class Grid {
  constructor({ host, server, outbox, classes, memory, undoKeys, onLeave }) {
    Object.assign(this, { host, server, outbox, memory, onLeave });
    this.names = new Map(classes.map(({ id, name }) => [id, name]));
    this.current = null; // the group on the screen
    this.next = null; // ... and the one after it, its images decoded ahead
    this.at = 0; // the tile the arrows are on
    this.anchor = { index: 0, wrong: true }; // where a range by Shift and click begins, and what it marks
    this.before = null; // marks as they were before the arrows began a range
    this.done = { confirmed: 0, wrong: 0 };
    this.lastActive = performance.now();
    this.view = new GridView(host, {
      pick: (index, shift) => this.pick(index, shift),
      confirm: () => this.confirm(),
      leave: () => this.leave(),
      undo: () => this.undo(),
      inView: (index, visible) => this.inView(index, visible),
    }, undoKeys);
    this.onBack = () => document.visibilityState === "visible" && this.ask();
    window.addEventListener("online", this.onBack);
    document.addEventListener("visibilitychange", this.onBack);
    this.showIdle();
    this.ask();
  }

  stop() {
    if (this.stopped) return;
    this.stopped = true;
    clearTimeout(this.timer);
    clearTimeout(this.lookTimer);
    window.removeEventListener("online", this.onBack);
    document.removeEventListener("visibilitychange", this.onBack);
    this.view.remove();
    for (const group of this.groups()) this.giveBack(group);
  }

  leave() {
    this.stop();
    this.onLeave();
  }

  groups() {
    return [this.current, this.next].filter(Boolean);
  }

  giveBack(group) {
    const query_ids = group.tiles.map(({ query_id }) => query_id);
    this.server.post("grid/release", { query_ids }, true).catch(() => {}); // else their leases end by themselves
    group.drop();
  }

  // Renew what is on the page and claim the group after it.
  async ask() {
    if (this.asking || this.stopped) return;
    this.asking = true;
    clearTimeout(this.timer);
    const { columns, most } = gridShape(this.host.clientWidth);
    const wanted = this.next ? 0 : most;
    const tiles = this.groups().flatMap((group) => group.tiles);
    const holding = tiles.map(({ query_id, token }) => [query_id, token]);
    const besides = this.outbox.entries.map(({ query_id }) => query_id).slice(-GRID_PENDING);
    try {
      const answer = await this.server.post("grid/claims", { most: wanted, holding, besides });
      this.problem = null;
      if (wanted) this.empty = !answer.group;
      this.take(answer, columns);
    } catch (error) {
      this.problem = error instanceof Refused && error.status !== 401 ? error.message : "No connection. Trying again.";
    }
    this.asking = false;
    if (this.stopped) return;
    if (!this.current) this.showNext();
    this.plan();
  }

  take({ group, held }, columns) {
    const onTile = (of, index) => this.arrived(of, index);
    const made = group && new GridGroup(group, this.names.get(group.class_id) ?? "?", columns, onTile);
    if (this.stopped) return made && this.giveBack(made);
    if (this.next && !this.isHeld(this.next, held)) {
      this.next.drop();
      this.next = null;
    }
    if (!made) return undefined;
    this.next = made;
    return made.load(this.server);
  }

  // The group that waits may have gone to somebody else while nobody was here; the one on the screen is judged anyway.
  isHeld(group, held) {
    const mine = new Set(held);
    return group.tiles.every(({ query_id }) => mine.has(query_id));
  }

  plan() {
    const nothing = !this.current && this.empty;
    const wait = this.problem || nothing ? GRID_POLL_MS : this.next || this.empty ? GRID_RENEW_MS : 0;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tick(), wait);
  }

  tick() {
    const idle = performance.now() - this.lastActive > GRID_IDLE_MS;
    if (idle || document.visibilityState !== "visible") this.timer = setTimeout(() => this.tick(), GRID_POLL_MS * 4);
    else this.ask();
  }

  showNext() {
    this.view.canUndo(this.memory.length > 0);
    const group = this.next;
    if (!group) return this.showIdle();
    this.next = null;
    return this.present(group);
  }

  present(group) {
    Object.assign(this, { current: group, at: 0, anchor: { index: 0, wrong: true }, before: null });
    this.view.canUndo(this.memory.length > 0);
    this.view.show(group);
    this.view.focus(0);
    group.tiles.forEach((tile, index) => this.view.mark(index, tile.wrong));
    requestAnimationFrame(() => setTimeout(() => this.isPainted(group), 0)); // once that frame is on the screen
    return this.tell();
  }

  isPainted(group) {
    if (group !== this.current) return;
    group.isPainted();
    this.lookTimer = setTimeout(() => this.tell(), group.mustLookMs + 1);
  }

  showIdle() {
    const { confirmed, wrong } = this.done;
    const back = "Press Enter to go back to single images.";
    if (this.problem) return this.view.idle("No new images yet", `${this.problem} ${back}`, "offline");
    if (!this.empty) return this.view.idle("One moment", "Getting images of one class.", "model");
    if (!confirmed && !wrong) {
      const why = "The model is not sure enough of any, or others have them. More may come with the next round.";
      return this.view.idle("Nothing to confirm just now", `${why} ${back}`, "grid");
    }
    const rest = wrong ? ` ${imageCount(wrong)} that you marked ${wrong === 1 ? "comes" : "come"} singly.` : "";
    return this.view.idle("That was all, thank you!", `${imageCount(confirmed)} confirmed.${rest} ${back}`, "done");
  }

  arrived(group, index) {
    if (group !== this.current) return;
    const tile = group.tiles[index];
    this.view.fill(index, tile);
    this.view.mark(index, tile.wrong);
    this.inView(index, tile.visible);
  }

  inView(index, visible) {
    if (!this.current) return;
    this.current.look(index, visible);
    this.tell();
  }

  // What Enter would do now.
  tell() {
    const { current } = this;
    if (!current) return;
    const { wrong, waitsFor, tiles } = current;
    const told = wrong ? `${wrong} marked wrong` : "None marked wrong";
    this.view.tell({ told, waits: waitsFor !== "", text: waitsFor || confirmText(tiles.length, wrong) });
  }

  pick(index, shift) {
    this.lastActive = performance.now();
    this.before = null;
    if (shift) this.markRange(this.anchor.index, index, this.anchor.wrong);
    else this.toggle(index);
    this.at = index;
    this.view.focus(index);
  }

  toggle(index) {
    this.before = null;
    this.mark(index, !this.current.tiles[index].wrong);
    this.anchor = { index, wrong: this.current.tiles[index].wrong };
    this.tell();
  }

  mark(index, wrong) {
    this.current.mark(index, wrong);
    this.view.mark(index, this.current.tiles[index].wrong);
  }

  markRange(from, to, wrong) {
    for (let index = Math.min(from, to); index <= Math.max(from, to); index += 1) this.mark(index, wrong);
    this.tell();
  }

  // Shift and arrows: a range grows and shrinks from where it began.
  stretch(to) {
    if (!this.before) {
      this.before = this.current.tiles.map(({ wrong }) => wrong);
      this.anchor = { index: this.at, wrong: true };
    }
    this.before.forEach((wrong, index) => this.mark(index, wrong));
    this.markRange(this.anchor.index, to, true);
  }

  move(where, shift) {
    const { tiles, columns } = this.current;
    const steps = { up: -columns, down: columns, first: -this.at, last: tiles.length - 1 - this.at };
    const to = this.at + (steps[where] ?? where);
    if (to < 0 || to >= tiles.length) return;
    if (shift) this.stretch(to);
    else Object.assign(this, { before: null, anchor: { index: to, wrong: true } });
    this.at = to;
    this.view.focus(to);
  }

  // A keydown event; true if it was for the grid.
  press(event) {
    if (this.stopped || event.ctrlKey || event.metaKey || event.altKey) return false;
    this.lastActive = performance.now();
    const act = this.actionOf(event);
    if (act) act();
    return Boolean(act);
  }

  actionOf(event) {
    const focused = this.host.getRootNode().activeElement;
    const answers = [" ", "Enter"].includes(event.key);
    if (answers && focused?.matches("button:not(.tile), a, input")) return null; // reached by Tab: it is its own
    if (event.key === "Escape") return () => this.leave();
    if (answers && event.repeat) return () => {};
    if (event.key === "Enter" || (event.key === " " && !this.current)) return () => this.confirm();
    if (event.key === " ") return () => this.toggle(this.at);
    if (!this.current || !(event.key in GRID_ARROWS)) return null;
    return () => this.move(GRID_ARROWS[event.key], event.shiftKey);
  }

  confirm() {
    this.lastActive = performance.now();
    const group = this.current;
    if (!group) return this.empty || this.problem ? this.leave() : undefined;
    if (group.waitsFor) return this.showUnseen();
    const entries = group.answers();
    for (const entry of entries) this.outbox.add(entry); // kept until SQL has them
    this.remember(group, entries);
    this.done.wrong += group.wrong;
    this.done.confirmed += group.tiles.length - group.wrong;
    this.current = null;
    this.showNext();
    group.drop();
    return this.ask();
  }

  // Below the fold there is more to look at: the first row of it comes to the top.
  showUnseen() {
    const index = this.current.tiles.findIndex(({ seen, state }) => !seen && state !== "loading");
    if (index >= 0) this.view.scrollTo(index);
  }
}

// host is an empty element; press(event) takes keydown events and says whether they were used; undone(entry, query)
// hears what became of an answer that was taken back.
function openGrid(options) {
  const grid = new Grid(options);
  return {
    stop: () => grid.stop(), press: (event) => grid.press(event), undo: () => grid.undo(),
    undone: (entry, query) => grid.undone(entry, query),
  };
}
