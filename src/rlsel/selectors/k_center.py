"""Greedy k-center (Sener & Savarese, "Active learning for convolutional neural networks", ICLR 2018).

Each choice is the sample that is farthest from everything chosen so far (their Algorithm 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.costs import announce_cost, pair_seconds, require_few_pairs
from rlsel.selectors.features import feature_needs, selection_features
from rlsel.selectors.ordering import order_within_classes, rank_scores

_TILE_ELEMENTS = 4_000_000  # of one block of distances: 16 MB
_FEWEST_CANDIDATES, _MOST_CANDIDATES = 32, 1024
_CHOSEN = -1.0  # below every squared distance


def k_center_order(features: Tensor) -> Tensor:
    """Orders samples so that each is the farthest from all before it; the first is the nearest to the mean.

    The order is the one of a choice at a time, up to rounding, but the distances come from large matrix products. The
    farthest samples are taken as candidates. As long as the farthest of them is at least as far as every other sample
    was at the start of the round, it is the farthest of all, because distances to the chosen set only fall.

    Args:
        features: (n, D).

    Returns:
        (n,) int64, the first choice first.
    """
    size = len(features)
    points = features - features.mean(dim=0)  # rounding grows with the distance from zero
    squares = points.square().sum(dim=1)
    order = [int(squares.argmin())]
    to_chosen = torch.full_like(squares, torch.inf)
    _approach(to_chosen, points, squares, order)
    width = _FEWEST_CANDIDATES
    while len(order) < size:
        width = min(width, size - len(order))
        # one more than the candidates: the farthest of the others
        top = to_chosen.topk(min(width + 1, size))
        bound = float(top.values[width]) if width < size else _CHOSEN
        candidates = top.indices[:width]
        picked = _choose(points[candidates], squares[candidates], top.values[:width], bound)
        chosen = candidates[picked].tolist()
        order += chosen
        _approach(to_chosen, points, squares, chosen)
        width = min(_MOST_CANDIDATES, max(_FEWEST_CANDIDATES, 2 * len(chosen)))
    return torch.tensor(order, dtype=torch.int64)


def _choose(points: Tensor, squares: Tensor, to_chosen: Tensor, bound: float) -> list[int]:
    """Chooses among candidates as long as no other sample can be farther than `bound`; at least one."""
    between = _squared_distances(points, squares, points, squares)
    to_chosen = to_chosen.clone()
    picked = [int(to_chosen.argmax())]
    while True:
        torch.minimum(to_chosen, between[picked[-1]], out=to_chosen)
        to_chosen[picked[-1]] = _CHOSEN
        farthest, position = to_chosen.max(dim=0)
        if float(farthest) < max(bound, 0.0):
            return picked
        picked.append(int(position))


def _approach(to_chosen: Tensor, points: Tensor, squares: Tensor, chosen: Sequence[int]) -> None:
    """Lowers the squared distances to the chosen set, in place, by those to newly chosen samples."""
    rows = max(1, _TILE_ELEMENTS // len(chosen))
    centres, centre_squares = points[chosen], squares[chosen]
    for start in range(0, len(points), rows):
        tile = slice(start, start + rows)
        distances = _squared_distances(points[tile], squares[tile], centres, centre_squares)
        to_chosen[tile] = torch.minimum(to_chosen[tile], distances.amin(dim=1))
    to_chosen[chosen] = _CHOSEN


def _squared_distances(rows: Tensor, row_squares: Tensor, columns: Tensor, column_squares: Tensor) -> Tensor:
    products = torch.addmm(column_squares, rows, columns.T, alpha=-2)
    return products.add_(row_squares[:, None]).clamp_min_(0)


@dataclass(frozen=True, kw_only=True)
class KCenter:
    """Keeps the samples that a greedy k-center cover chooses first.

    Attributes:
        per_class: Whether each class is covered on its own, which costs a fraction and keeps the classes' shares; the
            paper, which has no labels, covers all samples together.
    """

    name: ClassVar[str] = "k_center"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk", class_balance="none")
    uses: ClassVar[Uses] = Uses(target_beside_features=False)

    per_class: bool = True

    def needs(self, task: SelectionTask) -> Needs:
        finer = "give finer classes" if self.per_class else "use selector.per_class=true"
        require_few_pairs(self.name, self._sizes(task), remedy=f"{finer}, or selector=static_cover")
        return feature_needs(task)

    def _sizes(self, task: SelectionTask) -> list[int]:
        return task.dataset.class_counts() if self.per_class else [len(task)]

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        features = selection_features(task, observed)
        sizes = self._sizes(task)
        seconds = pair_seconds(sizes, dimensions=features.shape[1], per_pair=5e-9)
        announce_cost(task.reporter, self.name, seconds=seconds, megabytes=4e-6 * max(sizes) * features.shape[1])
        if not self.per_class:
            return Scores(values=rank_scores(k_center_order(features)))
        num_classes = task.dataset.num_classes
        return Scores(values=order_within_classes(features, task.labels, k_center_order, num_classes=num_classes))
