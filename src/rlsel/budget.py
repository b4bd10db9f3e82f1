"""Ratios and counts: how many samples a ratio keeps, over all and by class."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rlsel.checks import refuse
from rlsel.errors import ConfigurationError

AUTO = "auto"
"""The ratio that is to be found: the smallest that costs no more accuracy than is allowed."""


def parse_ratios(value: object, name: str = "ratio") -> tuple[float, ...]:
    """Reads the keep ratio that a user gave: a number in (0, 1] or a list of such without duplicates.

    Args:
        value: What was given.
        name: The setting, as the user writes it.

    Raises:
        ConfigurationError: for a bool, an empty list, a duplicate, or a number outside (0, 1].
    """
    if value == "auto":
        raise refuse(name, "a number in (0, 1] or a list of such here", AUTO, "only select finds one itself")
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return (_parse_ratio(value, name),)
    if not value:
        raise refuse(name, "a number in (0, 1] or a list of such", "[]", f"give at least one, as in {name}=[0.3,0.7]")
    ratios = tuple(_parse_ratio(item, name) for item in value)
    for ratio in ratios:
        if ratios.count(ratio) > 1:
            raise ConfigurationError(f"{name} must name each ratio once, got {ratio:g} twice: remove one")
    return ratios


def _parse_ratio(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        given = "nothing" if value in (None, "") else value
        raise refuse(name, "a number in (0, 1]", given, f"for example {name}=0.7 keeps 70 %")
    return float(value)


def format_ratio(ratio: float) -> str:
    """Writes a ratio with at least two decimals, and more where it has more: 0.7 -> "0.70", 0.125 -> "0.125"."""
    text = np.format_float_positional(ratio, trim="-")
    decimals = len(text.partition(".")[2])
    return text if decimals > 2 else f"{ratio:.2f}"


def kept_count(ratio: float, size: int) -> int:
    """Returns K = floor(ratio * size + 0.5), the number of samples that a ratio keeps.

    Raises:
        ConfigurationError: if that is zero.
    """
    count = math.floor(ratio * size + 0.5)
    if count < 1:
        allowed = f"large enough to keep one of {size} samples (at least {0.5 / size:.3g})"
        raise refuse("ratio", allowed, ratio)
    return count


def class_budgets(total: int, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Splits a budget over classes in proportion to their sizes, by largest remainders.

    Args:
        total: How many samples to keep over all classes; at most `sizes.sum()`.
        sizes: (C,) samples in each class.

    Returns:
        (C,) samples to keep in each class; sums to `total`, never above `sizes`.
    """
    exact = total * sizes / sizes.sum()
    budgets: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - budgets), kind="stable")
    budgets[order[: total - budgets.sum()]] += 1
    return budgets


def with_minimum(budgets: NDArray[np.int64], minimum: NDArray[np.int64]) -> NDArray[np.int64]:
    """Raises each budget to its minimum, at the cost of those that exceed theirs most.

    Args:
        budgets: (C,), which sum to at least `minimum.sum()`.
        minimum: (C,).

    Returns:
        (C,) at least `minimum`, with the same sum as `budgets`.
    """
    raised = np.maximum(budgets, minimum)
    for _ in range(int(raised.sum() - budgets.sum())):
        raised[np.argmax(raised - minimum)] -= 1
    return raised


def class_minima(minimum: int, sizes: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Returns how many of each class are kept at the least.

    Args:
        minimum: Wanted of each class; lowered to what the budget allows for all classes, at last to 0.
        sizes: (C,) samples in each class; a class with fewer gives all it has.
        total: The budget of all classes.

    Returns:
        (C,); sums to at most `total`.
    """
    for lowered in range(minimum, 0, -1):
        minima = np.minimum(sizes, lowered)
        if minima.sum() <= total:
            return minima
    return np.zeros_like(sizes)
