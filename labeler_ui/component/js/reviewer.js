// Shows one image to a reviewer: fetched with the token, never by an address that works without it.

const TINY = 100; // an image smaller than this is scaled up with hard edges

class Reviewer {
  constructor(root) {
    this.root = root;
    this.keys = {};
    this.onKey = (event) => this.pressed(event);
    this.onPointer = () => setTimeout(leaveRadio, 100); // once the click has done its work
    window.addEventListener("keydown", this.onKey, true);
    window.addEventListener("pointerup", this.onPointer, true);
    this.shown = null;
    this.address = null;
  }

  update(data, askForToken) {
    this.keys = data.keys;
    if (!this.server) this.server = new Server(data.project, askForToken);
    this.server.askForToken = askForToken;
    this.server.setToken(data.token, data.expires_in);
    if (data.sample === this.shown) return;
    this.shown = data.sample;
    this.root.dataset.state = "loading";
    this.load(data.sample, data.alt);
  }

  // Streamlit gives no button a shortcut with a key that it keeps for itself: those are pressed here.
  pressed(event) {
    const name = this.keys[event.key.toLowerCase()];
    const [target] = event.composedPath();
    const typing = target instanceof Element && (target.isContentEditable || target.matches("input, textarea, select"));
    if (!name || typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("[role=dialog]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.repeat) document.querySelector(`.st-key-${CSS.escape(name)} button`)?.click();
  }

  stop() {
    window.removeEventListener("keydown", this.onKey, true);
    window.removeEventListener("pointerup", this.onPointer, true);
    this.release();
  }

  async load(sample, alt) {
    try {
      const blob = await this.server.image(sample);
      if (sample !== this.shown) return; // another one is wanted by now
      this.release();
      this.address = URL.createObjectURL(blob);
      const image = new Image();
      image.alt = alt;
      image.src = this.address;
      await image.decode();
      if (sample !== this.shown) return;
      image.className = Math.max(image.naturalWidth, image.naturalHeight) < TINY ? "tiny" : "";
      this.show(image, "ready");
    } catch (error) {
      if (sample !== this.shown) return;
      this.shown = null; // the next run of the page tries again
      const text = document.createElement("p");
      text.textContent = error instanceof Refused ? error.message : "The image cannot be loaded. Reload the page.";
      this.show(text, "broken");
    }
  }

  show(element, state) {
    this.root.replaceChildren(element);
    this.root.dataset.state = state;
    this.root.dataset.sample = this.shown ?? "";
  }

  release() {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = null;
  }
}

// Streamlit's shortcuts rest while any input has the focus: a filter chosen with the mouse must not keep it.
function leaveRadio() {
  if (document.activeElement?.matches("input[type=radio]")) document.activeElement.blur();
}

const reviewers = new WeakMap();

export default function mount({ data, parentElement, setStateValue }) {
  let reviewer = reviewers.get(parentElement);
  if (!reviewer) reviewers.set(parentElement, (reviewer = new Reviewer(parentElement.querySelector(".reviewer"))));
  reviewer.update(data, () => setStateValue("renew", Date.now()));
  return () => {
    reviewers.get(parentElement)?.stop();
    reviewers.delete(parentElement);
  };
}
