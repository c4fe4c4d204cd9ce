"""Synthetic samples for tests: a generator version with a few images of 'owl', and what a gate says of them."""

from __future__ import annotations

from db import synthetic
from db.records import GateDecision, GeneratorVersion, NewCandidate, NewCandidates, NewGateDecision, NewGeneratorVersion
from tests.db.scenes import Scene, new_file, sha

OWL = 2  # its position in tests.db.scenes.CLASSES
TEST = {"seeds": 5, "recall_without": 0.5, "recall_with": 0.7, "difference": 0.2, "standard_error": 0.05,
        "balanced_difference": 0.03}  # fmt: skip
CHECK = {"name": "coverage", "value": 0.9, "reference": 0.95, "low": 0.7, "high": None, "passed": True}


def new_candidates(name: str, count: int = 4, *, position: int = OWL, nearest: int | None = None) -> NewCandidates:
    rows = [
        NewCandidate(
            row=row,
            position=position,
            sha256=sha(f"{name} png {row}"),
            pixels_sha256=sha(f"{name} pixels {row}"),
            display_offset=10 * row,
            display_length=10,
            nearest_sample_id=nearest,
            nearest_distance=None if nearest is None else 0.5,
        )
        for row in range(count)
    ]
    return NewCandidates(file=new_file(f"{name}.npy"), display=new_file(f"{name}.pack"), rows=rows)


def new_version(name: str = "first", **more: object) -> NewGeneratorVersion:
    fields: dict[str, object] = {
        "key": name,
        "kind": "gan",
        "file": new_file(f"{name}.safetensors"),
        "recipe": "GanRecipe()",
        "seed": 7,
        "labels_used": 30,
        "pool_count": 20,
        "pool_sha256": sha("pool"),
        "metrics": {"collapsed": False},
        "candidates": [new_candidates(name)],
    }
    return NewGeneratorVersion(**{**fields, **more})


def made(scene: Scene, name: str = "first", **more: object) -> GeneratorVersion:
    return synthetic.record(scene.database, scene.system, scene.id, new_version(name, **more))


def judged(scene: Scene, version: GeneratorVersion, verdict: str = "accepted", **more: object) -> GateDecision:
    fields: dict[str, object] = {
        "position": OWL,
        "verdict": verdict,
        "weight": 0.75 if verdict == "accepted" else 0.0,
        "reason": "They helped." if verdict == "accepted" else "They are copies.",
        "real": 60,
        "made": 4,
        "checks": [CHECK],
        "test": TEST if verdict == "accepted" else None,
    }
    return synthetic.record_decision(
        scene.database, scene.system, scene.id, version.id, NewGateDecision(**{**fields, **more})
    )
