"""Labels out of JSON documents: Label Studio's two exports (JSON and JSON-MIN) and COCO-style files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from db.errors import InvalidInput
from db.exchange.strict import LARGEST_DOCUMENT, check_size, load_json, take
from db.records import GivenLabels

_IMAGE_KEYS = ("image", "img", "image_url", "url", "picture", "photo")
_CONTROL_KEYS = ("choice", "class", "label", "choices")
_MIN_KEYS = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"}
_OUR_KEYS = {"sample_id", "sha256"}
_LINK = re.compile(r"\A(?:[a-z][a-z0-9+.-]*://|/)|/data/", re.IGNORECASE)
_SHOWN = 60
_MOST_KEYS = 100


def read_document(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        InvalidInput: if it is too large or no strict JSON.
    """
    check_size(path, LARGEST_DOCUMENT)
    return load_json(path.read_bytes(), "the file")


@dataclass
class _Task:
    """The annotations of one Label Studio task: choices of each, and what a reviewer called the truth."""

    data: Mapping[str, Any]
    votes: Counter[str] = field(default_factory=Counter)
    truths: Counter[str] = field(default_factory=Counter)

    def verdict(self) -> str | None:
        """The class: the truth if there is one, else the strict majority of the annotations."""
        votes = self.truths or self.votes
        best = [name for name, count in votes.items() if 2 * count > votes.total()]
        return best[0] if best else None


def read_label_studio(document: Any, given: GivenLabels) -> None:
    """Read tasks as Label Studio exports them, as JSON or JSON-MIN; predictions are counted, not imported.

    Raises:
        InvalidInput: if it is no list of tasks.
    """
    items = [document] if isinstance(document, dict) else document
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidInput("expected a list of Label Studio tasks, got something else; export them as JSON")
    read = _read_tasks if not items or any("data" in item for item in items) else _read_min
    for place, task in read(items, given):
        if not task.votes and not task.truths:
            given.ignored["tasks without an answer"] += 1
        elif (name := task.verdict()) is None:
            given.problems.add("expected annotations of a task to agree, or a majority of them, got a tie", place)
        else:
            take(given, place, name, **_ways(task.data))


def _ways(data: Mapping[str, Any]) -> dict[str, Any]:
    """Ways to find the image: our own hash and id where they came along, else the image's name."""
    return {"sha256": data.get("sha256"), "sample_id": data.get("sample_id"), "name": _image_of(data)}


def _image_of(data: Mapping[str, Any]) -> str | None:
    keyed = [data[key] for key in _IMAGE_KEYS if isinstance(data.get(key), str)]
    texts = [value for key, value in data.items() if isinstance(value, str) and key not in _OUR_KEYS]
    found = keyed[0] if keyed else texts[0] if len(texts) == 1 else None
    if found is None or not _LINK.search(found):
        return found
    return unquote(re.split(r"[?#]", found.split("?d=", 1)[-1], maxsplit=1)[0])


def _read_tasks(items: list[dict[str, Any]], given: GivenLabels) -> Iterator[tuple[str, _Task]]:
    for number, item in enumerate(items, start=1):
        place = f"task {item.get('id', number)!r:.40}"
        data = item.get("data")
        if not isinstance(data, dict):
            given.problems.add("expected a task with data, got none", place)
            continue
        task = _Task(data)
        given.ignored["predictions"] += len(_list(item.get("predictions")))
        for annotation in _list(item.get("annotations") or item.get("completions")):
            _count(task, annotation, given, place)
        yield place, task


def _count(task: _Task, annotation: Any, given: GivenLabels, place: str) -> None:
    if not isinstance(annotation, dict):
        given.problems.add("expected annotations as objects, got something else", place)
        return
    if annotation.get("was_cancelled") or annotation.get("skipped"):
        given.ignored["skipped annotations"] += 1
        return
    chosen = [
        result["value"].get("choices")
        for result in _list(annotation.get("result"))
        if isinstance(result, dict) and result.get("type") == "choices" and isinstance(result.get("value"), dict)
    ]
    if not chosen:
        given.ignored["annotations without a choice"] += 1
    elif len(chosen) > 1 or (name := _only(chosen[0])) is None:
        given.problems.add("expected one choice of one control in an annotation, got more", place)
    else:
        (task.truths if annotation.get("ground_truth") is True else task.votes)[name] += 1


def _only(choices: Any) -> str | None:
    if isinstance(choices, list):
        return choices[0] if len(choices) == 1 and isinstance(choices[0], str) else None
    return choices if isinstance(choices, str) else None


def _read_min(items: list[dict[str, Any]], given: GivenLabels) -> Iterator[tuple[str, _Task]]:
    """JSON-MIN has a row an annotation: the task's data, the chosen class under the control's name, who and when."""
    tasks: dict[str, _Task] = {}
    control = _control(items)
    for number, item in enumerate(items, start=1):
        place = f"task {item.get('id', number)!r:.40}"
        task = tasks.setdefault(place, _Task({key: value for key, value in item.items() if key != control}))
        value = item.get(control)
        if value in (None, [], ""):
            continue
        name = _only(value.get("choices") if isinstance(value, dict) else value)
        if name is None:
            given.problems.add("expected one choice in an annotation, got something else", place)
        else:
            task.votes[name] += 1
    yield from tasks.items()


def _control(items: list[dict[str, Any]]) -> str:
    """The key of the chosen class: by a usual name, else the only one that can be it."""
    keys = Counter(key for item in items for key in item if key not in _MIN_KEYS | _OUR_KEYS | set(_IMAGE_KEYS))
    found = [key for key in _CONTROL_KEYS if key in keys]
    if not found and len(keys) <= _MOST_KEYS:
        found = [key for key in keys if not any(_is_link(item.get(key)) for item in items)]
        found = found if len(found) == 1 else []
    if not found:
        shown = ", ".join(repr(key)[:_SHOWN] for key in list(keys)[:10]) or "no other key"
        raise InvalidInput(
            f"expected one key with the chosen class in each task, got {shown}; export as JSON instead of JSON-MIN"
        )
    return found[0]


def _is_link(value: Any) -> bool:
    return isinstance(value, str) and _LINK.search(value) is not None


def read_coco(document: Any, given: GivenLabels) -> None:
    """Read images, categories and annotations; each annotation gives its image's category. Boxes are not looked at.

    Raises:
        InvalidInput: if a part is missing or is not what COCO says.
    """
    parts = {name: _objects(document.get(name), name) for name in ("images", "categories", "annotations")}
    images, categories = _by_id(parts["images"], "images"), _by_id(parts["categories"], "categories")
    seen: dict[Any, set[str]] = defaultdict(set)
    for number, annotation in enumerate(parts["annotations"], start=1):
        place = f"annotation {annotation.get('id', number)!r:.40}"
        image, category = (
            _named(images, annotation, "image_id"),
            _named(categories, annotation, "category_id"),
        )
        if image is None or category is None:
            missing = "image" if image is None else "category"
            given.problems.add(f"expected the {missing} of an annotation in the file, got an unknown id", place)
            continue
        name = category.get("name")
        if isinstance(name, str) and name in seen[image["id"]]:
            given.ignored["more annotations of an image with the same category"] += 1
            continue
        if isinstance(name, str):
            seen[image["id"]].add(name)
        take(given, place, name, sha256=image.get("sha256"), name=image.get("file_name"))


def _objects(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidInput(f"expected a list of objects under {name!r}, got something else; export the file again")
    return value


def _by_id(items: list[dict[str, Any]], name: str) -> dict[int | str, dict[str, Any]]:
    found = {key: item for item in items if (key := _key(item, "id")) is not None}
    if len(found) != len(items):
        raise InvalidInput(f"expected {name} with an id each, no two alike, got others; export the file again")
    return found


def _named(items: dict[int | str, dict[str, Any]], item: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    key = _key(item, name)
    return items.get(key) if key is not None else None


def _key(item: Mapping[str, Any], name: str) -> int | str | None:
    value = item.get(name)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
