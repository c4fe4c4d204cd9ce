// Which key means what: a person's own choice first, then the keys of the classes, then those of the commands.

const COMMANDS = [
  { name: "undo", label: "Undo", keys: ["u", "backspace"], tells: "Undo the last answer" },
  { name: "skip", label: "Skip", keys: [" "], tells: "Skip: somebody else may answer" },
  { name: "unsure", label: "Not sure", keys: ["x"], tells: "Not sure" },
  { name: "flag", label: "Flag", keys: ["f"], tells: "Flag, with a note" },
  { name: "zoom", label: "Zoom", keys: ["z"], tells: "Zoom in and out; arrows move" },
  { name: "why", label: "Why", keys: ["?"], tells: "Why this image" },
  { name: "guidelines", label: "Guidelines", keys: ["g"], tells: "Guidelines" },
  { name: "mode", label: "Grid", keys: ["m"], tells: "Single images or the grid" },
  { name: "help", label: "Keys", keys: ["h", "k", "?"], tells: "This list of keys" },
];
const FIXED_KEYS = new Set(["enter", "tab", "escape"]);
const MODIFIER_KEYS = new Set(["shift", "control", "alt", "meta", "altgraph", "capslock", "dead", "process"]);
const NAMED_KEYS = {
  " ": "Space", backspace: "Backspace", delete: "Delete", home: "Home", end: "End",
  arrowleft: "←", arrowright: "→", arrowup: "↑", arrowdown: "↓",
};

function keyName(key) {
  return NAMED_KEYS[key] ?? key.toUpperCase();
}

class Bindings {
  constructor(storageKey) {
    this.storageKey = storageKey;
    const stored = readStored(storageKey, {}, "localStorage");
    this.own = stored && typeof stored === "object" && !Array.isArray(stored) ? stored : {};
    this.setTargets([], new Set());
  }

  // `hidden` names the commands that this project does not have
  setTargets(classes, hidden) {
    const classTargets = classes.map((entry) => ({
      id: `class:${entry.id}`, label: entry.name, tells: entry.name, keys: entry.key ? [entry.key] : [],
      action: { name: "class", entry },
    }));
    const commands = COMMANDS.filter(({ name }) => !hidden.has(name));
    const commandTargets = commands.map((command) => ({ ...command, id: command.name, action: { name: command.name } }));
    this.targets = [...classTargets, ...commandTargets];
    this.resolve();
  }

  resolve() {
    this.byKey = new Map();
    this.keys = new Map(this.targets.map(({ id }) => [id, []]));
    for (const target of this.targets) if (isBindable(this.own[target.id])) this.give(target, this.own[target.id]);
    for (const target of this.targets) {
      if (!this.keysOf(target.id).length) for (const key of target.keys) this.give(target, key);
    }
  }

  give(target, key) {
    if (this.byKey.has(key)) return;
    this.byKey.set(key, target);
    this.keys.get(target.id).push(key);
  }

  keysOf(id) {
    return this.keys.get(id) ?? [];
  }

  actionFor(key) {
    return this.byKey.get(key)?.action ?? null;
  }

  // Returns '' when the key is taken over, else a sentence that says why not.
  assign(id, key) {
    if (!isBindable(key)) return `${keyName(key)} keeps its meaning. Press another key.`;
    const holder = this.byKey.get(key);
    if (holder && holder.id !== id) {
      return `${keyName(key)} is the key of “${holder.label}”. Press another key, or change that one first.`;
    }
    this.own[id] = key;
    this.keep();
    return "";
  }

  reset() {
    this.own = {};
    this.keep();
  }

  keep() {
    writeStored(this.storageKey, this.own, "localStorage");
    this.resolve();
  }
}

function isBindable(key) {
  if (typeof key !== "string" || FIXED_KEYS.has(key)) return false;
  return [...key].length === 1 || key in NAMED_KEYS;
}
