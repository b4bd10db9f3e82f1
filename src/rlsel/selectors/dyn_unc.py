"""Dynamic uncertainty (He et al., "Large-scale Dataset Pruning with Dynamic Uncertainty", arXiv 2306.05175)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.checks import int_at_least
from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.observed import dynamics_needs, recorded_dynamics


def dynamic_uncertainty(probability: Tensor, *, window: int) -> Tensor:
    """Returns the standard deviation of the label's probability in a window, averaged over all windows.

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
        total += probability[start : start + width].std(dim=0)
    return total / len(starts)


@dataclass(frozen=True, kw_only=True)
class DynUnc:
    """Keeps the samples whose probability moves most within a window of epochs.

    Attributes:
        window: Epochs in a window; a shorter training is one window.
    """

    name: ClassVar[str] = "dyn_unc"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    uses: ClassVar[Uses] = Uses(features=False)

    window: int = 10

    def __post_init__(self) -> None:
        int_at_least("selector.window", self.window, 2)

    def needs(self, task: SelectionTask) -> Needs:
        return dynamics_needs(task, least_epochs=2)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        dynamics = recorded_dynamics(observed)
        hardness = 1 - dynamics.probability.mean(dim=0)
        return Scores(values=dynamic_uncertainty(dynamics.probability, window=self.window), hardness=hardness)
