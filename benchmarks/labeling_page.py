"""From a key press to the next image on the screen: our labeling component, and Streamlit's own buttons beside it.

Claim: with 800 x 600 photos the next image is painted within 50 ms of the key for 95 of 100 keys. Both pages are served
on this machine and driven by one headless Chromium; the same probe in the browser times both: from the key's own time
stamp to the frame that shows another, fully decoded image. The native page is what Streamlit's documentation leads to:
`st.button(shortcut=...)` for each class and `st.image` of the file in a fragment, nothing else on the page, and it
saves nothing; ours saves every answer in SQL.

Photos are those of clothing-small, cut to 800 x 600. Needs Chromium (BORDERLINE_CHROMIUM, or the system's).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from benchmarks.common import arguments, machine, report
from db import projects, rounds, samples
from db.records import NewQuery, NewQueue, ProjectSpec, Round
from flows.ingest import IngestOptions, ingest_source
from flows.report import SilentReporter
from flows.settings import Settings
from flows.store import Store, open_store
from flows.up import answers
from tests.browser import launched

SIZE = (800, 600)
CLASSES = ("dress", "hat", "pants", "shirt", "shoes")
BETWEEN_MS = 400  # a quick person's pace
NATIVE = """
from pathlib import Path
import streamlit as st
photos = sorted(Path({folder!r}).glob("*.jpg"))

@st.fragment
def page():
    place = st.session_state.setdefault("place", 0)
    st.image(str(photos[place % len(photos)]))
    for number, name in enumerate({classes!r}, 1):
        st.button(name, shortcut=str(number), on_click=lambda: st.session_state.update(place=place + 1))

page()
"""
PROBE = """
{
  const images = (root) => [...root.querySelectorAll('img')].concat(
    ...[...root.querySelectorAll('*')].filter((e) => e.shadowRoot).map((e) => images(e.shadowRoot)));
  const current = () => images(document).filter((i) => i.naturalWidth >= 300).sort(
    (a, b) => b.getBoundingClientRect().width - a.getBoundingClientRect().width)[0];
  window.probe = [];
  const channel = new MessageChannel();
  let waiting = null;
  channel.port1.onmessage = () => { window.probe.push(performance.now() - waiting.at); waiting = null; };
  const look = () => {
    const image = current();
    if (image && image.src !== waiting.src && image.complete) return channel.port2.postMessage(0);
    requestAnimationFrame(look);
  };
  window.addEventListener('keydown', (event) => {
    if (event.repeat || waiting) return;
    waiting = { at: event.timeStamp, src: current()?.src };
    requestAnimationFrame(look);
  }, true);
}
"""


def main() -> None:
    """Measure both pages and print them side by side."""
    given = arguments(__doc__, keys=200)
    keys = 20 if given.quick else given.keys
    with tempfile.TemporaryDirectory() as folder, launched() as browser:
        photos = cut_photos(given.data / "clothing-small", Path(folder) / "photos", keys + 40)
        home = Path(folder) / "home"
        with open_store(Settings(home=home)) as store:
            project = prepare(store, photos, keys + 30)
            with page([sys.executable, "-m", "labeler_ui"], home, "/api/health") as address:
                ours = measure(browser, f"{address}/?project={project}&name=ada", keys, ".labeler[data-query]")
            saved = _saved(store)
        script = Path(folder) / "native.py"
        script.write_text(NATIVE.format(folder=str(photos), classes=CLASSES))
        streamlit = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless", "true"]
        with page([*streamlit, "--browser.gatherUsageStats", "false"], home, "/_stcore/health") as address:
            native = measure(browser, address, keys, "[data-testid=stImage] img")
    rows = [_row("component", ours, keys), _row("native", native, keys)]
    report("Key press to next image, 800 x 600 photos", rows, given, saved=f"{saved} of {keys} answers are in SQL")
    if given.json:
        figures = {row["page"]: {"p50_ms": row["p50_ms"], "p95_ms": row["p95_ms"]} for row in rows}
        given.json.write_text(json.dumps({**figures, "rows": rows, "machine": machine()}, indent=2) + "\n")


def cut_photos(source: Path, folder: Path, count: int) -> Path:
    """Cut photos to 800 x 600 as JPEG files."""
    folder.mkdir()
    for number, path in enumerate(sorted(source.glob("train/*/*.jpg"))[:count]):
        with Image.open(path) as photo:
            cut = ImageOps.fit(photo.convert("RGB"), SIZE)
        cut.save(folder / f"{number:04d}.jpg", quality=85)
    return folder


def prepare(store: Store, photos: Path, count: int) -> str:
    """Make a project of the photos with one open round; returns its name."""
    spec = ProjectSpec(name="photos", classes=CLASSES, image_size=64, channels=3, batch_size=count, holdout_size=0)
    project = projects.create_project(store.database, store.actor, spec)
    ingest_source(store, project.id, str(photos), IngestOptions(labels="ignore"), SilentReporter())
    turn = rounds.begin_round(store.database, store.actor, project.id)
    if not isinstance(turn, Round):
        raise SystemExit("expected photos, got none; do: set BORDERLINE_TEST_DATA to the folder with clothing-small")
    ids = samples.pool_index(store.database, project.id, labeled=False).ids[:count]
    queries = [NewQuery(sample_id=int(sample_id), rank=rank) for rank, sample_id in enumerate(ids)]
    rounds.enqueue(store.database, store.actor, turn.id, NewQueue(queries=queries, strategy="in order"))
    return project.name


@contextmanager
def page(command: list[str], home: Path, health: str) -> Iterator[str]:
    """Serve a page on a free port until the caller is done; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    option = "--server.port" if "streamlit" in command else "--port"
    environment = {**os.environ, "BORDERLINE_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])}
    with (home / "page.log").open("ab") as log:
        process = subprocess.Popen([*command, option, str(port)], env=environment, cwd=home, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{address}{health}", process, home / "page.log")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            break
        if answers(url):
            return
        time.sleep(0.1)
    raise SystemExit(f"the page did not start: {log.read_text()[-2000:]}")


def measure(browser: Any, address: str, keys: int, ready: str) -> list[float]:
    """Press a key again and again; returns the milliseconds of each to the next image's frame."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.add_init_script(PROBE)  # before the page: whoever listens first sees every key
    tab.goto(address)
    tab.wait_for_selector(ready, timeout=30_000)
    tab.wait_for_timeout(3000)
    generator = np.random.default_rng(0)
    for _ in range(keys):
        tab.keyboard.press(str(generator.integers(1, len(CLASSES) + 1)))
        tab.wait_for_timeout(BETWEEN_MS)
    tab.wait_for_timeout(1500)
    found: list[float] = tab.evaluate("() => window.probe")
    tab.close()
    return found


def _saved(store: Store) -> int:
    return int(store.database.read(lambda session: session.connection().exec_driver_sql(
        "SELECT count(*) FROM annotations").scalar_one()))  # fmt: skip


def _row(name: str, milliseconds: list[float], keys: int) -> dict[str, Any]:
    p50, p95 = (float(np.percentile(milliseconds, share)) for share in (50, 95))
    return {"page": name, "keys": keys, "images": len(milliseconds), "p50_ms": p50, "p95_ms": p95,
            "slowest_ms": max(milliseconds)}  # fmt: skip


if __name__ == "__main__":
    main()
