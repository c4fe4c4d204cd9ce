// The last answers of this person in this tab, oldest first: what undo takes back and the filmstrip shows.

const HISTORY = 20;

class History {
  constructor(storageKey) {
    this.storageKey = storageKey;
    this.items = readStored(storageKey, []).map((past) => ({ ...past, item: unloaded(past.item) }));
  }

  get size() {
    return this.items.length;
  }

  last() {
    return this.items.at(-1);
  }

  push(past) {
    this.items.push(past);
    while (this.items.length > HISTORY) forget(this.items.shift().item);
    this.store();
  }

  remove(past) {
    this.items = this.items.filter((other) => other !== past);
    this.store();
  }

  // An edit makes an answer the newest one; `before` is kept until SQL has taken the edit.
  replace(past, changed) {
    const { answer_id, outcome, class_id, spoken } = past;
    Object.assign(past, changed, { before: { answer_id, outcome, class_id, spoken } });
    this.items = [...this.items.filter((other) => other !== past), past];
    this.store();
  }

  settleEdit(answerId, accepted) {
    const past = this.items.find((candidate) => candidate.answer_id === answerId);
    if (!past?.before) return;
    if (!accepted) Object.assign(past, past.before);
    delete past.before;
    this.store();
  }

  // Older answers from SQL, when this tab remembers fewer.
  addOlder(answers) {
    const known = new Set(this.items.map(({ item }) => item.query_id));
    const older = answers.filter(({ item }) => !known.has(item.query_id));
    this.items = [...older, ...this.items].slice(-HISTORY);
    this.store();
  }

  store() {
    const plain = this.items.map(({ answer_id, outcome, class_id, spoken, before, item }) => {
      const { query_id, sample_id, token, predicted, why_seen, prediction_seen } = item;
      const kept = { query_id, sample_id, token, predicted, why_seen, prediction_seen };
      return { answer_id, outcome, class_id, spoken, before, item: kept };
    });
    writeStored(this.storageKey, plain);
  }
}

function unloaded(item) {
  return { ...item, state: "loading", image: null, tries: 0 };
}
