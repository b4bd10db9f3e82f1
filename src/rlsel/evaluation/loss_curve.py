"""How much accuracy a smaller part of the data costs: a curve through few measured ratios, with its band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ONE_SIDED = 1.2815515655446004
"""Quantile of the normal distribution: nine in ten true losses lie below the upper end of the band."""


@dataclass(frozen=True, kw_only=True)
class LossCurve:
    """loss(r) = a x + b x², x = −log r: nothing is lost with all of the data; a gain (negative) is possible.

    Attributes:
        coefficients: (2,) a and b.
        covariance: (2, 2) of their estimates.
    """

    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def at(self, ratio: float) -> tuple[float, float, float]:
        """Returns the loss at a ratio in (0, 1], and the ends between which it lies in four of five cases."""
        row = _row(ratio)
        mean, half = float(row @ self.coefficients), _ONE_SIDED * float(np.sqrt(row @ self.covariance @ row))
        return mean, mean - half, mean + half


def fit_loss_curve(ratios: Sequence[float], losses: Sequence[float], errors: Sequence[float]) -> LossCurve:
    """Fits the curve by weighted least squares.

    Where the points are farther from the curve than their errors explain, the band is wider in proportion.

    Args:
        ratios: R of at least 2 ratios below 1, each once.
        losses: Accuracy lost at each.
        errors: Standard error of each, above 0.
    """
    rows = np.stack([_row(ratio) for ratio in ratios])
    weights = 1 / np.square(np.asarray(errors, dtype=np.float64))
    of_estimates: NDArray[np.float64] = np.asarray(np.linalg.inv((rows.T * weights) @ rows), dtype=np.float64)
    coefficients = of_estimates @ ((rows.T * weights) @ np.asarray(losses, dtype=np.float64))
    rest = np.asarray(losses, dtype=np.float64) - rows @ coefficients
    freedom = len(ratios) - 2
    spread = float(weights @ np.square(rest)) / freedom if freedom else 1.0
    return LossCurve(coefficients=coefficients, covariance=np.multiply(of_estimates, max(1.0, spread)))


def _row(ratio: float) -> NDArray[np.float64]:
    x = -np.log(ratio)
    return np.array([x, x * x])
