// Draws the page: builds the elements once, then only changes texts, classes and the image. Data is text, never HTML.

const TINY = 100; // an image smaller than this is scaled up with hard edges ...
const BLOCKS = 16; // ... but not one so small that only its blocks would be seen
const FLASH_MS = 160;

const TOOLS = ["undo", "skip", "unsure", "flag", "zoom", "why", "guidelines", "help"];

class View {
  // act(action) is called for clicks and taps exactly as for keys
  constructor(root, act) {
    this.root = root;
    this.act = act;
    this.parts = {};
    this.buttons = new Map();
    root.replaceChildren(
      this.header(),
      this.banner(),
      this.part("notices", element("div", { class: "notices", role: "alert" })),
      this.work(),
      this.part("classes", element("div", { class: "classes single", role: "group", "aria-label": "Classes" })),
      this.tools(),
    );
  }

  part(name, made) {
    this.parts[name] = made;
    return made;
  }

  button(attributes, ...children) {
    return element("button", { type: "button", onmousedown: keepFocus, ...attributes }, ...children);
  }

  header() {
    const line = element("div", { class: "round-line" },
      this.part("roundName", element("span", { class: "round-name" })),
      this.part("roundCount", element("span", { class: "round-count" })));
    const track = element("div", { class: "track", role: "progressbar", "aria-label": "This round" });
    const saved = element("div", { class: "saved", role: "status", "aria-live": "polite" },
      this.part("savedDot", element("span", { class: "dot", "aria-hidden": "true" })),
      this.part("saved", element("span", { class: "saved-text" })));
    return element("div", { class: "head" },
      element("div", { class: "round" }, line, this.part("track", track)), this.modes(), saved);
  }

  modes() {
    const made = [["single", "Single"], ["grid", "Grid"]].map(([name, label]) =>
      this.part(`mode-${name}`, this.button({ "data-mode": name, onclick: () => this.act({ name: "mode", to: name }) },
        icon(name), element("span", { text: label }))));
    return this.part("modes", element("div", { class: "modes", role: "group", "aria-label": "How to label", hidden: "" }, ...made));
  }

  banner() {
    const text = this.part("bannerText", element("span"));
    return this.part("banner", element("div", { class: "banner", role: "status", hidden: "" }, icon("offline"), text));
  }

  work() {
    return element("div", { class: "work" },
      this.part("strip", element("div", { class: "strip single", role: "toolbar", "aria-label": "Your last answers",
        "aria-orientation": "vertical", "data-arrows": "", "data-empty": "" })),
      this.stage(),
      this.part("grid", element("div", { class: "grid-host", hidden: "" })),
      this.part("why", element("section", { class: "side why", "aria-label": "Why this image", "aria-live": "polite", tabindex: "0", hidden: "" })),
      this.part("guidelines", element("section", { class: "side guidelines", "aria-label": "Guidelines", tabindex: "0", hidden: "" })));
  }

  stage() {
    return element("div", { class: "stage single", "data-stage": "" },
      this.part("comment", element("p", { class: "comment", role: "note", hidden: "" })),
      this.part("picture", element("div", { class: "picture" })),
      this.part("idle", element("div", { class: "idle", role: "status", hidden: "" })),
      this.ribbon(),
      this.part("last", element("div", { class: "last", "aria-live": "polite", hidden: "" })),
      this.part("scale", element("div", { class: "scale", "aria-live": "polite", hidden: "" })),
      this.part("card", element("div", { class: "why-card", role: "status", hidden: "" })),
      this.flagForm());
  }

  ribbon() {
    return this.part("ribbon", element("div", { class: "ribbon", role: "status", hidden: "" },
      this.part("ribbonText", element("span")),
      this.button({ class: "plain", text: "Back", onclick: () => this.act({ name: "back" }) })));
  }

  tools() {
    const labels = new Map(COMMANDS.map(({ name, label }) => [name, label]));
    const buttons = TOOLS.map((name) =>
      this.part(`tool-${name}`, this.button({ class: "tool", "data-action": name, onclick: () => this.act({ name }) },
        icon(name), element("span", { text: labels.get(name) }), element("kbd", { "aria-hidden": "true" }))));
    return element("div", { class: "tools", role: "group", "aria-label": "More answers and help" }, ...buttons);
  }

  flagForm() {
    const field = this.part("note", element("input", {
      type: "text", maxlength: "2000", id: "note", autocomplete: "off", placeholder: "What is wrong? (optional)",
      onkeydown: (event) => {
        if (event.key === "Enter") this.act({ name: "flag-send" });
        if (event.key === "Escape") this.act({ name: "flag-close" });
        event.stopPropagation();
      },
    }));
    const send = element("button", { type: "button", class: "primary", text: "Flag it", onclick: () => this.act({ name: "flag-send" }) });
    const cancel = element("button", { type: "button", class: "plain", text: "Cancel", onclick: () => this.act({ name: "flag-close" }) });
    return this.part("flag", element("div", { class: "flag", hidden: "" },
      element("label", { for: "note", text: "Flag this image for a second look" }),
      element("div", { class: "flag-row" }, field, send, cancel)));
  }

  setClasses(classes) {
    this.buttons.clear();
    this.classes = classes;
    const made = classes.map((entry) => {
      const button = this.button({ "data-class": entry.id, onclick: () => this.act({ name: "class", entry }) },
        element("kbd", { "aria-hidden": "true" }), element("span", { text: entry.name, title: entry.name }));
      this.buttons.set(entry.id, button);
      return button;
    });
    this.parts.classes.replaceChildren(...made);
    const longest = Math.max(0, ...classes.map(({ name }) => name.length));
    const onPhone = longest < 5 ? 5 : longest < 13 ? 3 : 2;
    for (const [name, most] of [["--columns", 6], ["--columns-phone", onPhone]]) {
      const rows = Math.ceil(classes.length / most) || 1; // full rows look calmer than a lonely last button
      this.parts.classes.style.setProperty(name, Math.ceil(classes.length / rows) || 1);
    }
  }

  // The keys on the buttons, after a change of classes or of a key.
  setKeys(bindings) {
    const put = (button, keys) => {
      button.querySelector("kbd").textContent = keys.length ? keyName(keys[0]) : "";
      if (keys.length) button.setAttribute("aria-keyshortcuts", keys.map(keyName).join(" "));
      else button.removeAttribute("aria-keyshortcuts");
    };
    for (const entry of this.classes) {
      const keys = bindings.keysOf(`class:${entry.id}`);
      const button = this.buttons.get(entry.id);
      button.className = keys[0] === entry.name.toLowerCase() ? "class short" : "class";
      put(button, keys);
    }
    for (const name of TOOLS) {
      put(this.parts[`tool-${name}`], bindings.keysOf(name));
      this.parts[`tool-${name}`].hidden = !bindings.keys.has(name);
    }
  }

  setGuidelines(text) {
    const body = text.trim() ? markdown(text) : [element("p", { text: "This project has no guidelines yet." })];
    const shut = this.button({ class: "shut", "aria-label": "Close", text: "×", onclick: () => this.act({ name: "guidelines" }) });
    const head = element("div", { class: "panel-head" }, element("h2", { text: "Guidelines" }), shut);
    this.parts.guidelines.replaceChildren(head, ...body);
  }

  showImage(item) {
    const { picture, idle } = this.parts;
    idle.hidden = true;
    picture.hidden = false;
    if (item.state === "broken") {
      picture.replaceChildren(element("p", { class: "broken", text: `${item.problem} Skip or flag it.` }));
    } else {
      const side = Math.max(item.image.naturalWidth, item.image.naturalHeight);
      item.image.className = side > BLOCKS && side < TINY ? "tiny" : "";
      if (picture.firstChild !== item.image) picture.replaceChildren(item.image);
    }
    this.root.dataset.query = item.query_id;
    this.setComment(item.comment);
    this.markPredicted(item.predicted);
    this.enableAnswers(item.state === "ready", true);
  }

  // What a reviewer wrote who sent the image back: text, whatever it holds.
  setComment(comment) {
    this.parts.comment.textContent = comment ? `A reviewer asks you to look again: ${comment}` : "";
    this.parts.comment.hidden = !comment;
    this.root.toggleAttribute("data-comment", Boolean(comment));
  }

  // Only in projects that show predictions is there one; the server sends it to no other.
  markPredicted(position) {
    for (const entry of this.classes) {
      const button = this.buttons.get(entry.id);
      const guess = position != null && position === entry.position;
      button.toggleAttribute("data-predicted", guess);
      if (guess) button.setAttribute("aria-description", "The model's guess");
      else button.removeAttribute("aria-description");
    }
  }

  // While an earlier image is looked at again: what was said about it.
  setRibbon(past) {
    this.parts.ribbon.hidden = !past;
    this.parts.ribbonText.textContent = past ? `You said: ${past.spoken}. A new answer replaces it; Escape goes back.` : "";
    this.root.toggleAttribute("data-revisiting", Boolean(past));
    for (const [id, button] of this.buttons) {
      if (past) button.setAttribute("aria-pressed", String(past.outcome === "class" && past.class_id === id));
      else button.removeAttribute("aria-pressed");
    }
  }

  showIdle({ kind, title, detail, done, total, command }) {
    const { picture, idle } = this.parts;
    picture.replaceChildren();
    picture.hidden = true;
    idle.hidden = false;
    idle.dataset.kind = kind;
    delete this.root.dataset.query;
    this.setComment("");
    const signature = JSON.stringify([kind, title, detail, done, total]);
    if (signature !== this.idleShown) {
      this.idleShown = signature;
      const parts = [element("div", { class: "idle-icon" }, icon(ICONS[kind] ? kind : "model")),
        element("h2", { text: title }), element("p", { text: detail })];
      if (command) parts.push(element("code", { text: command }));
      if (total) parts.push(bar(done, total, "Training"));
      idle.replaceChildren(...parts);
    }
    this.markPredicted(null);
    this.enableAnswers(false, false);
  }

  enableAnswers(classes, rest) {
    for (const button of this.buttons.values()) button.disabled = !classes;
    for (const name of ["skip", "unsure", "flag"]) this.parts[`tool-${name}`].disabled = !rest;
    for (const name of ["unsure", "zoom"]) this.parts[`tool-${name}`].disabled = !classes;
  }

  setRound(progress) {
    const { roundName, roundCount, track } = this.parts;
    const { round = 0, answered = 0, wanted = 0 } = progress ?? {};
    roundName.textContent = round ? `Round ${round}` : "";
    roundCount.textContent = wanted ? `${Math.min(answered, wanted)} of ${wanted}` : "";
    track.hidden = !wanted;
    track.setAttribute("aria-valuemax", wanted);
    track.setAttribute("aria-valuenow", Math.min(answered, wanted));
    track.style.setProperty("--done", wanted ? Math.min(1, answered / wanted) : 0);
  }

  setSaved(saved, pending) {
    const text = pending ? `${pending} saving · ${saved} saved` : `${saved} saved`;
    if (this.parts.saved.textContent !== text) this.parts.saved.textContent = text;
    this.parts.savedDot.dataset.state = pending ? "pending" : "saved";
    this.root.dataset.pending = pending;
    this.root.dataset.saved = saved;
  }

  setBanner(text) {
    const { banner, bannerText } = this.parts;
    if (bannerText.textContent !== text) bannerText.textContent = text;
    banner.hidden = !text;
  }

  notice(text) {
    const line = element("div", { class: "notice" }, element("span", { text }),
      element("button", { type: "button", class: "plain", text: "OK", "aria-label": "Dismiss",
        onclick: () => line.remove() }));
    this.parts.notices.append(line);
    while (this.parts.notices.children.length > 3) this.parts.notices.firstChild.remove();
  }

  setLast(text) {
    const { last } = this.parts;
    last.hidden = !text;
    if (last.textContent !== text) last.textContent = text;
    this.parts["tool-undo"].disabled = !text;
  }

  setScale(scale) {
    const zoomed = scale > 1.001;
    this.parts.scale.hidden = !zoomed;
    this.parts.scale.textContent = zoomed ? `${scale.toFixed(1)} ×` : "";
    this.parts["tool-zoom"].setAttribute("aria-pressed", String(zoomed));
  }

  // `mode` is "single" or "grid"
  setMode(mode, offered) {
    this.root.dataset.mode = mode;
    this.parts.modes.hidden = !offered;
    this.parts.grid.hidden = mode !== "grid";
    for (const name of ["single", "grid"]) this.parts[`mode-${name}`].setAttribute("aria-pressed", String(mode === name));
  }

  flash(button) {
    if (!button) return;
    button.classList.add("flash");
    setTimeout(() => button.classList.remove("flash"), FLASH_MS);
  }

  toggle(name, open) {
    this.parts[name].hidden = !open;
  }
}
