"""D2 pruning (Maharana et al., "D2 Pruning: message passing for balancing diversity and difficulty", ICLR 2024).

Samples are the nodes of an undirected graph of nearest neighbours. In the forward pass a node takes in the difficulty
of its neighbours; then nodes are chosen greedily, and each choice lowers its neighbours.

    paper        here
    x_i          `difficulty`, then `values`
    d(i, j)      `NeighbourGraph.distances`
    γ_r          `gamma`
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.checks import number_between, one_of, positive_int
from rlsel.cover.coverage import class_members
from rlsel.cover.neighbours import Neighbours, nearest_neighbours
from rlsel.export import ExportSettings
from rlsel.selectors.aum import aum_difficulty
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask
from rlsel.selectors.costs import announce_cost, pair_seconds, require_few_pairs
from rlsel.selectors.features import feature_needs, selection_features
from rlsel.selectors.forgetting import forgetting_events
from rlsel.selectors.observed import dynamics_needs, recorded_dynamics
from rlsel.selectors.ordering import rank_scores
from rlsel.training.dynamics import TrainingDynamics

_TILE_MEGABYTES = 200  # of the search for neighbours

Difficulty = Literal["aum", "forgetting", "el2n"]


@dataclass(frozen=True, kw_only=True)
class NeighbourGraph:
    """An undirected graph without loops; the edges of node i are `starts[i]` to `starts[i + 1]`.

    Attributes:
        starts: (n + 1,) int64.
        targets: (E,) int64, the other end of each edge; an edge is there once for each of its ends.
        distances: (E,) float64, in units of the mean length of an edge.
    """

    starts: NDArray[np.int64]
    targets: NDArray[np.int64]
    distances: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.starts) - 1


def neighbour_graph(neighbours: Neighbours) -> NeighbourGraph:
    """Joins two samples if either is among the nearest neighbours of the other.

    The paper takes exp(-d) of plain distances, which is next to zero for most features, as their scale is arbitrary.
    Distances are therefore divided by their mean over the edges, so that a usual edge weighs exp(-1).

    Args:
        neighbours: (n, k) nearest neighbours of all n samples among themselves.
    """
    size, k = neighbours.indices.shape
    sources = np.repeat(np.arange(size, dtype=np.int64), k)
    targets = neighbours.indices.numpy().ravel()
    both_ways = np.concatenate([sources * size + targets, targets * size + sources])
    edges, first = np.unique(both_ways, return_index=True)
    distances = neighbours.distances.numpy().ravel().astype(np.float64)[first % (size * k)]
    mean = distances.mean() if len(distances) else 0.0
    starts = np.searchsorted(edges, np.arange(size + 1, dtype=np.int64) * size)
    return NeighbourGraph(
        starts=starts.astype(np.int64), targets=edges % size, distances=distances / mean if mean > 0 else distances
    )


def d2_order(difficulty: Tensor, graph: NeighbourGraph, *, gamma: float) -> Tensor:
    """Orders samples by message passing (Maharana et al. 2024, section 3.2).

    Forward: x_i + Σ_j exp(-d_ij) x_j. Then again and again the sample i with the largest value is chosen, and each of
    its neighbours j loses exp(-γ d_ij) x_i. A choice depends on all before it, so this runs sample by sample, with k
    updates and one search for the maximum for each.

    Args:
        difficulty: (n,), at least 0, high = hard.
        graph: Neighbours of the n samples.
        gamma: At least 0: 0 takes the whole value from every neighbour; a large one leaves all but duplicates alone.

    Returns:
        (n,) int64, the first choice first; the earlier sample where values are equal.
    """
    initial = difficulty.double().numpy()
    sources = np.repeat(np.arange(len(graph)), np.diff(graph.starts))
    messages = np.exp(-graph.distances) * initial[graph.targets]
    values = initial + np.bincount(sources, weights=messages, minlength=len(graph))
    shares = np.exp(-gamma * graph.distances)
    starts = graph.starts.tolist()
    order = np.empty(len(graph), dtype=np.int64)
    for position in range(len(graph)):
        chosen = int(values.argmax())
        order[position] = chosen
        edges = slice(starts[chosen], starts[chosen + 1])
        values[graph.targets[edges]] -= shares[edges] * values[chosen]
        values[chosen] = -np.inf
    return torch.from_numpy(order)


def difficulty_from(dynamics: TrainingDynamics, measure: Difficulty) -> Tensor:
    """Says how hard each sample was while the target model trained.

    Args:
        dynamics: Dynamics of E epochs.
        measure: `aum`, minus the mean margin; `forgetting`, how often it was right in one epoch and wrong in the next,
            and E where it was never right; `el2n`, the mean error norm.

    Returns:
        (N,) float32, high = hard, scaled to [0, 1].
    """
    if measure == "aum":
        values = aum_difficulty(dynamics.margin)
    elif measure == "el2n":
        values = dynamics.error_norm.mean(dim=0)
    else:
        values = forgetting_events(dynamics.correct).float()
    lowest, highest = values.min(), values.max()
    return (values - lowest) / (highest - lowest) if highest > lowest else torch.ones_like(values)


@dataclass(frozen=True, kw_only=True)
class D2:
    """Keeps hard samples that are not neighbours of others that are kept.

    The paper's hard cut-off is `export.trim_hardest`.

    Attributes:
        difficulty: `aum` (the paper's for ImageNet), `forgetting` (for CIFAR) or `el2n`.
        neighbours: Neighbours of each sample in the graph, the paper's k.
        gamma: How fast the influence of a choice on its neighbours falls with their distance.
        per_class: Whether each class has a graph of its own and keeps its share.
    """

    name: ClassVar[str] = "d2"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk", class_balance="none")

    difficulty: Difficulty = "aum"
    neighbours: int = 10
    gamma: float = 0.1
    per_class: bool = True

    def __post_init__(self) -> None:
        one_of("selector.difficulty", self.difficulty, ("aum", "forgetting", "el2n"))
        positive_int("selector.neighbours", self.neighbours)
        number_between("selector.gamma", self.gamma, 0)

    def needs(self, task: SelectionTask) -> Needs:
        sizes = task.dataset.class_counts() if self.per_class else [len(task)]
        require_few_pairs(self.name, sizes, remedy="give finer classes, or selector=static_cover")
        dynamics = dynamics_needs(task, least_epochs=2 if self.difficulty == "forgetting" else 1)
        return replace(dynamics, clean_epochs=feature_needs(task).clean_epochs)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        features = selection_features(task, observed)
        difficulty = difficulty_from(recorded_dynamics(observed), self.difficulty)
        everything = [torch.arange(len(task))]
        groups = class_members(task.labels, task.dataset.num_classes) if self.per_class else everything
        sizes = [len(members) for members in groups]
        seconds = pair_seconds(sizes, dimensions=features.shape[1], per_pair=1e-8)
        announce_cost(task.reporter, self.name, seconds=seconds, megabytes=_TILE_MEGABYTES)
        values = torch.empty(len(task), dtype=torch.float32)
        for members in groups:
            if len(members):
                values[members] = rank_scores(self._order(features[members], difficulty[members]))
        return Scores(values=values, hardness=difficulty)

    def _order(self, features: Tensor, difficulty: Tensor) -> Tensor:
        k = min(self.neighbours, len(features) - 1)
        if k == 0:
            return torch.zeros(1, dtype=torch.int64)
        neighbours = nearest_neighbours(features, features, k, exclude_self=True)
        return d2_order(difficulty, neighbour_graph(neighbours), gamma=self.gamma)
