"""Label Studio's JSON: tasks with annotations and predictions, as its own export writes them and its import takes them.

Format: https://labelstud.io/guide/task_format and https://labelstud.io/guide/export (Label Studio 1.x).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from db.exchange.cells import iso_time
from db.exchange.tables import json_text
from db.records import Guess, LabelEntry, LabelingTask, VoteEntry

CONTROL, IMAGE = "choice", "image"
_XML_FORBIDS = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd", **dict.fromkeys(range(0x20), " ")}


def task_parts(tasks: Iterable[LabelingTask], what: str, image_prefix: str = "") -> Iterator[bytes]:
    """Yield one JSON list of tasks, a task a line.

    Args:
        tasks: samples with labels and votes.
        what: 'labels' writes each label as one annotation, 'votes' each standing vote, and the label beside them where
            the votes alone do not say it.
        image_prefix: what Label Studio needs before an image's name to find it, such as '/data/local-files/?d=photos/'.
    """
    opening = "["
    for task in tasks:
        annotations = _annotations(task, what)
        if annotations:
            yield f"{opening}\n{json_text(_task(task, annotations, image_prefix))}".encode()
            opening = ","
    yield b"\n]\n" if opening == "," else b"[]\n"


def _task(task: LabelingTask, annotations: list[dict[str, Any]], image_prefix: str) -> dict[str, Any]:
    skipped = sum(annotation["was_cancelled"] for annotation in annotations)
    return {
        "id": task.sample_id,
        "data": {"image": _image(task.name, image_prefix), "sample_id": task.sample_id, "sha256": task.sha256},
        "annotations": annotations,
        "predictions": [_prediction(task.guess)] if task.guess else [],
        "meta": {"split": task.split, "name": task.name},
        "total_annotations": len(annotations) - skipped,
        "cancelled_annotations": skipped,
        "total_predictions": 1 if task.guess else 0,
    }


def _image(name: str, prefix: str) -> str:
    return prefix + quote(name) if prefix else name


def _annotations(task: LabelingTask, what: str) -> list[dict[str, Any]]:
    label = task.label
    if what == "labels":
        return [_of_label(label)] if label else []
    tally = Counter(vote.class_name for vote in task.votes if vote.outcome == "class")
    told = [_of_vote(vote) for vote in task.votes]
    unanimous = label is not None and list(tally) == [label.class_name]
    return [*told, _of_label(label, truth=True)] if label and not unanimous else told


def _of_label(label: LabelEntry, *, truth: bool = False) -> dict[str, Any]:
    return {
        "id": label.sample_id,
        "completed_by": None,
        "result": [_result(label.class_name)],
        "was_cancelled": False,
        "ground_truth": truth or label.origin == "reviewer",
        "created_at": iso_time(label.updated_at),
        "updated_at": iso_time(label.updated_at),
        "lead_time": None,
    }


def _of_vote(vote: VoteEntry) -> dict[str, Any]:
    at = iso_time(vote.created_at)
    return {
        "id": vote.annotation_id,
        "completed_by": vote.annotator_id,
        "created_username": vote.annotator,
        "result": [_result(vote.class_name)] if vote.class_name is not None else [],
        "was_cancelled": vote.outcome != "class",
        "ground_truth": False,
        "created_at": at,
        "updated_at": at,
        "lead_time": vote.latency_ms / 1000 if vote.latency_ms is not None else None,
    }


def _prediction(guess: Guess) -> dict[str, Any]:
    return {"model_version": guess.model_version, "score": guess.score, "result": [_result(guess.class_name)]}


def _result(class_name: str) -> dict[str, Any]:
    return {"type": "choices", "from_name": CONTROL, "to_name": IMAGE, "value": {"choices": [class_name]}}


def config_xml(classes: Sequence[str]) -> str:
    """Return the labeling configuration that Label Studio needs to take the tasks in; class names are escaped."""
    choices = "\n".join(f"    <Choice value={quoteattr(name.translate(_XML_FORBIDS))}/>" for name in classes)
    return (
        "<View>\n"
        f'  <Image name="{IMAGE}" value="${IMAGE}" zoom="true"/>\n'
        f'  <Choices name="{CONTROL}" toName="{IMAGE}" choice="single" showInLine="true">\n'
        f"{choices}\n"
        "  </Choices>\n"
        "</View>\n"
    )
