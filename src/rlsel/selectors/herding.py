"""Herding (Welling, "Herding dynamical weights to learn", ICML 2009): a set whose mean is the mean of its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.costs import announce_cost, pair_seconds, require_few_pairs
from rlsel.selectors.features import feature_needs, selection_features
from rlsel.selectors.ordering import order_within_classes

_LARGEST_GRAM = 8192  # samples of which all products are kept: 256 MB


def herding_order(features: Tensor) -> Tensor:
    """Orders samples so that the mean of every prefix is near the mean of all.

    With μ the mean and S the sum of the t samples chosen so far, the next is the one that minimises
    ‖μ - (S + h) / (t + 1)‖, which is the one that maximises ⟨w, h⟩ - ‖h‖² / 2 with w = (t + 1) μ - S (Welling 2009,
    section 3; for unit vectors the second term is constant). The products with w are updated, not computed again.

    Args:
        features: (n, D).

    Returns:
        (n,) int64, the first choice first.
    """
    size = len(features)
    gram = features @ features.T if size <= _LARGEST_GRAM else None
    with_mean = (features @ features.mean(dim=0)).double()
    # float64 keeps n small updates from adding up their rounding
    objective = with_mean - features.square().sum(dim=1).double() / 2
    order = torch.empty(size, dtype=torch.int64)
    for position in range(size):
        chosen = int(objective.argmax())
        order[position] = chosen
        with_chosen = features @ features[chosen] if gram is None else gram[chosen]
        objective.add_(with_mean).sub_(with_chosen)
        objective[chosen] = -torch.inf
    return order


@dataclass(frozen=True, kw_only=True)
class Herding:
    """Keeps the first samples of the herding order of each class; features are scaled to length one."""

    name: ClassVar[str] = "herding"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk", class_balance="proportional")
    uses: ClassVar[Uses] = Uses(target_beside_features=False)

    def needs(self, task: SelectionTask) -> Needs:
        require_few_pairs(self.name, task.dataset.class_counts(), remedy="give finer classes, or selector=static_cover")
        return feature_needs(task)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        features = torch.nn.functional.normalize(selection_features(task, observed))
        _announce(task, features.shape[1])
        values = order_within_classes(features, task.labels, herding_order, num_classes=task.dataset.num_classes)
        return Scores(values=values)


def _announce(task: SelectionTask, dimensions: int) -> None:
    sizes = task.dataset.class_counts()
    small, large = [n for n in sizes if n <= _LARGEST_GRAM], [n for n in sizes if n > _LARGEST_GRAM]
    seconds = pair_seconds(small, dimensions=dimensions, per_pair=3e-9)
    # a matrix times one vector is bound by memory
    seconds += pair_seconds(large, dimensions=dimensions, per_pair=3e-9, per_product=3e-10)
    announce_cost(task.reporter, Herding.name, seconds=seconds, megabytes=4e-6 * max(small, default=0) ** 2)
