"""The baseline to beat: a uniform choice. `export.class_balance=proportional` makes it class-balanced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from rlsel.export import ExportSettings
from rlsel.randomness import numpy_generator
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses


@dataclass(frozen=True, kw_only=True)
class Random:
    """Gives each sample a uniform number of its own and keeps the highest, so that the sets are nested over ratios."""

    name: ClassVar[str] = "random"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    uses: ClassVar[Uses] = Uses(target=False, target_beside_features=False, features=False)

    def needs(self, task: SelectionTask) -> Needs:
        return Needs()

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        values = numpy_generator(task.seed, self.name).random(len(task), dtype=np.float32)
        return Scores(values=torch.from_numpy(values))
