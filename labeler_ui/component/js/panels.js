// What opens beside the image: the flag form, guidelines, why this image, the keys, and the grid in place of the image.

class Panels {
  constructor(labeler) {
    this.labeler = labeler;
    const { view, server } = labeler;
    this.why = new Why(server, view.parts.why, view.parts.card, (item, found) => this.explained(item, found));
    this.keys = new KeysDialog(labeler.bindings, {
      close: () => this.toggleHelp(),
      changed: () => view.setKeys(labeler.bindings),
      setKeyboard: (on) => labeler.setKeyboard(on),
    });
    this.keys.on.checked = labeler.keyboardOn;
    labeler.root.append(this.keys.cover);
    this.grid = null;
    this.confirmed = []; // groups of the grid that can be taken back
  }

  // Returns true when the action was one of these.
  perform(action) {
    const panels = {
      help: () => this.toggleHelp(),
      guidelines: () => this.toggleGuidelines(),
      why: () => this.toggleWhy(),
      zoom: () => this.labeler.zoom.toggle(),
      mode: () => this.setMode(action.to ?? (this.grid ? "single" : "grid")),
      back: () => this.labeler.backToQueue(),
      "flag-close": () => this.closeFlag(),
      ...(this.grid && { undo: () => this.grid.handle.undo() }),
    };
    const known = action.name in panels;
    if (known) panels[action.name]();
    return known;
  }

  openFlag() {
    const { view } = this.labeler;
    view.parts.note.value = "";
    view.toggle("flag", true);
    view.parts.note.focus();
  }

  closeFlag() {
    if (this.labeler.view.parts.flag.hidden) return;
    this.labeler.view.toggle("flag", false);
    this.leaveControl();
  }

  toggleGuidelines() {
    const { view } = this.labeler;
    const open = view.parts.guidelines.hidden;
    if (open) this.why.close();
    view.toggle("guidelines", open);
  }

  toggleHelp() {
    if (!this.keys.isOpen) {
      this.opener = this.labeler.keyboard.tabbing ? this.labeler.shadow.activeElement : null;
      this.keys.open();
      return;
    }
    this.keys.close();
    if (this.opener?.isConnected) this.opener.focus();
    else this.leaveControl();
  }

  // Where a project explains after the answer, the image in sight stays unexplained: the last answered one is meant.
  toggleWhy() {
    const { labeler } = this;
    if (labeler.showWhy === "never" || this.grid) return;
    if (this.why.isOpen) return this.why.close();
    labeler.view.toggle("guidelines", false);
    const after = labeler.showWhy === "after" && !labeler.revisiting;
    const item = after ? labeler.history.last()?.item : labeler.shown;
    if (item) this.why.open(item);
    else this.why.empty(after ? "In this project you see why after your answer." : "There is no image to explain just now.");
  }

  explained(item, found) {
    item.why_seen = true;
    item.prediction_seen = item.prediction_seen || Boolean(found.predicted);
    if (this.labeler.history.items.some((past) => past.item === item)) this.labeler.history.store();
  }

  answered(item, spoken) {
    this.closeFlag();
    this.why.close();
    if (this.labeler.showWhy === "after") this.why.tell(item, spoken, () => this.why.open(item));
  }

  // Escape closes what is open, one thing at a time, and is never destructive.
  escape() {
    const { labeler } = this;
    if (this.keys.giveUp()) return;
    if (this.keys.isOpen) return this.toggleHelp();
    const open = ["flag", "guidelines", "why", "card"].filter((name) => !labeler.view.parts[name].hidden);
    if (open.includes("why")) this.why.close();
    for (const name of open) labeler.view.toggle(name, false);
    this.leaveControl();
    if (!open.length && this.grid) this.leaveGrid();
    else if (!open.length) labeler.backToQueue();
  }

  // A control that was just hidden keeps the focus for another frame, and would take the next key.
  leaveControl() {
    this.labeler.shadow.activeElement?.blur();
  }

  offersGrid() {
    return this.labeler.offersGrid;
  }

  setMode(mode) {
    if (mode === "grid" && !this.grid && this.offersGrid()) this.enterGrid();
    else if (mode === "single" && this.grid) this.leaveGrid();
  }

  enterGrid() {
    const { labeler } = this;
    const { server, outbox, view, classes, bindings } = labeler;
    const host = view.parts.grid;
    this.escape();
    labeler.putAside();
    labeler.queue.pause();
    view.setMode("grid", true);
    const handle = openGrid({
      host, server, outbox, classes, memory: this.confirmed, undoKeys: bindings.keysOf("undo"),
      onLeave: () => this.leaveGrid(),
    });
    this.grid = { host, handle, press: (event) => handle.press(event) };
  }

  // A tile that was taken back after its grid was left is for others again.
  tileUndone({ query_id }, { query = null, ok, message }) {
    if (ok && !query) this.labeler.view.notice(message);
    if (this.grid) this.grid.handle.undone({ query_id }, query);
    else if (query) this.labeler.server.post("grid/release", { query_ids: [query_id] }).catch(() => {});
  }

  leaveGrid() {
    if (!this.grid) return;
    this.stopGrid();
    this.labeler.view.setMode("single", this.offersGrid());
    this.leaveControl();
    this.labeler.queue.resume();
    this.labeler.render();
  }

  stopGrid() {
    this.grid?.handle.stop();
    this.grid?.host.replaceChildren();
    this.grid = null;
  }
}
