from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline.errors import DataError
from pipeline.statistics import ENOUGH_SEEDS, bootstrap_bands
from pipeline.statistics.intervals import expanded_tail


def test_bands_are_scipys_percentile_bootstrap_with_wider_quantiles() -> None:
    values = np.random.default_rng(0).normal(0.9, 0.01, 12)
    confidence = 1 - 2 * expanded_tail(12, 0.95)
    expected = stats.bootstrap(
        (values,), np.mean, confidence_level=confidence, method="percentile", n_resamples=40_000,
        rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    low, high = bootstrap_bands(values[:, None], resamples=40_000)
    assert low[0] == pytest.approx(expected.low, abs=2e-4)
    assert high[0] == pytest.approx(expected.high, abs=2e-4)


def test_the_tail_is_hesterbergs() -> None:
    # z * sqrt((n - 1) / n) = t, solved for the tail of z; for n = 5: t = 2.776, z = 3.104
    assert expanded_tail(5, 0.95) == pytest.approx(stats.norm.sf(2.7764451 * np.sqrt(5 / 4)), rel=1e-6)
    assert expanded_tail(10**6, 0.95) == pytest.approx(0.025, abs=1e-4)


def test_bands_hold_the_truth_about_as_often_as_they_say() -> None:
    rng, held = np.random.default_rng(5), []
    for trial in range(60):
        low, high = bootstrap_bands(rng.normal(0, 1, (10, 10)), seed=trial, resamples=1000)
        held.append(((low <= 0) & (high >= 0)).mean())
    assert 0.91 < np.mean(held) < 0.97  # the plain percentile interval holds it in 0.90


def test_few_seeds_have_no_band_and_one_seed_gives_one_answer() -> None:
    values = np.random.default_rng(0).normal(0.9, 0.01, (ENOUGH_SEEDS, 3))
    assert bootstrap_bands(values[:-1]) is None
    first, second = bootstrap_bands(values, seed=4), bootstrap_bands(values, seed=4)
    assert np.array_equal(first, second)
    with pytest.raises(DataError, match="a row of accuracies for each seed"):
        bootstrap_bands(values[:, 0])
