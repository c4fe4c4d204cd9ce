"""Generated images in a store for the page's tests: noisy digits in a pack, refused by a gate for one class."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from PIL import Image

from db import samples, synthetic
from db.records import (
    GeneratorVersion,
    NewCandidate,
    NewCandidates,
    NewFile,
    NewGateDecision,
    NewGeneratorVersion,
)
from tests.labeler_ui.seed import Seeded, digit_images

TEST = {"seeds": 5, "recall_without": 0.62, "recall_with": 0.71, "difference": 0.09, "standard_error": 0.03,
        "balanced_difference": 0.01}  # fmt: skip
CHECKS = [
    {"name": "real_images", "value": 34, "reference": None, "low": 20, "high": None, "passed": True},
    {"name": "label_agreement", "value": 0.93, "reference": 0.97, "low": 0.87, "high": None, "passed": True},
    {"name": "coverage", "value": 0.81, "reference": 0.93, "low": 0.7, "high": None, "passed": True},
    {"name": "nearest_neighbor_ratio", "value": 0.94, "reference": 1.0, "low": 0.7, "high": 2.0, "passed": True},
    {"name": "fid", "value": 12.7, "reference": 9.1, "low": None, "high": None, "passed": True},
]


def made_images(seeded: Seeded, *, verdict: str = "accepted", count: int = 6, key: str = "one") -> GeneratorVersion:
    """Record a version with images of class '3', on disk, and what the gate says of them."""
    place = seeded.database, seeded.actor, seeded.project.id
    nearest = [int(item) for item in samples.pool_index(seeded.database, seeded.project.id).ids[:count]]
    version = synthetic.record(
        *place,
        NewGeneratorVersion(
            key=key, kind="gan", file=_file(seeded, f"{key}.safetensors", key.encode()), recipe="GanRecipe()", seed=1,
            labels_used=340, pool_count=1200, pool_sha256=hashlib.sha256(b"pool").hexdigest(),
            candidates=[_candidates(seeded, key, nearest)],
        ),
    )  # fmt: skip
    reason = (
        "The synthetic images help: 62 % to 71 %." if verdict == "accepted" else "They are copies <b>of</b> photos."
    )
    decision = NewGateDecision(
        position=3, verdict=verdict, weight=0.25 if verdict == "accepted" else 0.0, reason=reason, real=34, made=count,
        checks=CHECKS, test=TEST if verdict == "accepted" else None,
    )  # fmt: skip
    synthetic.record_decision(*place, version.id, decision)
    return version


def _candidates(seeded: Seeded, key: str, nearest: list[int]) -> NewCandidates:
    generator, pack, pixels, rows = np.random.default_rng(0), io.BytesIO(), [], []
    for row, image in enumerate(digit_images(len(nearest), seed=99)):
        noisy = np.clip(image + generator.integers(-30, 30, image.shape), 0, 255).astype(np.uint8)
        encoded = io.BytesIO()
        Image.fromarray(noisy).save(encoded, "PNG")
        png = encoded.getvalue()
        rows.append(
            NewCandidate(
                row=row, position=3, sha256=hashlib.sha256(png + key.encode()).hexdigest(),
                pixels_sha256=hashlib.sha256(noisy.tobytes() + key.encode()).hexdigest(),
                display_offset=pack.tell(), display_length=len(png), nearest_sample_id=nearest[row],
                nearest_distance=0.5 + row / 10,
            )
        )  # fmt: skip
        pack.write(png)
        pixels.append(noisy)
    array = io.BytesIO()
    np.save(array, np.stack(pixels)[:, None], allow_pickle=False)  # (N, 1, 28, 28)
    return NewCandidates(
        file=_file(seeded, f"{key}.npy", array.getvalue()), display=_file(seeded, f"{key}.pack", pack.getvalue()),
        rows=rows,
    )  # fmt: skip


def _file(seeded: Seeded, name: str, data: bytes) -> NewFile:
    path = seeded.database.home / "projects" / str(seeded.project.id) / "synthetic" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    relative = path.relative_to(seeded.database.home).as_posix()
    return NewFile(path=relative, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
