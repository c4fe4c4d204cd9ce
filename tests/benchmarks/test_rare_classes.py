"""The benchmark of rare classes, tiny: worlds are uneven as they say, the file is of the agreed form and goes on."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import rare_classes
from benchmarks.rare_data import SPECS, Images, make_world, read_images
from benchmarks.rare_rows import rows_of, section
from pipeline.data.decode import ImageSpec
from pipeline.training.labeled import LabeledImages

AGREED = {
    "dataset", "imbalance", "rare_labels", "arm", "rare_recall", "low", "high", "balanced_accuracy", "gate"
}  # fmt: skip
TINY = replace(rare_classes.QUICK, least_steps=8, most_steps=8, window=4)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rare_classes, "QUICK", TINY)
    monkeypatch.setitem(SPECS, "digits", ImageSpec(image_size=16, channels=1))


def given(path: Path, **more: object) -> Namespace:
    usual = {
        "json": path, "data": path.parent, "quick": True, "datasets": "digits", "labels": "5", "seeds": 2,
        "arms": "plain,balanced", "base": "logit_adjustment", "maker_steps": 3, "held_out": 4, "reach": 50,
        "device": "cpu",
    }  # fmt: skip
    return Namespace(**{**usual, **more})


def images(count: int = 40, classes: int = 5, validation: bool = False) -> Images:
    def some(start: int, each: int) -> LabeledImages:
        targets = torch.arange(classes).repeat_interleave(each)
        return LabeledImages(
            torch.zeros(len(targets), 1, 16, 16, dtype=torch.uint8), targets, start + torch.arange(len(targets))
        )

    own = some(10_000, 6) if validation else None
    return Images(name="some", classes=tuple("abcde"), pool=some(0, count), validation=own, test=some(20_000, 5))


def test_three_classes_are_rare_in_labels_and_pool() -> None:
    world = make_world(images(200), 5, seed=1, held_out=4, reach=100)
    known = torch.bincount(world.labeled.targets, minlength=5).tolist()
    assert [known[place] for place in world.rare] == [5, 5, 5]
    assert sorted(known)[3:] == [50, 50]
    assert world.imbalance == 10
    assert len(world.unlabeled) == 3 * (20 - 5) + 2 * (196 - 50)  # a tenth of 196, rounded, for each rare class
    assert torch.bincount(world.held_out.targets).tolist() == [4] * 5
    assert set(world.labeled.ids.tolist()).isdisjoint(world.held_out.ids.tolist())


def test_a_world_follows_from_its_seed_and_grows_with_its_labels() -> None:
    first, again, other = (make_world(images(200), 5, seed, reach=100) for seed in (1, 1, 2))
    assert first.labeled.fingerprint() == again.labeled.fingerprint() != other.labeled.fingerprint()
    more = make_world(images(200), 20, 1, reach=100)
    assert more.rare == first.rare
    assert set(first.labeled.ids.tolist()) < set(more.labeled.ids.tolist())
    assert more.held_out.fingerprint() == first.held_out.fingerprint()


def test_a_validation_split_of_its_own_is_what_the_gate_gets() -> None:
    found = images(200, validation=True)
    assert make_world(found, 5, seed=1, reach=100).held_out is found.validation
    with pytest.raises(ValueError, match="lower the reach"):
        make_world(found, 5, seed=1, reach=1000)


def test_the_test_set_is_apart_and_the_same_for_all_seeds() -> None:
    found = read_images("digits", Path())
    assert set(found.test.ids.tolist()).isdisjoint(found.pool.ids.tolist())
    assert len(found.test) == 359  # a fifth of each class of 1,797


def test_the_file_has_the_agreed_form_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "rare.json"
    rare_classes.run(given(path, seeds=1))
    written = json.loads(path.read_text())
    kept = written["points"]
    assert len(kept) == 2
    points = rare_classes.run(given(path, arms="plain,balanced,copies,gan,translation"))
    written = json.loads(path.read_text())
    assert written["points"][:2] == kept, "what was there is not computed again"
    assert {row["arm"]: row["seeds"] for row in written["rows"]} == {
        "plain": 2, "balanced": 2, "copies": 2, "gan": 2, "gan, no gate": 2, "translation": 2, "translation, no gate": 2
    }  # fmt: skip
    assert all(set(row) >= AGREED for row in written["rows"])
    assert len(points) == 14
    gate = {row["arm"]: row["gate"] for row in written["rows"]}
    assert gate["plain"] == ""
    assert gate["gan"].startswith("accepted 0 of 6; mostly: This class has N real images")
    assert gate["gan, no gate"] == "off"
    assert "### digits, 5 labels of each rare class" in section(written)
    with pytest.raises(SystemExit, match="same conditions"):
        rare_classes.run(given(path, base="none"))


def test_refused_images_leave_the_base_as_it_was(tmp_path: Path) -> None:
    points = rare_classes.run(given(tmp_path / "rare.json", seeds=1, arms="logit_adjustment,gan"))
    base, gated, ungated = points
    assert gated["class_recall"] == base["class_recall"]
    assert ungated["arm"] == "gan, no gate"
    assert [word["verdict"] for word in ungated["gate"]] == ["refused"] * 3
    assert all(word["made"] == 10 for word in ungated["gate"])


def test_the_best_arm_without_a_generator_is_the_one_to_beat() -> None:
    recalls = {"plain": (0.5, 0.6), "balanced": (0.7, 0.8), "gan": (0.75, 0.87), "held-out": (1.0, 1.0)}
    points = [
        {
            "dataset": "d", "imbalance": 10.0, "rare_labels": 20, "seed": seed, "arm": arm, "rare_recall": recall,
            "balanced_accuracy": 0.9, "calibration_error": 0.1, "seconds": 1.0, "processor_seconds": 1.0,
        }
        for arm, found in recalls.items()
        for seed, recall in enumerate(found)
    ]  # fmt: skip
    rows = {row["arm"]: row for row in rows_of(points)}
    assert {row["best_free"] for row in rows.values()} == {"balanced"}
    assert rows["gan"]["difference"] == pytest.approx(0.06)
    assert rows["plain"]["difference"] == pytest.approx(-0.2)
