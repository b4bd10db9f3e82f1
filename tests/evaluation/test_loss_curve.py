"""The curve of what a ratio costs."""

import numpy as np
import pytest

from rlsel.evaluation.loss_curve import fit_loss_curve

RATIOS = (0.1, 0.3, 0.5, 0.7, 0.9)


def points(a: float, b: float) -> list[float]:
    return [a * -np.log(ratio) + b * np.log(ratio) ** 2 for ratio in RATIOS]


def test_a_curve_of_its_form_is_found() -> None:
    curve = fit_loss_curve(RATIOS, points(-0.5, 1.5), [0.1] * 5)
    assert curve.coefficients.tolist() == pytest.approx([-0.5, 1.5])
    mean, low, high = curve.at(0.2)
    assert mean == pytest.approx(-0.5 * 1.6094379 + 1.5 * 1.6094379**2)
    assert low < mean < high
    assert curve.at(1.0) == (0.0, 0.0, 0.0), "all of the data loses nothing"


def test_the_fit_is_that_of_numpy() -> None:
    losses, errors = [5.0, 1.2, 0.6, -0.3, 0.2], [0.9, 0.5, 0.4, 0.4, 0.3]
    x = -np.log(np.array(RATIOS))
    weights = 1 / np.array(errors)
    expected, residuals, _, _ = np.linalg.lstsq(
        np.stack([x, x * x], axis=1) * weights[:, None], np.array(losses) * weights, rcond=None
    )
    curve = fit_loss_curve(RATIOS, losses, errors)
    assert curve.coefficients.tolist() == pytest.approx(expected.tolist())
    # 3 degrees of freedom, less than one unit of chi-square in each: the band is not widened
    assert float(residuals[0]) / 3 < 1


def test_points_off_the_curve_widen_the_band() -> None:
    losses = [4.0, 3.0, -2.0, 2.0, -1.0]
    narrow = fit_loss_curve(RATIOS, points(0.5, 1.0), [0.2] * 5).at(0.5)
    wide = fit_loss_curve(RATIOS, losses, [0.2] * 5).at(0.5)
    assert wide[2] - wide[1] > 3 * (narrow[2] - narrow[1])


def test_nine_in_ten_true_losses_lie_below_the_band() -> None:
    generator = np.random.default_rng(0)
    truth, errors = points(-0.5, 1.0), np.array([0.6, 0.5, 0.4, 0.4, 0.3])
    below = 0
    for _ in range(500):
        curve = fit_loss_curve(RATIOS, truth + errors * generator.standard_normal(5), errors.tolist())
        below += curve.at(0.6)[2] >= -0.5 * -np.log(0.6) + np.log(0.6) ** 2
    assert 0.88 < below / 500 < 0.97
