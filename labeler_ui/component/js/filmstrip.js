// The last answers as thumbnails, newest first. Drawn when the browser has time, so that it never delays an image.

const THUMB = { width: 144, height: 108 };

class Filmstrip {
  // choose(past) is called when a person wants to see an earlier image again
  constructor(host, server, choose) {
    this.host = host;
    this.server = server;
    this.choose = choose;
    this.nodes = new Map(); // by the past answer
    this.loading = false;
    host.addEventListener("keydown", (event) => this.arrow(event));
  }

  later(items, current) {
    this.wanted = { items, current };
    if (this.planned) return;
    this.planned = true;
    const run = () => {
      this.planned = false;
      this.draw(this.wanted.items, this.wanted.current);
    };
    if (window.requestIdleCallback) requestIdleCallback(run, { timeout: 400 });
    else setTimeout(run, 50);
  }

  draw(items, current) {
    const newestFirst = [...items].reverse();
    for (const past of this.nodes.keys()) if (!items.includes(past)) this.drop(past);
    newestFirst.forEach((past, place) => {
      const node = this.nodes.get(past) ?? this.make(past);
      if (this.host.children[place] !== node) this.host.insertBefore(node, this.host.children[place] ?? null);
      this.describe(node, past, place, current === past);
    });
    this.host.toggleAttribute("data-empty", !items.length);
    this.roving(current);
    this.loadThumbs(newestFirst);
  }

  make(past) {
    const node = element("button", { type: "button", class: "frame", onmousedown: keepFocus, onclick: () => this.choose(past) },
      element("span", { class: "thumb" }), element("span", { class: "frame-name" }));
    this.nodes.set(past, node);
    return node;
  }

  drop(past) {
    this.nodes.get(past).remove();
    this.nodes.delete(past);
  }

  describe(node, past, place, current) {
    node.setAttribute("aria-label", `${past.spoken}, ${place ? `${place + 1} answers ago` : "your last answer"}. Show it again`);
    node.toggleAttribute("data-current", current);
    if (current) node.setAttribute("aria-current", "true");
    else node.removeAttribute("aria-current");
    if (node.lastChild.textContent !== past.spoken) node.lastChild.textContent = past.spoken;
    node.dataset.outcome = past.outcome;
    const { image } = past.item;
    if (!past.thumb && image) past.thumb = thumbOf(image, image.naturalWidth, image.naturalHeight);
    if (past.thumb && past.thumb.parentNode !== node.firstChild) node.firstChild.replaceChildren(past.thumb);
  }

  // One stop for Tab; arrows go from frame to frame.
  roving(current) {
    const frames = [...this.host.children];
    const stop = frames.find((frame) => frame.matches(":focus")) ?? this.nodes.get(current) ?? frames[0];
    for (const frame of frames) frame.tabIndex = frame === stop ? 0 : -1;
  }

  arrow(event) {
    const frames = [...this.host.children];
    const place = frames.indexOf(event.target.closest(".frame"));
    const goals = {
      ArrowDown: place + 1, ArrowRight: place + 1, ArrowUp: place - 1, ArrowLeft: place - 1, Home: 0, End: frames.length - 1,
    };
    const goal = frames[goals[event.key]];
    if (!goal || place < 0) return;
    event.preventDefault();
    for (const frame of frames) frame.tabIndex = frame === goal ? 0 : -1;
    goal.focus();
    goal.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  // After a reload the images are not here any more: fetch them one by one.
  async loadThumbs(newestFirst) {
    const missing = () => newestFirst.find((past) => !past.thumb && !past.noThumb && this.nodes.has(past));
    if (this.loading || !missing()) return;
    this.loading = true;
    for (let past = missing(); past; past = missing()) {
      try {
        const bitmap = await createImageBitmap(await this.server.asked(past.item.query_id));
        past.thumb = thumbOf(bitmap, bitmap.width, bitmap.height);
        bitmap.close();
      } catch {
        past.noThumb = true; // its name is enough; choosing it tries again
      }
      if (past.thumb) this.nodes.get(past)?.firstChild.replaceChildren(past.thumb);
    }
    this.loading = false;
  }
}

function thumbOf(source, width, height) {
  const canvas = element("canvas", { width: THUMB.width, height: THUMB.height, "aria-hidden": "true" });
  const scale = Math.min(THUMB.width / width, THUMB.height / height);
  const [wide, high] = [width * scale, height * scale];
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = scale < 4;
  context.drawImage(source, (THUMB.width - wide) / 2, (THUMB.height - high) / 2, wide, high);
  return canvas;
}
