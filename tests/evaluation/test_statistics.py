import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rlsel.evaluation.statistics import (
    Estimate,
    PairedDifference,
    estimate,
    jaccard,
    mean_overlap,
    paired_difference,
    ranks,
)

ACCURACIES = st.lists(st.floats(0, 1), min_size=2, max_size=8)


def test_a_mean_and_its_standard_error_by_hand() -> None:
    # mean 4; deviations -2, 0, 2; variance 8 / (3 - 1) = 4; error 2 / sqrt(3)
    assert estimate([2.0, 4.0, 6.0]) == Estimate(n=3, mean=4.0, standard_error=pytest.approx(2 / math.sqrt(3)))


def test_one_run_has_no_error() -> None:
    assert estimate([0.5]) == Estimate(n=1, mean=0.5, standard_error=None)


def test_a_paired_interval_by_hand() -> None:
    # differences 1, 2, 3: mean 2, deviation 1, error 1 / sqrt(3); t with two degrees of freedom at 97.5 % is 4.302653
    difference = paired_difference({0: 2.0, 1: 4.0, 5: 7.0}, {0: 1.0, 1: 2.0, 5: 4.0})
    half = 4.302653 / math.sqrt(3)
    # the table's t has seven digits
    assert difference == PairedDifference(
        n=3, mean=2.0, low=pytest.approx(2 - half, abs=1e-6), high=pytest.approx(2 + half, abs=1e-6)
    )


def test_only_seeds_of_both_are_paired() -> None:
    assert paired_difference({0: 1.0, 1: 5.0}, {1: 2.0, 2: 9.0}) == PairedDifference(n=1, mean=3.0, low=None, high=None)
    assert paired_difference({0: 1.0}, {1: 2.0}) is None
    assert paired_difference({}, {}) is None


def test_what_the_seed_does_to_both_is_gone() -> None:
    difference = paired_difference({0: 0.5, 1: 0.75}, {0: 0.25, 1: 0.5})
    assert difference == PairedDifference(n=2, mean=0.25, low=0.25, high=0.25)


@given(ACCURACIES, st.data())
def test_the_interval_is_that_of_scipy_s_paired_test(first: list[float], data: st.DataObject) -> None:
    second = data.draw(st.lists(st.floats(0, 1), min_size=len(first), max_size=len(first)))
    # equal differences make scipy warn of lost precision
    if np.std(np.subtract(first, second)) < 1e-6:
        return
    difference = paired_difference(dict(enumerate(first)), dict(enumerate(second)))
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    # both round sums of a few numbers below one
    assert difference is not None
    assert (difference.low, difference.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    swapped = paired_difference(dict(enumerate(second)), dict(enumerate(first)))
    assert swapped is not None
    assert (swapped.low, swapped.high) == pytest.approx((-difference.high, -difference.low), abs=1e-12)


def test_ranks_go_down_from_the_highest_and_equal_ones_share() -> None:
    assert ranks({"a": 0.2, "b": 0.9, "c": 0.5, "d": 0.5, "e": 0.1}) == {"a": 4, "b": 1, "c": 2, "d": 2, "e": 5}


def test_an_overlap_by_hand() -> None:
    # {0,1}&{1,2} share one of two, {0,1}&{2,3} none, {1,2}&{2,3} one of two: (1/2 + 0 + 1/2) / 3
    sets = [np.array([0, 1]), np.array([1, 2]), np.array([2, 3])]
    assert mean_overlap(sets) == pytest.approx(1 / 3)
    assert mean_overlap(sets[:1]) is None
    assert mean_overlap([]) is None


@given(st.integers(2, 5), st.integers(1, 12), st.integers(0, 100))
def test_the_overlap_is_the_mean_over_pairs(count: int, size: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    sets = [np.sort(generator.choice(20, size, replace=False)) for _ in range(count)]
    shares = [len(set(a.tolist()) & set(b.tolist())) / size for a, b in itertools.combinations(sets, 2)]
    # a division of small integers, done in another order
    assert mean_overlap(sets) == pytest.approx(sum(shares) / len(shares), abs=1e-12)


def test_the_jaccard_index_by_hand() -> None:
    # two of the five positions that either has
    assert jaccard(np.array([1, 2, 3]), np.array([2, 3, 4, 9])) == pytest.approx(2 / 5)
