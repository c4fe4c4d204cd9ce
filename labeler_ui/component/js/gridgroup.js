// One group of the grid: tiles of one predicted class, their images decoded ahead, and the answers they become.

const GRID_LOADS = 4; // images at a time, so that answers find a free connection
const GRID_TRIES = 4;
const GRID_LOOK_MS = 40; // a tile, at least: a second Enter does not confirm what was never looked at

class GridGroup {
  // onTile(group, index) is called when an image has arrived, or never will
  constructor({ class_id, queries }, className, columns, onTile) {
    Object.assign(this, { class_id, className, columns, onTile, dropped: false, painted: 0, shownAt: 0 });
    this.tiles = queries.map((query) => (
      { ...query, state: "loading", image: null, tries: 0, wrong: false, visible: false, seen: false }));
  }

  get wrong() {
    return this.tiles.filter((tile) => tile.wrong).length;
  }

  // What a group that was confirmed needs to come back; its tokens are out of date until the undo is acknowledged.
  static again(judged, columns, onTile) {
    const group = new GridGroup(judged, judged.className, columns, onTile);
    group.tiles.forEach((tile) => Object.assign(tile, { wrong: judged.wrong.has(tile.query_id), undoing: true }));
    return group;
  }

  // The server's word on a tile that was taken back: a claim of ours again, or null when others have it.
  regained(queryId, query) {
    const tile = this.tiles.find((candidate) => candidate.query_id === queryId);
    if (tile && query) Object.assign(tile, { token: query.token, undoing: false });
    else if (tile) this.tiles.splice(this.tiles.indexOf(tile), 1);
    if (tile && !query) forget(tile);
    return Boolean(tile) && !query;
  }

  // Images in order, a few at a time; one that fails is tried again, then goes to single mode with the wrong ones.
  load(server) {
    const waiting = [...this.tiles];
    const work = async () => {
      while (waiting.length && !this.dropped) await this.loadTile(server, waiting.shift());
    };
    for (let lane = 0; lane < GRID_LOADS; lane += 1) work();
  }

  async loadTile(server, tile) {
    while (tile.state === "loading" && !this.dropped) {
      try {
        const url = URL.createObjectURL(await server.image(tile.sample_id));
        const image = new Image();
        Object.assign(image, { alt: "", draggable: false, src: url }); // the button around it has the name
        await image.decode();
        if (this.dropped) URL.revokeObjectURL(url);
        else Object.assign(tile, { image, url, state: "ready" });
      } catch (error) {
        await this.loadFailed(tile, error);
      }
    }
    const index = this.tiles.indexOf(tile);
    if (!this.dropped && index >= 0) this.onTile(this, index);
  }

  async loadFailed(tile, error) {
    tile.tries += error instanceof Unreachable ? 0 : 1;
    const gone = error instanceof Refused && [403, 404].includes(error.status);
    if (gone || tile.tries >= GRID_TRIES) Object.assign(tile, { state: "broken", wrong: true });
    else await new Promise((resolve) => setTimeout(resolve, 700 * (tile.tries + 1)));
  }

  drop() {
    this.dropped = true;
    for (const tile of this.tiles) forget(tile);
  }

  isPainted() {
    this.painted = performance.now();
    this.shownAt = Date.now();
  }

  look(index, visible) {
    const tile = this.tiles[index];
    tile.visible = visible;
    if (visible && tile.state !== "loading") tile.seen = true;
  }

  mark(index, wrong) {
    const tile = this.tiles[index];
    tile.wrong = wrong || tile.state === "broken";
  }

  get mustLookMs() {
    return Math.min(1000, GRID_LOOK_MS * this.tiles.length);
  }

  // Why it cannot be confirmed yet, empty if it can.
  get waitsFor() {
    if (this.tiles.some(({ undoing }) => undoing)) return "Taking them back";
    const loading = this.tiles.filter(({ state }) => state === "loading").length;
    const unseen = this.tiles.filter(({ seen }) => !seen).length;
    if (loading) return `Loading ${imageCount(loading)}`;
    if (unseen) return `Look at ${unseen} more first`;
    const looked = this.painted && performance.now() - this.painted >= this.mustLookMs;
    return looked ? "" : "Look at them first";
  }

  // One answer a tile; the time is the group's, divided among its tiles.
  answers() {
    const answered_at = Date.now();
    const latency_ms = Math.max(0, Math.round((performance.now() - this.painted) / this.tiles.length));
    return this.tiles.map(({ query_id, token, wrong }) => ({
      kind: "answer", id: uuid(), query_id, token, outcome: wrong ? "skip" : "class",
      class_id: wrong ? null : this.class_id, note: "", shown_at: this.shownAt, answered_at, latency_ms,
      prediction_shown: true, mode: "grid",
    }));
  }
}

function imageCount(count) {
  return count === 1 ? "1 image" : `${count} images`;
}

function confirmText(total, wrong) {
  if (!wrong) return total === 1 ? "Confirm it" : `Confirm all ${total}`;
  if (wrong === total) return total === 1 ? "It is wrong" : `All ${total} are wrong`;
  return `Confirm ${total - wrong}, ${wrong} wrong`;
}
