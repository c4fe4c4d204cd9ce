"""Paired differences against scipy, statsmodels and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from pipeline.errors import DataError
from pipeline.statistics import holm, paired_difference, sign_flip_test, t_interval
from pipeline.statistics.paired import t_test

A = np.array([0.91, 0.88, 0.93, 0.90, 0.92, 0.89, 0.94])
B = np.array([0.89, 0.87, 0.90, 0.91, 0.88, 0.88, 0.91])


def test_the_interval_and_p_are_those_of_a_paired_t_test() -> None:
    found = paired_difference(A, B)
    expected = stats.ttest_rel(A, B)
    assert found.mean == pytest.approx((A - B).mean())
    assert found.p_raw == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert (found.low, found.high) == pytest.approx(DescrStatsW(A - B).tconfint_mean(0.05))
    assert (found.seeds, found.wins, found.losses) == (7, 6, 1)


def test_the_sign_flip_test_is_scipys() -> None:
    expected = stats.permutation_test(
        (A, B), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert paired_difference(A, B).p_exact == pytest.approx(expected.pvalue)


def test_sign_flips_by_hand() -> None:
    # 1 + 2 + 3: of the 8 sign patterns only all plus and all minus reach 6; without the 1 flipped 4 = |2 + 3 - 1|
    assert sign_flip_test([1.0, 2.0, 3.0]) == 2 / 8
    assert sign_flip_test([-1.0, 2.0, 3.0]) == 4 / 8
    assert sign_flip_test([0.0, 0.0]) == 1.0
    assert sign_flip_test([5.0]) == 1.0


def test_beyond_sixteen_seeds_drawn_flips_come_near_the_exact_answer() -> None:
    differences = np.random.default_rng(0).normal(0.3, 1, 17)
    exact = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=2**17, rng=np.random.default_rng(1)
    ).pvalue
    found = sign_flip_test(differences, seed=3)
    assert found == pytest.approx(exact, abs=0.006)
    assert found == sign_flip_test(differences, seed=3)
    assert sign_flip_test(np.ones(40)) == pytest.approx(1 / 100_001)  # never 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_leaves_out_what_has_no_p() -> None:
    assert holm([0.03, None, 0.01]) == [0.03, None, 0.02]
    assert holm([None]) == [None]


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(2, 9), st.just(2)), elements=st.floats(0, 1, width=32)))
def test_turning_a_pair_round_turns_its_numbers_round(values: np.ndarray) -> None:
    there, back = paired_difference(*values.T), paired_difference(*values.T[::-1])
    assert there.mean == pytest.approx(-back.mean)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p_raw == pytest.approx(back.p_raw)
    assert (there.p_exact, there.wins) == (back.p_exact, back.losses)


def test_equal_values_give_no_difference_and_rounding_is_none() -> None:
    same = paired_difference(A, A + 1e-15)
    assert (same.mean, same.low, same.high, same.p_raw, same.p_exact) == (0, 0, 0, 1, 1)
    assert t_test([0.1, 0.1, 0.1]) == pytest.approx(0, abs=1e-30)


def test_one_seed_has_no_interval_and_no_p() -> None:
    found = paired_difference([0.9], [0.8])
    assert (found.low, found.high, found.p_raw, found.p_exact) == (None, None, None, 1.0)


def test_few_seeds_decide_nothing_however_small_p_is() -> None:
    from dataclasses import replace

    four = replace(paired_difference(A[:4], A[:4] - np.array([0.1, 0.1001, 0.1, 0.1])), p=1e-9)
    five = replace(paired_difference(A[:5], A[:5] - np.array([0.1, 0.1001, 0.1, 0.1, 0.1])), p=1e-9)
    assert four.decided(0.05) == 0
    assert five.decided(0.05) == 1
    assert replace(five, p=0.05).decided(0.05) == 0


def test_what_is_no_pair_is_refused() -> None:
    with pytest.raises(DataError, match="expected a value for each seed in both arms"):
        paired_difference([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="finite"):
        paired_difference([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(DataError, match="one or more"):
        sign_flip_test([])


def test_an_interval_ends_where_the_possible_ends() -> None:
    found = t_interval([0.9, 0.99], within=(0, 1))
    assert found.high == 1
    assert found.low == pytest.approx(0.945 - 12.7062047 * 0.045, abs=1e-6)


def test_t_tests_find_differences_that_are_not_there_as_often_as_they_should() -> None:
    """2,000 comparisons of 10 seeds without any difference: p < 0.05 in about 5 % of them, Holm's lead far less."""
    draws = np.random.default_rng(7).normal(0, 0.01, (2000, 10))
    p_values = np.array([t_test(row) for row in draws])
    assert 0.038 < (p_values < 0.05).mean() < 0.062  # 2.5 standard errors
    families = p_values.reshape(-1, 20)
    assert np.mean([min(value for value in holm(list(row)) if value is not None) < 0.05 for row in families]) < 0.13
