"""Area under the margin (Pleiss et al., NeurIPS 2020, arXiv 2001.10528), as later work reads it: high = hard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.observed import dynamics_needs, recorded_dynamics


def aum_difficulty(margin: Tensor) -> Tensor:
    """Returns minus the mean margin over the epochs.

    The original margin is of logits; CCS and later work take it of probabilities, which bounds it.

    Args:
        margin: (E, N) in [-1, 1], probability of the label minus the highest other one.

    Returns:
        (N,) float32 in [-1, 1], high = hard.
    """
    return -margin.mean(dim=0)


@dataclass(frozen=True, kw_only=True)
class AUM:
    """Keeps the samples with the smallest area under the margin: the hard ones, as the baseline of that name in CCS.

    The same samples are the likeliest to carry a wrong label, which is what the score was invented to find: with
    noisy labels, leave the hardest out with `export.trim_hardest`.
    """

    name: ClassVar[str] = "aum"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    uses: ClassVar[Uses] = Uses(features=False)

    def needs(self, task: SelectionTask) -> Needs:
        return dynamics_needs(task)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        difficulty = aum_difficulty(recorded_dynamics(observed).margin)
        return Scores(values=difficulty, hardness=difficulty)
