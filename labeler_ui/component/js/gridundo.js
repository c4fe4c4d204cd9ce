// Taking a confirmed group back: its answers are withdrawn, its tiles come back with their marks.

const GRID_UNDOS = 5; // groups
const GRID_TILE = ["query_id", "sample_id", "token", "predicted"];

Object.assign(Grid.prototype, {
  // `memory` outlives the grid: whoever leaves it and comes back can still take the last group back.
  remember(group, entries) {
    const queries = group.tiles.map((tile) => Object.fromEntries(GRID_TILE.map((name) => [name, tile[name]])));
    const wrong = new Set(group.tiles.filter((tile) => tile.wrong).map(({ query_id }) => query_id));
    const answers = entries.map(({ id, query_id }) => ({ id, query_id }));
    this.memory.push({ class_id: group.class_id, className: group.className, queries, wrong, answers });
    if (this.memory.length > GRID_UNDOS) this.memory.shift();
  },

  undo() {
    const judged = this.memory.pop();
    if (!judged || this.stopped) return;
    this.lastActive = performance.now();
    const entries = judged.answers.map(({ id, query_id }) => ({ kind: "undo", id: uuid(), answer_id: id, query_id, mode: "grid" }));
    for (const entry of entries.reverse()) this.outbox.add(entry);
    this.done.wrong -= judged.wrong.size;
    this.done.confirmed -= judged.queries.length - judged.wrong.size;
    if (this.current && this.next) this.giveBack(this.next);
    this.next = this.current ?? this.next;
    this.current = null;
    const { columns } = gridShape(this.host.clientWidth);
    const group = GridGroup.again(judged, columns, (of, index) => this.arrived(of, index));
    group.load(this.server);
    this.present(group);
  },

  // The result of an undo: the tile is ours again under a new token, or it goes from the screen.
  undone({ query_id }, query) {
    for (const group of this.groups()) {
      const left = group.regained(query_id, query);
      if (left && group === this.current) this.shrunk(group);
    }
    this.tell();
  },

  shrunk(group) {
    if (group.tiles.length) return this.present(group);
    this.current = null;
    this.showNext();
    return this.ask();
  },
});
