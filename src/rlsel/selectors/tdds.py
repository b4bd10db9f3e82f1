"""TDDS (Zhang et al., "Spanning Training Progress: Temporal Dual-Depth Scoring", CVPR 2024, arXiv 2311.13613)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.checks import int_at_least, number_between
from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.observed import dynamics_needs, recorded_dynamics

_LEAST_EPOCHS = 3  # two divergences: one alone does not deviate from its mean


def temporal_dual_depth(divergence: Tensor, *, window: int, decay: float) -> Tensor:
    """Returns how much the change of a sample's prediction varies within a window, with the late windows counting most.

    A window of J epochs holds the J − 1 divergences between them; its depth is the Euclidean norm of these minus their
    mean. The windows k = 0 … T − J are summed with the weights decay · (1 − decay)^(T − J − k).

    Args:
        divergence: (T, N) divergences, as in `TrainingDynamics`; the first row compares with nothing and is not used.
        window: J, at least 3; at most T are used.
        decay: Decay of the moving average, in (0, 1).

    Returns:
        (N,) float32, not negative.
    """
    epochs = len(divergence)
    width = min(window, epochs)
    total = torch.zeros_like(divergence[0])
    for start in range(epochs - width + 1):
        part = divergence[start + 1 : start + width]
        depth = (part - part.mean(dim=0)).norm(dim=0)
        total += decay * (1 - decay) ** (epochs - width - start) * depth
    return total


@dataclass(frozen=True, kw_only=True)
class TDDS:
    """Keeps the samples with the largest temporal dual depth.

    With the paper's decay of 0.9 nearly all weight lies on the last window, so `epochs` says when the training is
    looked at: the fewer samples are kept, the earlier (30 of 200 epochs at 10 % kept in the paper).

    Attributes:
        epochs: How many of the first epochs are looked at; None for all.
        window: Epochs in a window; a shorter training is one window.
        decay: Decay of the moving average over windows.
    """

    name: ClassVar[str] = "tdds"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    uses: ClassVar[Uses] = Uses(features=False)

    epochs: int | None = None
    window: int = 10
    decay: float = 0.9

    def __post_init__(self) -> None:
        if self.epochs is not None:
            int_at_least("selector.epochs", self.epochs, _LEAST_EPOCHS)
        int_at_least("selector.window", self.window, _LEAST_EPOCHS)
        number_between("selector.decay", self.decay, 0, 1, low_open=True, high_open=True)

    def needs(self, task: SelectionTask) -> Needs:
        return dynamics_needs(task, least_epochs=_LEAST_EPOCHS)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        dynamics = recorded_dynamics(observed)
        values = temporal_dual_depth(dynamics.divergence[: self.epochs], window=self.window, decay=self.decay)
        return Scores(values=values, hardness=1 - dynamics.probability[: self.epochs].mean(dim=0))
