"""DUAL (Cho et al., ICML 2025, arXiv 2502.06905): difficulty times uncertainty, from the first epochs alone.

A ratio-dependent Beta density of the mean probability turns the choice towards easier samples as more is pruned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.checks import int_at_least, number_between
from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.observed import dynamics_needs, recorded_dynamics

_BETA_SUM = 16.0  # a + b of the Beta density
_BETA_RANGE = 15.0  # the largest b
_ANCHORS = 10  # samples whose mean probability places the density
_EDGE = 1e-6  # keeps the density finite where a mean probability is 0 or 1


def dual_scores(probability: Tensor, *, window: int) -> Tensor:
    """Returns the standard deviation of the label's probability times one minus its mean, averaged over all windows.

    Args:
        probability: (E, N) softmax probability of the label.
        window: Consecutive epochs in a window, at least 2; at most E are used.

    Returns:
        (N,) float32, not negative.
    """
    width = min(window, len(probability))
    starts = range(len(probability) - width + 1)
    total = torch.zeros_like(probability[0])
    for start in starts:
        part = probability[start : start + width]
        total += part.std(dim=0) * (1 - part.mean(dim=0))
    return total / len(starts)


def beta_parameters(anchor: float, *, ratio: float, sharpness: float) -> tuple[float, float]:
    """Returns a and b of the Beta density.

    b = 15 (1 − anchor) (1 − (1 − ratio)^sharpness) and a = 16 − b: where everything is kept the density is centred
    near the anchor, and its mean a / 16 moves to one (the easiest samples) as the ratio falls.
    """
    b = _BETA_RANGE * (1 - anchor) * (1 - (1 - ratio) ** sharpness)
    return _BETA_SUM - b, b


def dual_log_weights(scores: Tensor, mean_probability: Tensor, *, ratio: float, sharpness: float) -> Tensor:
    """Returns the logarithms of the weights that samples are drawn with: score times Beta density.

    Args:
        scores: (N,) scores, as `dual_scores` gives them.
        mean_probability: (N,) mean probability of the label over the epochs that the scores were made of.
        ratio: The share to keep.
        sharpness: The paper's c_D.

    Returns:
        (N,) float32, up to a constant.
    """
    anchors = scores.topk(min(_ANCHORS, len(scores))).indices
    a, b = beta_parameters(float(mean_probability[anchors].mean()), ratio=ratio, sharpness=sharpness)
    mean = mean_probability.double().clamp(_EDGE, 1 - _EDGE)
    # the density's constant is the same for all samples
    log_density = (a - 1) * mean.log() + (b - 1) * (-mean).log1p()
    return (scores.double().clamp_min(torch.finfo(torch.float32).tiny).log() + log_density).float()


@dataclass(frozen=True, kw_only=True)
class DUAL:
    """Draws samples in proportion to DUAL score times Beta density.

    A training shorter than `epochs` is used whole, and a training shorter than `window` is one window.

    Attributes:
        epochs: How many of the first epochs are looked at (30 of 200 in the paper).
        window: Epochs in a window.
        sharpness: The paper's c_D: how late the density turns to easy samples as more is pruned.
        ratio: The share to keep; set for each coreset by whoever runs the selector.
    """

    name: ClassVar[str] = "dual"
    export: ClassVar[ExportSettings] = ExportSettings(mode="sample", temperature=1.0)
    uses: ClassVar[Uses] = Uses(features=False)

    epochs: int = 30
    window: int = 10
    sharpness: float = 4.0
    ratio: float = 0.7

    def __post_init__(self) -> None:
        int_at_least("selector.epochs", self.epochs, 2)
        int_at_least("selector.window", self.window, 2)
        number_between("selector.sharpness", self.sharpness, 0, low_open=True)

    def needs(self, task: SelectionTask) -> Needs:
        return dynamics_needs(task, least_epochs=2)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        probability = recorded_dynamics(observed).probability[: self.epochs]
        mean = probability.mean(dim=0)
        scores = dual_scores(probability, window=self.window)
        weights = dual_log_weights(scores, mean, ratio=self.ratio, sharpness=self.sharpness)
        return Scores(values=weights, kind="logit", hardness=1 - mean)
