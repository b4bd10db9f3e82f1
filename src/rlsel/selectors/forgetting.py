"""Forgetting events (Toneva et al., ICLR 2019, arXiv 1812.05159): how often a learned sample is lost again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.observed import dynamics_needs, recorded_dynamics


def forgetting_events(correct: Tensor) -> Tensor:
    """Counts how often a sample goes from right to wrong between two presentations (Toneva et al. 2019, section 3).

    Args:
        correct: (E, N) bool, in the order of the epochs.

    Returns:
        (N,) int64 in [0, E / 2]; E for a sample that was never right, which is the hardest of all.
    """
    events = (correct[:-1] & ~correct[1:]).sum(dim=0)
    return events.where(correct.any(dim=0), len(correct))


def forgetting_scores(correct: Tensor, margin: Tensor) -> Tensor:
    """Returns the forgetting events, with many equal counts put in the order of the mean margin.

    Args:
        correct: (E, N) bool.
        margin: (E, N) in [-1, 1], probability of the label minus the highest other one.

    Returns:
        (N,) float32; its integer part is the count, its fraction in [0, 1/2] grows as the mean margin falls.
    """
    return forgetting_events(correct) + (1 - margin.mean(dim=0)) / 4


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """Keeps the samples that are forgotten most often, as the training batches saw them, and those never learned.

    Needs at least two complete epochs, and the count tells more after many (the paper trains for 200).
    """

    name: ClassVar[str] = "forgetting"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    uses: ClassVar[Uses] = Uses(features=False)

    def needs(self, task: SelectionTask) -> Needs:
        return dynamics_needs(task, least_epochs=2)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        dynamics = recorded_dynamics(observed)
        return Scores(values=forgetting_scores(dynamics.correct, dynamics.margin))
