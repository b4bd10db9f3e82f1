"""Facility location: a set that has something similar to every sample of its class.

The objective is f(S) = Σ_i max_{j in S} s_ij (Mirzasoleiman et al., "Coresets for data-efficient training of machine
learning models", ICML 2020, equation 10), and the greedy algorithm is that of Nemhauser,
Wolsey & Fisher (1978), who show that it comes within 1 - 1/e of the best set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from rlsel.checks import int_at_least, one_of
from rlsel.cover.coverage import class_members
from rlsel.export import ExportSettings
from rlsel.randomness import torch_generator
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.costs import announce_cost, pair_seconds
from rlsel.selectors.features import feature_needs, selection_features
from rlsel.selectors.ordering import order_within_blocks, random_blocks

_TILE_ELEMENTS = 4_000_000  # of the rows updated together: 16 MB


def facility_location_order(similarities: Tensor) -> Tensor:
    """Orders samples by the greedy choice of the largest gain of f.

    All gains are kept exact: when a choice raises the best similarity of some samples, only their rows are looked at.
    A sample's best similarity rises few times, so this costs far less than computing gains again.

    Args:
        similarities: (n, n) symmetric, at least 0; the largest of each row on the diagonal.

    Returns:
        (n,) int64, the first choice first; the earlier sample where gains are equal.
    """
    size = len(similarities)
    best = similarities.new_zeros(size)
    tile = max(1, _TILE_ELEMENTS // size)
    # by NumPy, because torch copies what it adds up in another type
    seen_gains = similarities.numpy().sum(axis=1, dtype=np.float64)
    gains = torch.from_numpy(seen_gains)  # the same memory
    order = torch.empty(size, dtype=torch.int64)
    # two samples that would only represent each other gain exactly the same: rounding must not decide between them
    rounding = 1e-9 * float(similarities.max())
    for position in range(size):
        chosen = int(np.argmax(seen_gains >= seen_gains.max() - rounding))
        order[position] = chosen
        improved = (similarities[chosen] > best).nonzero()[:, 0]
        for rows in torch.split(improved, tile):
            raised = similarities[chosen, rows]
            gains -= _lost_gains(similarities[rows], best[rows], raised)
            best[rows] = raised
        gains[chosen] = -torch.inf
    return order


def _lost_gains(similarities: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """Returns (n,) Σ_i [max(s_ij, old_i) - max(s_ij, new_i)] + new_i - old_i, written so that nothing is rounded."""
    between = similarities.clamp(old[:, None], new[:, None])
    return between.sum(dim=0, dtype=torch.float64) - old.sum(dtype=torch.float64)


def similarities(features: Tensor, *, distance: Literal["euclidean", "cosine"] = "euclidean") -> Tensor:
    """Returns how alike samples are: the largest distance minus their distance.

    Args:
        features: (n, D).
        distance: `euclidean`, with the largest that occurs; or `cosine`, with the largest there can be, which is 2.

    Returns:
        (n, n), at least 0, symmetric up to rounding. The only array of that size that is made.
    """
    if distance == "cosine":
        points = torch.nn.functional.normalize(features)
        return (points @ points.T).add_(1).clamp_(0, 2).fill_diagonal_(2.0)
    points = features - features.mean(dim=0)  # rounding grows with the distance from zero
    squares = points.square().sum(dim=1)
    distances = torch.addmm(squares, points, points.T, alpha=-2).add_(squares[:, None]).clamp_min_(0).sqrt_()
    distances.fill_diagonal_(0.0)
    return distances.neg_().sub_(distances.min())


@dataclass(frozen=True, kw_only=True)
class FacilityLocation:
    """Keeps the samples that represent their class best.

    Attributes:
        distance: Similarity is the largest distance minus this one.
        max_block: Larger classes are split at random into blocks of at most this many samples, each of which is
            represented on its own: memory grows with its square (four bytes for each pair).
    """

    name: ClassVar[str] = "facility_location"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk", class_balance="proportional")
    uses: ClassVar[Uses] = Uses(target_beside_features=False)

    distance: Literal["euclidean", "cosine"] = "euclidean"
    max_block: int = 8000

    def __post_init__(self) -> None:
        one_of("selector.distance", self.distance, ("euclidean", "cosine"))
        int_at_least("selector.max_block", self.max_block, 2)

    def needs(self, task: SelectionTask) -> Needs:
        return feature_needs(task)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        features = selection_features(task, observed)
        generator = torch_generator(task.seed, self.name, "blocks")
        classes = class_members(task.labels, task.dataset.num_classes)
        blocks = [block for members in classes for block in random_blocks(members, self.max_block, generator)]
        if len(blocks) > len(classes):
            task.reporter.note(
                f"facility_location: classes above {self.max_block} samples are split at random into "
                f"{len(blocks)} blocks in all; raise selector.max_block for fewer, larger ones"
            )
        sizes = [len(block) for block in blocks]
        seconds = pair_seconds(sizes, dimensions=features.shape[1], per_pair=1e-7)
        announce_cost(task.reporter, self.name, seconds=seconds, megabytes=4e-6 * max(sizes) ** 2)
        values = order_within_blocks(
            features, blocks, lambda own: facility_location_order(similarities(own, distance=self.distance))
        )
        return Scores(values=values)
