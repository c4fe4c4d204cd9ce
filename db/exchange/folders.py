"""Folders of images with their classes: ImageFolder (a folder a class) and the Hugging Face datasets layout.

Nothing is written outside of the folder, and it appears under its name only when it is complete.
"""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from db.errors import InvalidInput
from db.exchange import pictures
from db.exchange.cells import formula_safe, markdown_text, yaml_text
from db.exchange.safe_names import contained, folder_names, image_name
from db.exchange.tables import LABEL_COLUMNS, Column, as_object, json_text
from db.records import LabelEntry, Picture

Images = Literal["copy", "link", "manifest"]
IMAGES: tuple[Images, ...] = ("copy", "link", "manifest")
MANIFEST, MAPPING, METADATA = "manifest.csv", "classes.csv", "metadata.jsonl"
_HF_SPLITS = {"pool": "train"}  # the others have the names that readers know
_SHOWN_MISSING = 1000


@dataclass
class Written:
    """What a folder got: labels, images by where their bytes came from, names of images that are nowhere."""

    rows: int = 0
    images: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)

    def miss(self, name: str) -> None:
        """Note an image without bytes."""
        self.images["missing"] += 1
        if len(self.missing) < _SHOWN_MISSING:
            self.missing.append(name)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a folder to fill that becomes `out` at the end, or is removed if something goes wrong.

    Raises:
        InvalidInput: if `out` is there and not an empty folder, or its parent is not there.
    """
    if not out.parent.is_dir():
        raise InvalidInput(f"expected the folder {out.parent} to exist; make it first")
    if out.is_symlink() or (out.exists() and not out.is_dir()) or (out.is_dir() and any(out.iterdir())):
        raise InvalidInput(f"expected {out} to be an empty or a new folder, got one in use; choose another")
    partial = out.with_name(f".{out.name}.partial")
    if partial.is_symlink():
        partial.unlink()
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        if out.exists():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_image_folder(
    home: Path, rows: Iterable[tuple[LabelEntry, Picture]], classes: Sequence[str], root: Path, images: Images
) -> Written:
    """Fill `root` with SPLIT/CLASS/IMAGE, a manifest of all of them and the mapping of folders to classes.

    Args:
        home: BORDERLINE_HOME, where copies and display images are.
        rows: labels with the places of their images.
        classes: all class names; names that are no safe folder names get another one.
        root: a new folder.
        images: copy them, link to the originals, or only list them.
    """
    written, folders = Written(), folder_names(classes)
    _write_csv(root / MAPPING, ("folder", "class"), [(folder, name) for name, folder in folders.items()])
    header = ("file", "path", *(column.name for column in LABEL_COLUMNS))

    def lines() -> Iterator[Sequence[Any]]:
        for label, picture in rows:
            file, path = _place(home, label, picture, root, (label.split, folders[label.class_name]), images, written)
            yield (file, path, *as_object(LABEL_COLUMNS, label).values())

    _write_csv(root / MANIFEST, header, lines())
    return written


def _place(
    home: Path,
    label: LabelEntry,
    picture: Picture,
    root: Path,
    folder: tuple[str, ...],
    images: Images,
    written: Written,
) -> tuple[str, str]:
    """Put one image into its folder; returns its path in `root` ('' if it is not there) and the original's path."""
    found = pictures.find(home, label, picture)
    written.rows += 1
    origin = str(found.file.absolute()) if found.file and images != "copy" else ""  # copies are made to be given away
    if images == "manifest":
        if found.file:
            written.images["listed"] += 1
        else:
            written.miss(label.name)
        return "", origin
    data = None if found.file else pictures.display_bytes(home, picture)
    if found.file is None and data is None:
        written.miss(label.name)
        return "", ""
    suffix = None if found.file else pictures.SUFFIXES.get(picture.media_type, ".img")
    name = image_name(label.sample_id, label.name, suffix)
    target = contained(root, *folder, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if found.file is None:
        with target.open("xb") as file:
            file.write(data or b"")
    else:
        put: Callable[[Path, Path], None] = pictures.link_file if images == "link" else pictures.copy_file
        put(found.file, target)
    written.images["linked" if found.file and images == "link" else found.kind] += 1
    return "/".join((*folder, name)), origin


def _write_csv(path: Path, header: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for line in lines:
            writer.writerow(["" if cell is None else formula_safe(str(cell)) for cell in line])


def write_hugging_face(
    home: Path,
    rows: Iterable[tuple[LabelEntry, Picture]],
    classes: Sequence[str],
    root: Path,
    title: str,
    columns: Sequence[Column] = LABEL_COLUMNS,
) -> Written:
    """Fill `root` with data/SPLIT/IMAGE, data/SPLIT/metadata.jsonl and a dataset card.

    Metadata is JSON Lines, not CSV: what is read is exactly the class name, and a class "1" stays a text.
    """
    written = Written()
    splits: Counter[str] = Counter()
    for label, picture in rows:
        split = _HF_SPLITS.get(label.split, label.split)
        file, _ = _place(home, label, picture, root, ("data", split), "copy", written)
        if not file:
            continue
        line = {"file_name": Path(file).name, **as_object(columns, label)}
        line = {"label" if key == "class" else key: value for key, value in line.items()}
        with contained(root, "data", split, METADATA).open("a", encoding="utf-8") as metadata:
            metadata.write(f"{json_text(line)}\n")
        splits[split] += 1
    (root / "README.md").write_text(_card(title, classes, splits), encoding="utf-8")
    return written


def _card(title: str, classes: Sequence[str], splits: Counter[str]) -> str:
    """A dataset card: YAML for the reader, Markdown for people; names are only text in both."""
    files = "".join(f"  - split: {split}\n    path: data/{split}/**\n" for split in sorted(splits))
    configs = f"configs:\n- config_name: default\n  data_files:\n{files}" if files else ""
    listed = "\n".join(f"{number}. {markdown_text(name)}" for number, name in enumerate(classes))
    counted = "\n".join(f"- {split}: {count:,} images" for split, count in sorted(splits.items()))
    return (
        f"---\npretty_name: {yaml_text(title)}\ntask_categories:\n- image-classification\n{configs}"
        f"class_names: [{', '.join(map(yaml_text, classes))}]\n---\n\n"
        f"# {markdown_text(title)}\n\nLabeled with Borderline.\n\n{counted}\n\n## Classes\n\n{listed}\n\n## Load\n\n"
        "```python\nfrom datasets import load_dataset\n\n"
        'images = load_dataset("path/to/this/folder")\n'
        'images = images.class_encode_column("label")\n```\n'
    )
