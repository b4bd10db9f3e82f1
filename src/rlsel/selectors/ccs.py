"""Coverage-centric coreset selection (Zheng et al., ICLR 2023, arXiv 2210.15809): every difficulty, but the hardest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rlsel.export import ExportSettings
from rlsel.selectors.aum import aum_difficulty
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.observed import dynamics_needs, recorded_dynamics

_PRUNING_RATES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9)
_HARD_CUTOFFS = (0.0, 0.0, 0.0, 0.1, 0.1, 0.3)


def hard_cutoff(ratio: float) -> float:
    """Returns CCS's β: the share of hardest samples that is left out.

    The paper tunes it for each data set and pruning rate; these are its values for CIFAR-10, with straight lines
    between them and the last value beyond. CIFAR-100 takes 0.1, 0.2, 0.2, 0.4, 0.5 at 30, 50, 70, 80, 90 % pruned.
    """
    return float(np.interp(1 - ratio, _PRUNING_RATES, _HARD_CUTOFFS))


@dataclass(frozen=True, kw_only=True)
class CCS:
    """Leaves out the hardest samples and draws evenly over 50 strata of the difficulty.

    The strata and the cut-off are `export.mode=stratified` and `export.trim_hardest`, which work on any score; what
    is CCS's own is the difficulty (the area under the margin) and the cut-off for each ratio.

    Attributes:
        ratio: The share to keep; set for each coreset by whoever runs the selector.
    """

    name: ClassVar[str] = "ccs"
    uses: ClassVar[Uses] = Uses(features=False)

    ratio: float = 0.7

    @property
    def export(self) -> ExportSettings:
        return ExportSettings(mode="stratified", trim_hardest=hard_cutoff(self.ratio))

    def needs(self, task: SelectionTask) -> Needs:
        return dynamics_needs(task)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        difficulty = aum_difficulty(recorded_dynamics(observed).margin)
        return Scores(values=difficulty, hardness=difficulty)
