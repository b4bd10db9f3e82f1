"""The control without learning: E_c of the trained target model's features is the score itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from rlsel.cover.landmarks import landmarks_note
from rlsel.cover.measures import measure_redundancy
from rlsel.cover.settings import CoverSettings
from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.features import feature_needs, selection_features


def final_coverage(task: SelectionTask, observed: Observed, cover: CoverSettings) -> Tensor:
    """Computes (N,) E_c of the clean features at the end of the target training, or of the user's features."""
    note = landmarks_note(max(task.dataset.class_counts())) if cover.measure == "cover" else None
    if note is not None:
        task.reporter.note(f"note: {note}")
    features = selection_features(task, observed)
    return measure_redundancy(
        features, task.labels, cover, num_classes=task.dataset.num_classes, processes=task.fabric.processes
    )


@dataclass(frozen=True, kw_only=True)
class StaticCover:
    """Keeps the samples of the largest E_c, those that are covered least (RL-Selector, ablation "static").

    Attributes:
        cover: How E_c is measured.
    """

    name: ClassVar[str] = "static_cover"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    uses: ClassVar[Uses] = Uses(target_beside_features=False)

    cover: CoverSettings = field(default_factory=CoverSettings)

    def needs(self, task: SelectionTask) -> Needs:
        return feature_needs(task)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        return Scores(values=final_coverage(task, observed, self.cover))
