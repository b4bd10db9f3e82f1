"""The opposite of `static_cover`, to show which end of E_c is worth keeping."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from rlsel.cover.settings import CoverSettings
from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.features import feature_needs
from rlsel.selectors.static_cover import final_coverage


@dataclass(frozen=True, kw_only=True)
class StaticCoverLow:
    """Keeps the samples of the smallest E_c, those that are covered most.

    Attributes:
        cover: How E_c is measured.
    """

    name: ClassVar[str] = "static_cover_low"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    uses: ClassVar[Uses] = Uses(target_beside_features=False)

    cover: CoverSettings = field(default_factory=CoverSettings)

    def needs(self, task: SelectionTask) -> Needs:
        return feature_needs(task)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        return Scores(values=-final_coverage(task, observed, self.cover))
