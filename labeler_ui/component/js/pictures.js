// Loads many small images with the token, a few at a time, each once; walls and sheets of images build on it.

const TINY = 100; // an image smaller than this is scaled up with hard edges
const AT_ONCE = 6; // requests under way; more would only queue in the browser and run into their time limit

class Pictures {
  constructor(root) {
    this.root = root;
    this.shown = "";
    this.addresses = new Map(); // path -> promise of an object URL: an image that is shown twice is fetched once
    this.waiting = [];
    this.busy = 0;
  }

  connect({ project, token, expires_in: expiresIn }, askForToken) {
    if (!this.server || this.project !== project) {
      this.release();
      this.project = project;
      this.server = new Server(project, askForToken);
    }
    this.server.askForToken = askForToken;
    this.server.setToken(token, expiresIn);
  }

  async load(path, alt, frame, holder) {
    try {
      if (!this.addresses.has(path)) this.addresses.set(path, this.fetched(path));
      const image = new Image();
      image.alt = alt;
      image.src = await this.addresses.get(path);
      await image.decode();
      image.className = Math.max(image.naturalWidth, image.naturalHeight) < TINY ? "tiny" : "";
      frame.replaceChildren(image);
      holder.dataset.state = "ready";
    } catch (error) {
      this.addresses.delete(path); // the next look tries again
      frame.replaceChildren(text("span", error instanceof Refused ? error.message : "Cannot be loaded"));
      holder.dataset.state = "broken";
    }
  }

  async fetched(path) {
    if (this.busy >= AT_ONCE) await new Promise((go) => this.waiting.push(go));
    this.busy += 1;
    try {
      return URL.createObjectURL(await this.server.blob(`${this.server.base}/${path}`));
    } finally {
      this.busy -= 1;
      this.waiting.shift()?.();
    }
  }

  release() {
    for (const address of this.addresses.values()) address.then(URL.revokeObjectURL, () => {});
    this.addresses.clear();
  }
}

function text(tag, content, className = "") {
  const made = document.createElement(tag);
  made.textContent = content;
  made.className = className;
  return made;
}

const mounted = new WeakMap(); // parent element -> its pictures

function picturesIn(parentElement, make) {
  let found = mounted.get(parentElement);
  if (!found) mounted.set(parentElement, (found = make()));
  return found;
}

function unmount(parentElement) {
  mounted.get(parentElement)?.release();
  mounted.delete(parentElement);
}
