// The dialog with all keys: what each one does, another key by a click and a press, and the switch for all of them.

class KeysDialog {
  // listeners: close(), changed(), setKeyboard(on)
  constructor(bindings, listeners) {
    this.bindings = bindings;
    this.listeners = listeners;
    this.capturing = null; // the target that waits for its new key
    this.on = element("input", { type: "checkbox", id: "keyboard-on", onchange: () => listeners.setKeyboard(this.on.checked) });
    this.list = element("dl", {});
    this.said = element("p", { class: "said", role: "status", "aria-live": "assertive" });
    this.card = element("div", { class: "card", role: "dialog", "aria-modal": "true", "aria-label": "Keys", tabindex: "-1" },
      element("h2", { text: "Keys" }),
      element("p", { class: "quiet", text: "To change a key, choose it here, then press the new one." }),
      this.list,
      this.said,
      element("label", { class: "switch", for: "keyboard-on" }, this.on, element("span", { text: "Single-key answers are on" })),
      element("div", { class: "card-row" },
        element("button", { type: "button", class: "plain", text: "Reset all keys", onclick: () => this.reset() }),
        element("button", { type: "button", class: "primary", text: "Close", onclick: () => listeners.close() })));
    this.cover = element("div", { class: "cover", hidden: "" }, this.card);
    this.cover.addEventListener("click", (event) => event.target === this.cover && listeners.close());
    this.card.addEventListener("keydown", (event) => event.key === "Tab" && this.trap(event));
  }

  get isOpen() {
    return !this.cover.hidden;
  }

  open() {
    this.fill();
    this.say("");
    this.cover.hidden = false;
    this.card.querySelector(".primary").focus();
  }

  close() {
    this.capturing = null;
    this.cover.hidden = true;
  }

  fill() {
    const rows = this.bindings.targets.map((target) => {
      const names = this.bindings.keysOf(target.id).map(keyName);
      const waiting = this.capturing === target;
      const button = element("button", {
        type: "button", class: waiting ? "keycap waiting" : "keycap", "data-target": target.id,
        "aria-label": `${target.label}: ${names.join(" or ") || "no key"}. Change`,
        onclick: () => this.capture(target),
      }, ...(waiting ? ["Press a key"] : caps(names)));
      return element("div", {}, element("dt", {}, button), element("dd", { text: target.tells }));
    });
    const focused = this.list.getRootNode().activeElement?.dataset?.target;
    this.list.replaceChildren(...rows);
    if (focused) this.list.querySelector(`[data-target="${CSS.escape(focused)}"]`)?.focus();
  }

  capture(target) {
    this.capturing = target;
    this.fill();
    this.say(`Press the new key for “${target.label}”. Escape keeps the old one.`);
  }

  // Returns true when the key was for us.
  take(key) {
    if (!this.capturing) return false;
    if (MODIFIER_KEYS.has(key)) return true;
    const target = this.capturing;
    const refusal = this.bindings.assign(target.id, key);
    if (refusal) {
      this.say(refusal);
      return true;
    }
    this.capturing = null;
    this.changed(`“${target.label}” is on ${keyName(key)} now.`);
    return true;
  }

  // Escape: first gives up waiting for a key.
  giveUp() {
    if (!this.capturing) return false;
    this.capturing = null;
    this.fill();
    this.say("The old key stays.");
    return true;
  }

  reset() {
    this.capturing = null;
    this.bindings.reset();
    this.changed("All keys are as they were at first.");
  }

  changed(text) {
    this.fill();
    this.say(text);
    this.listeners.changed();
  }

  say(text) {
    this.said.textContent = text;
  }

  trap(event) {
    const stops = [...this.card.querySelectorAll("button, input")];
    const focused = this.card.getRootNode().activeElement;
    const [first, last] = [stops[0], stops.at(-1)];
    const goal = event.shiftKey && [first, this.card].includes(focused) ? last : !event.shiftKey && focused === last ? first : null;
    if (!goal) return;
    event.preventDefault();
    goal.focus();
  }
}

function caps(names) {
  if (!names.length) return ["Add"];
  return names.flatMap((name, place) => (place ? [" or ", element("kbd", { text: name })] : [element("kbd", { text: name })]));
}
