import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlsel.budget import class_budgets, class_minima, format_ratio, kept_count, parse_ratios, with_minimum
from rlsel.errors import ConfigurationError

ratios = st.floats(0, 1, exclude_min=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.7, (0.7,)), (1, (1.0,)), (1e-9, (1e-9,)), ([0.3, 0.7], (0.3, 0.7)), ((0.7, 0.3), (0.7, 0.3)), ([1], (1.0,))],
)
def test_reads_a_ratio_or_a_list(value: Any, expected: tuple[float, ...]) -> None:
    assert parse_ratios(value) == expected


def test_a_mistake_names_the_setting_as_the_user_writes_it() -> None:
    with pytest.raises(ConfigurationError, match=r"^ratios must be a number in .*, got 2: for example ratios=0.7"):
        parse_ratios([0.5, 2], "ratios")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "ratio must be a number in (0, 1], got 0: for example ratio=0.7 keeps 70 %"),
        (-1, "ratio must be a number in (0, 1], got -1: for example ratio=0.7 keeps 70 %"),
        (1.5, "ratio must be a number in (0, 1], got 1.5: for example ratio=0.7 keeps 70 %"),
        (True, "ratio must be a number in (0, 1], got True: for example ratio=0.7 keeps 70 %"),
        (math.nan, "ratio must be a number in (0, 1], got nan: for example ratio=0.7 keeps 70 %"),
        (math.inf, "ratio must be a number in (0, 1], got inf: for example ratio=0.7 keeps 70 %"),
        ("abc", "ratio must be a number in (0, 1], got 'abc': for example ratio=0.7 keeps 70 %"),
        ("", "ratio must be a number in (0, 1], got 'nothing': for example ratio=0.7 keeps 70 %"),
        (None, "ratio must be a number in (0, 1], got 'nothing': for example ratio=0.7 keeps 70 %"),
        ([0.3, "x"], "ratio must be a number in (0, 1], got 'x': for example ratio=0.7 keeps 70 %"),
        ([[0.3]], "ratio must be a number in (0, 1], got [0.3]: for example ratio=0.7 keeps 70 %"),
        ([0.3, 0.3], "ratio must name each ratio once, got 0.3 twice: remove one"),
        ("auto", "ratio must be a number in (0, 1] or a list of such here, got 'auto': only select finds one itself"),
    ],
)
def test_refuses_what_is_no_ratio(value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_ratios(value)
    assert str(caught.value) == message


def test_refuses_an_empty_list() -> None:
    with pytest.raises(ConfigurationError, match=r"ratio must be a number in \(0, 1\] or a list of such"):
        parse_ratios([])


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.7, "0.70"), (1.0, "1.00"), (0.25, "0.25"), (0.125, "0.125"), (1e-5, "0.00001"), (1 / 3, "0.3333333333333333")],
)
def test_writes_at_least_two_decimals(ratio: float, text: str) -> None:
    assert format_ratio(ratio) == text


@given(ratios)
def test_different_ratios_are_written_differently(ratio: float) -> None:
    assert float(format_ratio(ratio)) == ratio


@pytest.mark.parametrize(
    ("ratio", "size", "count"),
    # floor(ratio * size + 0.5): 1005.9 + 0.5, 2.5 + 0.5, 0.5 + 0.5, 499.95 + 0.5
    [(0.7, 1437, 1006), (0.25, 10, 3), (0.05, 10, 1), (0.9999, 500, 500), (1, 1, 1), (0.37, 600, 222)],
)
def test_counts_with_halves_rounded_up(ratio: float, size: int, count: int) -> None:
    assert kept_count(ratio, size) == count


@given(ratios, ratios, st.integers(1, 2_000_000))
def test_the_count_is_the_nearest_and_grows_with_the_ratio(one: float, other: float, size: int) -> None:
    low, high = sorted((one, other))
    if low * size < 0.5:
        with pytest.raises(ConfigurationError, match="large enough to keep one of"):
            kept_count(low, size)
        return
    count = kept_count(low, size)
    # the product is rounded to a float once, at a relative 2^-53 of at most 2e6
    assert abs(count - Fraction(low) * size) <= Fraction(1, 2) + Fraction(1, 10**9)
    assert 1 <= count <= kept_count(high, size) <= kept_count(1, size) == size


def test_a_ratio_that_keeps_nothing_says_which_would() -> None:
    with pytest.raises(ConfigurationError) as caught:
        kept_count(0.00001, 1437)
    assert str(caught.value) == (
        "ratio must be large enough to keep one of 1437 samples (at least 0.000348), got 1e-05"
    )


def test_remainders_decide_who_gets_the_rest() -> None:
    # 7 * (5, 3, 2) / 10 = (3.5, 2.1, 1.4): the floors (3, 2, 1) leave one for the largest remainder, 0.5
    assert class_budgets(7, np.array([5, 3, 2])).tolist() == [4, 2, 1]
    # 1 * (1, 1, 1) / 3: equal remainders go to the first class
    assert class_budgets(1, np.array([1, 1, 1])).tolist() == [1, 0, 0]


@given(st.data())
def test_class_budgets_sum_to_the_total_and_stay_near_their_share(data: st.DataObject) -> None:
    sizes = np.array(data.draw(st.lists(st.integers(0, 10_000), min_size=1, max_size=40).filter(any)), dtype=np.int64)
    total = data.draw(st.integers(0, int(sizes.sum())))
    budgets = class_budgets(total, sizes)
    assert budgets.dtype == np.int64
    assert budgets.sum() == total
    assert (budgets >= 0).all()
    assert (budgets <= sizes).all()
    # largest remainders: each class is less than one sample from its exact share
    exact = [Fraction(total * int(size), int(sizes.sum())) for size in sizes]
    assert all(abs(int(budget) - share) < 1 for budget, share in zip(budgets, exact, strict=True))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), min_size=1, max_size=12))
def test_budgets_are_raised_to_their_minimum_at_the_cost_of_the_largest(pairs: list[tuple[int, int]]) -> None:
    budgets, minimum = (np.array(column) for column in zip(*pairs, strict=True))
    if minimum.sum() > budgets.sum():
        return
    raised = with_minimum(budgets, minimum)
    assert raised.sum() == budgets.sum()
    assert (raised >= minimum).all()
    assert (raised[budgets >= minimum] <= budgets[budgets >= minimum]).all()


def test_minima_are_lowered_to_what_the_budget_allows() -> None:
    sizes = np.array([5, 1, 3])
    assert class_minima(2, sizes, 5).tolist() == [2, 1, 2]
    assert class_minima(2, sizes, 4).tolist() == [1, 1, 1]
    assert class_minima(2, sizes, 2).tolist() == [0, 0, 0]
    assert class_minima(9, sizes, 9).tolist() == [5, 1, 3]
