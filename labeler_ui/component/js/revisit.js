// Going back to an earlier image from the filmstrip: a new answer replaces the old one, Escape changes nothing.

Object.assign(Labeler.prototype, {
  revisit(past) {
    if (!this.history.items.includes(past)) return;
    this.queue.active();
    this.panels.closeFlag();
    this.panels.why.close();
    this.early = [];
    this.pressedAt = null;
    this.shown = null;
    this.setRevisiting(past);
    if (past.item.state !== "ready") this.queue.load(Object.assign(past.item, { revisited: true, tries: 0, state: "loading" }));
    this.render();
  },

  // Without a change; the image that waited meanwhile is shown again.
  backToQueue() {
    if (!this.revisiting) return;
    this.panels.closeFlag();
    this.panels.why.close();
    this.setRevisiting(null);
    this.shown = null;
    this.pressedAt = null;
    this.render();
  },

  setRevisiting(past) {
    if (this.revisiting) this.revisiting.item.revisited = false;
    this.revisiting = past;
    this.view.setRibbon(past);
  },

  loadedAgain() {
    const { item } = this.revisiting;
    return item.state === "loading" ? null : item;
  },

  differs({ outcome, class_id, note }) {
    const past = this.revisiting;
    return past.outcome !== outcome || past.class_id !== class_id || Boolean(note);
  },

  // Nothing is shown while the grid is open.
  putAside() {
    this.early = [];
    this.setRevisiting(null);
    this.shown = null;
    this.zoom.attach(null);
    this.view.showIdle(LOADING);
  },

  // Another browser, or a new tab: the strip is filled with what SQL has.
  async recall() {
    if (this.history.size || this.outbox.size) return;
    const found = await this.server.get("recent").catch(() => ({ answers: [] }));
    if (this.queue.stopped || !found.answers.length) return;
    const names = new Map(this.classes.map(({ id, name }) => [id, name]));
    const held = new Set(this.queue.items.map(({ query_id }) => query_id));
    const pasts = found.answers.filter(({ query_id }) => !held.has(query_id)).map(({ answer_id, outcome, class_id, ...item }) => ({
      answer_id, outcome, class_id, spoken: names.get(class_id) ?? SPOKEN[outcome] ?? "a class that is gone", item: unloaded(item),
    }));
    this.history.addOlder(pasts.reverse());
    this.render();
  },
});
