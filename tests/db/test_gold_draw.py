"""Checks drawn in one go: from known classes only, spread over them, at random, none twice."""

from __future__ import annotations

from collections import Counter

import pytest

from db import gold, gold_draw, pool, samples
from db.engine import Database
from db.errors import InvalidInput
from tests.db.scenes import Scene, make_scene, new_samples, new_shard


def known_scene(database: Database, policy: str = "use", **counts: int) -> Scene:
    """A project with ten unlabeled images, and images whose class came with them."""
    scene = make_scene(database, 10)
    for name, count in counts.items():
        found = new_samples(name, count, known=name)
        samples.register_shard(database, scene.ada, scene.id, new_shard(name), found, policy)
    return scene


def classes_drawn(scene: Scene, count: int) -> Counter[str]:
    names = {entry.id: entry.name for entry in scene.project.classes}
    return Counter(names[entry.class_id] for entry in gold_draw.draw(scene.database, scene.ada, scene.id, count))


def test_checks_are_spread_over_the_classes(database: Database) -> None:
    scene = known_scene(database, cat=20, dog=20, owl=2)
    assert classes_drawn(scene, 7) == {"cat": 3, "dog": 2, "owl": 2}
    assert classes_drawn(scene, 2) == {"dog": 1, "cat": 1}  # what was made before counts
    marked = {entry.sample_id: entry.class_id for entry in gold.listed(database, scene.ada, scene.id)}
    assert len(marked) == 9
    known = pool.known_classes(database, scene.id, list(marked))
    positions = {entry.id: entry.position for entry in scene.project.classes}
    assert {sample_id: positions[class_id] for sample_id, class_id in marked.items()} == known


def test_they_are_drawn_at_random_and_none_twice(database: Database) -> None:
    scene = known_scene(database, cat=30)
    first = [entry.sample_id for entry in gold_draw.draw(database, scene.ada, scene.id, 10)]
    assert first != sorted(first)
    assert max(first) - min(first) > 15  # of thirty ids in a row, not just ten of them
    assert gold_draw.available(database, scene.ada, scene.id) == 20
    rest = [entry.sample_id for entry in gold_draw.draw(database, scene.ada, scene.id, 1000)]
    assert len(set(first) | set(rest)) == 30
    assert gold_draw.available(database, scene.ada, scene.id) == 0
    with pytest.raises(InvalidInput, match="expected images with an imported label"):
        gold_draw.draw(database, scene.ada, scene.id, 1)


@pytest.mark.parametrize("policy", ["hide", "ignore"])
def test_a_class_that_was_not_to_be_used_makes_no_check(database: Database, policy: str) -> None:
    scene = known_scene(database, policy, cat=5)
    assert gold_draw.available(database, scene.ada, scene.id) == 0
    with pytest.raises(InvalidInput, match="got none"):
        gold_draw.draw(database, scene.ada, scene.id, 3)


def test_a_class_that_people_gave_makes_none(database: Database) -> None:
    scene = known_scene(database, cat=1)
    scene.ask(3)
    for query in scene.claim(scene.ada, 3):
        scene.submit(scene.ada, query, "dog")
    assert classes_drawn(scene, 5) == {"cat": 1}
