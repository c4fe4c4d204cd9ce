// How Streamlit gets the labeler: one for each place in the page, told on every run of the script.

const SWIPES = { left: "skip", right: "undo" };

function measure(start, item) {
  performance.measure(MEASURE, { start, end: item.painted_at, detail: { query_id: item.query_id } });
  performance.clearMeasures(MEASURE); // observers have it already
}

// After picking a project or a name the focus stays in that field, and keys would be typed into it.
function leaveTextField() {
  const focused = document.activeElement;
  if (focused?.matches?.("input, textarea")) focused.blur();
}

// One outbox per person and project lives as long as the tab, also while another page is open.
function outboxFor(key, server, listeners) {
  const all = (globalThis[Symbol.for("borderline.outboxes")] ??= new Map());
  const known = all.get(key);
  if (known) {
    Object.assign(known, { server, listeners });
    known.retryNow();
    return known;
  }
  const made = new Outbox(key, server, listeners);
  all.set(key, made);
  return made;
}

const labelers = new WeakMap();

export default function mount({ data, parentElement, setStateValue }) {
  const streamlit = { setStateValue };
  const known = labelers.get(parentElement);
  if (known) {
    known.update(data, streamlit);
  } else {
    const labeler = new Labeler(parentElement.querySelector(".labeler"), parentElement);
    labelers.set(parentElement, labeler);
    labeler.start(data, streamlit);
  }
  return () => {
    labelers.get(parentElement)?.stop();
    labelers.delete(parentElement);
  };
}
