"""A drawn test split is the same for a seed, fair to each class, and never touches an official one."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.sources import SourceItem, open_source, with_test_split
from pipeline.errors import DataError


def never():
    raise AssertionError("a split must be drawn without reading images")


class Listed:
    """A source of names and classes alone."""

    description = "a list"

    def __init__(self, items):
        self.items = [SourceItem(name, None, never, known_class, split) for name, known_class, split in items]
        self.classes = tuple(sorted({item.known_class for item in self.items if item.known_class}))

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)


def drawn(source):
    return {item.name for item in source if item.split == "test"}


@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(),
    data=st.data(),
)
def test_each_class_gives_its_share_whatever_the_order(counts, fraction, seed, data):
    items = [(f"{label}/{i}", f"c{label}", None) for label, count in enumerate(counts) for i in range(count)]
    shuffled = data.draw(st.permutations(items))
    source = with_test_split(Listed(items), fraction, seed)
    per_class = Counter(name.split("/")[0] for name in drawn(source))
    for label, count in enumerate(counts):
        expected = 0 if count == 1 else min(max(1, round(count * fraction)), count - 1)
        assert per_class[str(label)] == expected
    assert drawn(with_test_split(Listed(shuffled), fraction, seed)) == drawn(source)
    assert [item.name for item in source] == [name for name, _, _ in items]
    assert {item.split for item in source} <= {"pool", "test"}


def test_seeds_draw_differently_and_new_items_change_little():
    items = [(f"{i}", f"c{i % 2}", None) for i in range(400)]
    first = drawn(with_test_split(Listed(items), 0.25, 0))
    assert len(first & drawn(with_test_split(Listed(items), 0.25, 1))) < 60
    more = [*items, *((f"new {i}", "c0", None) for i in range(4))]
    assert len(first & drawn(with_test_split(Listed(more), 0.25, 0))) >= 95


def test_validation_and_unlabeled_items_are_never_drawn():
    items = [(f"v{i}", "c", "validation") for i in range(20)] + [(f"u{i}", None, None) for i in range(20)]
    items += [(f"p{i}", "c", "pool") for i in range(20)]
    source = with_test_split(Listed(items), 0.5, 0)
    assert {name[0] for name in drawn(source)} == {"p"}
    assert Counter(item.split for item in source) == {"validation": 20, "pool": 30, "test": 10}


def test_an_official_test_split_is_kept():
    source = Listed([("a", "c", "pool"), ("b", "c", "test"), ("d", "c", "pool")])
    assert with_test_split(source, 0.5, 0) is source


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_a_share_that_is_none_is_an_error(fraction):
    with pytest.raises(DataError, match="between 0 and 1"):
        with_test_split(Listed([("a", "c", None)]), fraction, 0)


def test_without_classes_there_is_nothing_to_draw():
    with pytest.raises(DataError, match="known classes"):
        with_test_split(Listed([("a", None, None)]), 0.5, 0)


def test_digits():
    source = with_test_split(open_source("digits"), 0.2, 0)
    per_class = Counter(item.known_class for item in source if item.split == "test")
    assert sum(per_class.values()) == pytest.approx(359, abs=3)
    assert min(per_class.values()) >= 34
