// The labeler's answer to results of the server: what is saved, kept aside, refused or claimed again.

Object.assign(Labeler.prototype, {
  acknowledged(entry, result) {
    if (!result.ok) return this.refused(entry, result);
    if (entry.kind === "undo") return this.undone(entry, result);
    const draft = result.status === "draft";
    if (draft) this.view.notice(result.message || "Somebody was faster; your answer is kept aside.");
    if (entry.supersedes) this.history.settleEdit(entry.id, !draft);
    else this.countSaved(1);
    if (result.round_complete) this.queue.refill();
    return undefined;
  },

  countSaved(change) {
    this.saved = Math.max(0, this.saved + change);
    writeStored(this.savedName, this.saved);
  },

  undone(entry, result) {
    this.countSaved(-1);
    if (entry.mode === "grid") this.panels.tileUndone(entry, result);
    const item = this.queue.items.find((candidate) => candidate.query_id === entry.query_id);
    if (result.query) {
      if (item) Object.assign(item, { token: result.query.token, undoing: false });
      this.outbox.renewToken(result.query);
    } else if (item && !result.repeated) {
      this.giveUp(item, result.message);
    }
  },

  refused(entry, result) {
    if (entry.supersedes) {
      this.history.settleEdit(entry.id, false);
      this.view.notice(`Not changed: ${result.message}`);
      return;
    }
    if (entry.mode !== "grid") this.answered.delete(entry.query_id);
    if (entry.kind === "undo" && entry.mode === "grid") this.panels.tileUndone(entry, result);
    const item = this.queue.items.find((candidate) => candidate.query_id === entry.query_id);
    if (entry.kind === "undo" && item) this.giveUp(item, "");
    this.view.notice(entry.kind === "undo" ? `Not undone: ${result.message}` : `Not saved: ${result.message}`);
  },

  giveUp(item, message) {
    this.queue.remove(item);
    if (this.shown === item) this.shown = null;
    if (message) this.view.notice(message);
  },
});
