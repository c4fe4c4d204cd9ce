// The keyboard: which key means what, and when a key is not ours.

const STREAMLIT_KEYS = new Set(["r", "c"]); // rerun and clear cache: never by accident on this page
const NO_TEXT = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);
const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);

const COVERS = "[role=dialog], [role=menu], [aria-modal=true], dialog[open]";

class Keyboard {
  // listeners: press(action, event), escape(), enabled(), root(), capture(key), arrow(key), grid()
  constructor(bindings, listeners) {
    this.bindings = bindings;
    this.listeners = listeners;
    this.swallowed = new Set();
    this.tabbing = false; // the focus was moved by Tab: Space and Enter belong to the focused control
    this.handlers = {
      keydown: (event) => this.down(event),
      keyup: (event) => this.up(event),
      pointerdown: () => {
        this.tabbing = false;
      },
      blur: () => this.swallowed.clear(),
    };
    for (const [name, handler] of Object.entries(this.handlers)) window.addEventListener(name, handler, true);
  }

  stop() {
    for (const [name, handler] of Object.entries(this.handlers)) window.removeEventListener(name, handler, true);
  }

  down(event) {
    if (event.key === "Tab") this.tabbing = true;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const target = event.composedPath()[0];
    if (this.isTyping(target)) return;
    if (event.key === "Escape") return this.escaped();
    const key = keyOf(event);
    if (this.captured(key, event) || this.inGrid(target, event) || this.belongsToControl(target, event)) return;
    const action = this.bindings.actionFor(key);
    if (dialogOpen(document) || (dialogOpen(this.listeners.root()) && action?.name !== "help")) return;
    if (!action || !(this.listeners.enabled() || action.name === "help")) {
      if (STREAMLIT_KEYS.has(key) || (!action && this.listeners.arrow(key))) swallow(event);
      return;
    }
    this.use(event);
    if (!event.repeat) this.listeners.press(action, event);
  }

  use(event) {
    swallow(event);
    this.swallowed.add(event.code);
  }

  // The dialog waits for a new key: any but Tab, which still moves the focus.
  captured(key, event) {
    if (event.key === "Tab" || event.repeat || !this.listeners.capture(key)) return false;
    this.use(event);
    return true;
  }

  // In the grid its own keys come first, unless the focus was moved to a control outside of it.
  inGrid(target, event) {
    const grid = this.listeners.grid();
    if (!grid || event.key === "Tab" || dialogOpen(document) || dialogOpen(this.listeners.root())) return false;
    const outside = !(target instanceof Element && grid.host.contains(target));
    if (outside && this.belongsToControl(target, event)) return false;
    const letter = event.key.length === 1 && event.key !== " ";
    if ((letter && !this.listeners.enabled()) || !grid.press(event)) return false;
    this.use(event);
    return true;
  }

  up(event) {
    if (this.swallowed.delete(event.code)) swallow(event);
  }

  escaped() {
    this.tabbing = false;
    this.listeners.escape();
  }

  // Only real text fields keep the keys; a closed select box that was used by mouse does not.
  isTyping(element) {
    if (!(element instanceof Element)) return false;
    if (element.isContentEditable || element.matches("textarea, select")) return true;
    if (!element.matches("input")) return false;
    const combobox = element.getAttribute("role") === "combobox";
    if (combobox) return element.getAttribute("aria-expanded") === "true" || this.tabbing;
    return !NO_TEXT.has(element.type);
  }

  belongsToControl(element, event) {
    if (!this.tabbing || !(element instanceof Element)) return false;
    if (MOVES.has(event.key)) return Boolean(element.closest("[data-arrows]"));
    if (![" ", "Enter"].includes(event.key)) return false;
    return element.matches("a, button, input, summary, [role=button], [role=radio], [role=tab], [tabindex='0']");
  }
}

// Digits by their place, so the top row works on AZERTY; letters by what is printed, by place on other scripts.
function keyOf(event) {
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code);
  if (digit && !(event.code.startsWith("Digit") && event.shiftKey && event.key === "?")) return digit[1];
  const key = event.key.toLowerCase();
  if (key.length === 1 && /^[a-z? ]$/.test(key)) return key;
  const letter = /^Key([A-Z])$/.exec(event.code);
  if (letter && key.length === 1) return letter[1].toLowerCase();
  return event.code === "Space" ? " " : key;
}

function swallow(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

// While the server is away Streamlit covers the page with a dialog that says so. People can go on: their answers are
// safe here and our banner tells it. So that dialog is closed at once, and never blocks a key.
class ConnectionDialog {
  constructor() {
    this.observer = new MutationObserver(() => this.close());
    this.observer.observe(document.body, { childList: true, subtree: true });
  }

  close() {
    for (const dialog of document.querySelectorAll("[role=dialog]")) {
      if (isConnectionDialog(dialog)) dialog.querySelector("button[aria-label=Close]")?.click();
    }
  }

  stop() {
    this.observer.disconnect();
  }
}

function isConnectionDialog(element) {
  return element.querySelector("h2[slot=title]")?.textContent === "Connection error";
}

function dialogOpen(root) {
  const open = (element) => element.getClientRects().length > 0 && !isConnectionDialog(element);
  const inside = (place) => [...place.querySelectorAll(COVERS)].some(open);
  return inside(document) || inside(root);
}
