from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.statistics.blocks import accuracies, common_block
from tests.pipeline.statistics.made import run


def lengths(arm: str, *points: int) -> list:
    return [run(arm, seed, [0.5, 0.6, 0.7, 0.8][:count]) for seed, count in enumerate(points) if count]


def test_one_run_that_broke_off_early_is_left_out() -> None:
    block = common_block(lengths("a", 4, 4, 1), lengths("b", 4, 4, 4))
    assert (block.labels, block.seeds, block.left_out, block.cut) == ((20, 40, 60, 80), (0, 1), (2,), ())


def test_an_arm_that_is_half_way_is_compared_half_way() -> None:
    block = common_block(lengths("a", 4, 4, 4), lengths("b", 2, 2, 2))
    assert (block.labels, block.seeds, block.left_out, block.cut) == ((20, 40), (0, 1, 2), (), (60, 80))


def test_seeds_that_only_one_arm_has_are_left_out() -> None:
    block = common_block(lengths("a", 4, 4), lengths("b", 0, 4, 4))
    assert (block.seeds, block.left_out) == ((1,), (0, 2))


def test_a_gap_is_an_end() -> None:
    gap = [run("b", 0, [0.5, 0.7], labels=[20, 60])]
    block = common_block(lengths("a", 4), gap)
    assert (block.labels, block.cut) == ((20, 60), (40, 80))
    both = [*gap, *lengths("b", 0, 4)]
    assert common_block(lengths("a", 4, 4), both).seeds == (1,)


def test_nothing_in_common_is_nothing() -> None:
    assert common_block(lengths("a", 4), lengths("b", 0, 4)) is None
    assert common_block([run("a", 0, [0.5], labels=[10])], [run("b", 0, [0.5], labels=[11])]) is None


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=6))
def test_every_seed_of_a_block_has_every_label_count(counts: list[tuple[int, int]]) -> None:
    a, b = (lengths(arm, *column) for arm, column in zip("ab", zip(*counts, strict=True), strict=True))
    if not a or not b:
        return
    block = common_block(a, b)
    if block is None:
        assert not {run.seed for run in a} & {run.seed for run in b}
        return
    for arm in (a, b):
        assert accuracies(arm, block).shape == (len(block.seeds), len(block.labels))
    most = max(end * sum(min(pair) >= end for pair in counts) for end in (1, 2, 3, 4))
    assert len(block.seeds) * len(block.labels) == most
