"""Moderate coreset (Xia et al., "Moderate Coreset", ICLR 2023): neither the nearest to the class nor the farthest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.cover.coverage import class_members
from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.features import feature_needs, selection_features


def prototype_distances(features: Tensor, labels: Tensor, *, num_classes: int) -> Tensor:
    """Computes the distance of each sample to the coordinate-wise median of its class (Xia et al. 2023, section 3.1).

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        num_classes: C.

    Returns:
        (N,) of the features' dtype.
    """
    distances = features.new_empty(len(features))
    for members in class_members(labels, num_classes):
        if len(members):
            own = features[members]
            ascending = own.sort(dim=0).values
            prototype = (ascending[(len(members) - 1) // 2] + ascending[len(members) // 2]) / 2
            distances[members] = torch.linalg.vector_norm(own - prototype, dim=1)
    return distances


def middle_scores(values: Tensor) -> Tensor:
    """Scores by nearness to the median rank, so that the K highest scores are a run of K in the middle.

    Args:
        values: (n,); equal ones rank in the order of their position.

    Returns:
        (n,) float32 in (-1, 0], without ties: of two samples as far from the middle, the lower value is preferred.
    """
    size = len(values)
    ranks = torch.empty(size, dtype=torch.float64)
    ranks[values.argsort(stable=True)] = torch.arange(size, dtype=torch.float64)
    return (-(2 * ranks - (size - 1) + 0.5).abs() / (size + 1)).float()


@dataclass(frozen=True, kw_only=True)
class Moderate:
    """Keeps the samples whose distance to the median of their class is near the median distance.

    Attributes:
        per_class: Whether the middle is taken within each class; the paper ranks all samples together.
    """

    name: ClassVar[str] = "moderate"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk", class_balance="none")
    uses: ClassVar[Uses] = Uses(target_beside_features=False)

    per_class: bool = False

    def needs(self, task: SelectionTask) -> Needs:
        return feature_needs(task)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        features, num_classes = selection_features(task, observed), task.dataset.num_classes
        distances = prototype_distances(features, task.labels, num_classes=num_classes)
        if not self.per_class:
            return Scores(values=middle_scores(distances))
        values = torch.empty(len(task), dtype=torch.float32)
        for members in class_members(task.labels, num_classes):
            values[members] = middle_scores(distances[members])
        return Scores(values=values)
