// Draws the page: builds the elements once, then only changes texts, classes and the image. Data is text, never HTML.

const TINY = 100; // an image smaller than this is scaled up with hard edges ...
const BLOCKS = 16; // ... but not one so small that only its blocks would be seen
const FLASH_MS = 160;

const ICONS = {
  undo: "M9 14 4 9l5-5 M4 9h10a6 6 0 0 1 0 12h-3",
  skip: "M5 5l9 7-9 7z M19 5v14",
  unsure: "M9.2 9a3 3 0 1 1 4.3 2.7c-1 .5-1.5 1.1-1.5 2.3 M12 17.5v.1",
  flag: "M5 21V4 M5 4h12l-2.5 4L17 12H5",
  guidelines: "M6 3h9l4 4v14H6z M9 11h7 M9 15h7",
  help: "M3 6h18v12H3z M7 10h.1 M11 10h.1 M15 10h.1 M8 14h8",
  done: "M4 12.5l5 5L20 6.5",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z M2.5 20c.6-3.6 3-5.5 6.500-5.500s5.900 1.900 6.500 5.500 M16 4.500a3.500 3.500 0 0 1 0 6.500 M18 14.800c1.900.8 3.100 2.500 3.500 5.200",
  model: "M4 18c3-8 5-11 8-11s3 7 8 3 M4 6h.1 M8 4h.1 M17 17h.1 M20 19h.1 M15 20h.1",
  pause: "M8 5v14 M16 5v14",
  empty: "M4 6h16v12H4z M4 15l4-4 4 4 3-3 5 5 M15.500 9.500h.1",
  offline: "M3 3l18 18 M8 16a6 6 0 0 1 6-2 M5 12a10 10 0 0 1 5-2.600 M19 12a10 10 0 0 0-3-2 M12 20h.1",
};

const TOOLS = [
  ["undo", "Undo", "U"],
  ["skip", "Skip", "Space"],
  ["unsure", "Not sure", "X"],
  ["flag", "Flag", "F"],
  ["guidelines", "Guidelines", "G"],
  ["help", "Keys", "?"],
];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function icon(name) {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  drawing.append(path);
  return drawing;
}

// A click must not take the focus away: Space would then press the button again instead of skipping.
const keepFocus = (event) => event.preventDefault();

class View {
  // act(action) is called for clicks and taps exactly as for keys
  constructor(root, act, setKeyboard) {
    this.root = root;
    this.act = act;
    this.parts = {};
    this.buttons = new Map();
    root.replaceChildren(
      this.header(),
      this.banner(),
      this.part("notices", element("div", { class: "notices", role: "alert" })),
      this.stage(),
      this.part("classes", element("div", { class: "classes", role: "group", "aria-label": "Classes" })),
      this.tools(),
      this.helpDialog(setKeyboard),
    );
  }

  part(name, made) {
    this.parts[name] = made;
    return made;
  }

  header() {
    return element(
      "div",
      { class: "head" },
      element(
        "div",
        { class: "round" },
        element(
          "div",
          { class: "round-line" },
          this.part("roundName", element("span", { class: "round-name" })),
          this.part("roundCount", element("span", { class: "round-count" })),
        ),
        this.part("track", element("div", { class: "track", role: "progressbar", "aria-label": "This round" })),
      ),
      element(
        "div",
        { class: "saved", role: "status", "aria-live": "polite" },
        this.part("savedDot", element("span", { class: "dot", "aria-hidden": "true" })),
        this.part("saved", element("span", { class: "saved-text" })),
      ),
    );
  }

  banner() {
    const text = this.part("bannerText", element("span"));
    return this.part("banner", element("div", { class: "banner", role: "status", hidden: "" }, icon("offline"), text));
  }

  stage() {
    return element(
      "div",
      { class: "stage", "data-stage": "" },
      this.part("picture", element("div", { class: "picture" })),
      this.part("idle", element("div", { class: "idle", role: "status", hidden: "" })),
      this.part("last", element("div", { class: "last", "aria-live": "polite", hidden: "" })),
      this.guidelinesPanel(),
      this.flagForm(),
    );
  }

  tools() {
    const buttons = TOOLS.map(([name, label, key]) =>
      this.part(
        `tool-${name}`,
        element(
          "button",
          {
            type: "button",
            class: "tool",
            "data-action": name,
            "aria-keyshortcuts": key,
            onmousedown: keepFocus,
            onclick: () => this.act({ name }),
          },
          icon(name),
          element("span", { text: label }),
          element("kbd", { text: key, "aria-hidden": "true" }),
        ),
      ),
    );
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
    return this.part("flag", element(
      "div", { class: "flag", hidden: "" },
      element("label", { for: "note", text: "Flag this image for a second look" }),
      element("div", { class: "flag-row" }, field,
        element("button", { type: "button", class: "primary", text: "Flag it",
          onclick: () => this.act({ name: "flag-send" }) }),
        element("button", { type: "button", class: "plain", text: "Cancel",
          onclick: () => this.act({ name: "flag-close" }) })),
    ));
  }

  guidelinesPanel() {
    return this.part("guidelines", element("section", { class: "guidelines", "aria-label": "Guidelines", hidden: "" }));
  }

  helpDialog(setKeyboard) {
    const toggle = this.part("keyboardOn", element("input", { type: "checkbox", id: "keyboard-on",
      onchange: () => setKeyboard(toggle.checked) }));
    const card = element("div", { class: "card", role: "dialog", "aria-modal": "true", "aria-label": "Keys" },
      element("h2", { text: "Keys" }),
      this.part("helpList", element("dl")),
      element("label", { class: "switch", for: "keyboard-on" }, toggle,
        element("span", { text: "Single-key answers are on" })),
      element("button", { type: "button", class: "primary", text: "Close", onclick: () => this.act({ name: "help" }) }));
    const cover = element("div", { class: "cover", hidden: "" }, card);
    cover.addEventListener("click", (event) => event.target === cover && this.act({ name: "help" }));
    return this.part("help", cover);
  }

  setClasses(classes) {
    this.buttons.clear();
    const made = classes.map((entry) => {
      const button = element(
        "button",
        {
          type: "button", class: entry.name === entry.key ? "class short" : "class", "data-class": entry.id, "aria-keyshortcuts": entry.key || false,
          onmousedown: keepFocus, onclick: () => this.act({ name: "class", entry }),
        },
        element("kbd", { text: entry.key, "aria-hidden": "true" }),
        element("span", { text: entry.name, title: entry.name }),
      );
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
    this.fillHelp(classes);
  }

  fillHelp(classes) {
    const named = classes.filter(({ key, name }) => key && key !== name).map(({ key, name }) => [key, name]);
    const same = classes.filter(({ key, name }) => key && key === name).map(({ key }) => key);
    const rows = same.length ? [[same.join(" "), "The class of that name"], ...named] : named;
    rows.push(["Space", "Skip: somebody else may answer"], ["X", "Not sure"], ["F", "Flag, with a note"]);
    rows.push(["U or Backspace", "Undo the last answer"], ["G", "Guidelines"], ["?", "This help"]);
    const pairs = rows.map(([key, text]) =>
      element("div", {}, element("dt", {}, element("kbd", { text: key })), element("dd", { text })));
    this.parts.helpList.replaceChildren(...pairs);
  }

  setGuidelines(text) {
    const body = text.trim() ? guidelineLines(text) : [element("p", { text: "This project has no guidelines yet." })];
    this.parts.guidelines.replaceChildren(element("h2", { text: "Guidelines" }), ...body);
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
      picture.replaceChildren(item.image);
    }
    this.root.dataset.query = item.query_id;
    this.enableAnswers(item.state === "ready", true);
  }

  showIdle({ kind, title, detail, done, total, command }) {
    const { picture, idle } = this.parts;
    picture.replaceChildren();
    picture.hidden = true;
    idle.hidden = false;
    idle.dataset.kind = kind;
    delete this.root.dataset.query;
    const signature = JSON.stringify([kind, title, detail, done, total]);
    if (signature !== this.idleShown) {
      this.idleShown = signature;
      const parts = [element("div", { class: "idle-icon" }, icon(ICONS[kind] ? kind : "model")),
        element("h2", { text: title }), element("p", { text: detail })];
      if (command) parts.push(element("code", { text: command }));
      if (total) parts.push(bar(done, total, "Training"));
      idle.replaceChildren(...parts);
    }
    this.enableAnswers(false, false);
  }

  enableAnswers(classes, rest) {
    for (const button of this.buttons.values()) button.disabled = !classes;
    for (const name of ["skip", "unsure", "flag"]) this.parts[`tool-${name}`].disabled = !rest;
    this.parts["tool-unsure"].disabled = !classes;
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
    this.parts.last.hidden = !text;
    this.parts.last.textContent = text;
    this.parts["tool-undo"].disabled = !text;
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

function bar(done, total, label) {
  const made = element("div", { class: "track", role: "progressbar", "aria-label": label });
  made.style.setProperty("--done", Math.min(1, done / total));
  return made;
}

// A small part of Markdown, enough for guidelines: headings, bullets, paragraphs. Everything else stays as typed.
function guidelineLines(text) {
  return text.split(/\n+/).filter((line) => line.trim()).map((line) => {
    const heading = /^#{1,6}\s+(.*)/.exec(line);
    const bullet = /^\s*[-*]\s+(.*)/.exec(line);
    if (heading) return element("h3", { text: heading[1] });
    if (bullet) return element("p", { class: "bullet", text: bullet[1] });
    return element("p", { text: line });
  });
}
