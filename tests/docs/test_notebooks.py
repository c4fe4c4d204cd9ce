"""The notebooks of the documentation run from top to bottom, with a tiny budget, and hold nothing of a machine."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from tests.support import require

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs").glob("*.ipynb"))
ABSOLUTE = re.compile(r"(?<![\w/:.<])/[\w.-]+/[\w.-]+|\b[A-Z]:\\")  # from the root, of any system
LESS = {"labels=60": "labels=40", "(0, 1, 2, 3, 4)": "(0, 1)", '"margin", ': ""}


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_outputs_and_no_places_of_a_machine_are_kept(path: Path) -> None:
    nbformat.validate(read(path))
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert not ABSOLUTE.findall(path.read_text("utf-8"))


def test_the_comparison_on_digits_reaches_its_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        from nbclient import NotebookClient
    except ImportError:
        require(False, "nbclient is not installed; run: pip install 'borderline[test]'")
        return
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = read(ROOT / "docs" / "compare.ipynb")
    [settings] = [cell for cell in notebook.cells if "settings" in cell.metadata.get("tags", [])]
    for usual, less in LESS.items():
        assert usual in settings.source
        settings.source = settings.source.replace(usual, less)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    answers = [text for output in outputs if (text := output.get("data", {}).get("text/markdown"))]
    assert "too early to tell" in answers[0]  # two seeds decide nothing
    assert sum("image/svg+xml" in output.get("data", {}) for output in outputs) == 3


def test_paths_from_the_root_are_seen_and_addresses_are_not() -> None:
    assert ABSOLUTE.search('open("/srv/data/images")')
    assert ABSOLUTE.search("C:\\data")
    assert not ABSOLUTE.search("[docs](https://example.org/a/b) docs/compare.md </b></i> 3/4/5")
