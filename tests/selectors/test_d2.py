from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rlsel.cover.neighbours import Neighbours, nearest_neighbours
from rlsel.errors import ConfigurationError
from rlsel.selectors.base import FINAL, Observed, SelectionTask
from rlsel.selectors.d2 import D2, d2_order, difficulty_from, neighbour_graph
from rlsel.training.dynamics import TrainingDynamics
from rlsel.training.observation import CleanPass

FeatureTask = Callable[..., SelectionTask]


def dense_edges(features: Tensor, k: int) -> dict[tuple[int, int], float]:
    distances = {(i, j): float((a - b).norm()) for i, a in enumerate(features) for j, b in enumerate(features)}
    edges: dict[tuple[int, int], float] = {}
    for i in range(len(features)):
        for j in sorted((j for j in range(len(features)) if j != i), key=lambda j: distances[i, j])[:k]:
            edges[i, j] = edges[j, i] = distances[i, j]
    mean = sum(edges.values()) / len(edges)
    return {pair: length / mean for pair, length in edges.items()}


def by_definition(difficulty: Tensor, edges: dict[tuple[int, int], float], gamma: float) -> list[int]:
    start = difficulty.tolist()
    values = {
        i: start[i] + sum(math.exp(-d) * start[b] for (a, b), d in edges.items() if a == i) for i in range(len(start))
    }
    order = []
    while values:
        chosen = max(values, key=values.__getitem__)
        taken = values.pop(chosen)
        order.append(chosen)
        for (a, b), d in edges.items():
            if a == chosen and b in values:
                values[b] -= math.exp(-gamma * d) * taken
    return order


def make_dynamics(*, margin: Tensor, error_norm: Tensor, correct: Tensor) -> TrainingDynamics:
    nothing = torch.zeros_like(margin)
    return TrainingDynamics(
        probability=nothing,
        margin=margin,
        error_norm=error_norm,
        correct=correct,
        divergence=nothing,
        other_margin=nothing,
    )


def test_the_graph_is_undirected_and_its_mean_edge_is_one() -> None:
    # 0 and 1 name each other; 3 names 2, and 2 names 1
    neighbours = Neighbours(torch.tensor([[1.0], [1.0], [2.0], [3.0]]), torch.tensor([[1], [0], [1], [2]]))
    graph = neighbour_graph(neighbours)
    assert graph.starts.tolist() == [0, 1, 3, 5, 6]
    assert graph.targets.tolist() == [1, 0, 2, 1, 3, 2]
    # lengths 1, 1, 2, 2, 3, 3 have the mean 2
    assert graph.distances.tolist() == [0.5, 0.5, 1, 1, 1.5, 1.5]


def test_three_samples_by_hand() -> None:
    # a path 0 - 1 - 2 whose edges have the length one; forward: 1 + .5/e = 1.184, .5 + (1 + .9)/e = 1.199,
    # .9 + .5/e = 1.084; sample 1 goes first and takes 1.199/e = 0.441 from both ends
    graph = neighbour_graph(Neighbours(torch.ones(3, 1), torch.tensor([[1], [0], [1]])))
    assert d2_order(torch.tensor([1.0, 0.5, 0.9]), graph, gamma=1.0).tolist() == [1, 0, 2]


def test_a_choice_can_turn_the_order_of_the_others() -> None:
    # 0 and 1 are joined, 2 and 3 are; forward 3 + 2/e = 3.736, 2 + 3/e = 3.104, 1 + 1/e twice = 1.368
    graph = neighbour_graph(Neighbours(torch.ones(4, 1), torch.tensor([[1], [0], [3], [2]])))
    difficulty = torch.tensor([3.0, 2.0, 1.0, 1.0])
    # with gamma 0, 1 falls to -0.632 and 3 to 0 once 2 is chosen; with gamma 1, 1 falls to 1.730
    assert d2_order(difficulty, graph, gamma=0.0).tolist() == [0, 2, 3, 1]
    assert d2_order(difficulty, graph, gamma=1.0).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("gamma", [0.0, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("k", [1, 3, 7])
def test_equals_the_definition_on_a_dense_graph(gamma: float, k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    features = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    difficulty = torch.rand(30, generator=generator, dtype=torch.float64)
    graph = neighbour_graph(nearest_neighbours(features, features, k, exclude_self=True))
    assert d2_order(difficulty, graph, gamma=gamma).tolist() == by_definition(
        difficulty, dense_edges(features, k), gamma
    )


def test_gamma_sets_how_much_a_choice_takes_from_its_neighbours() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = 100 * torch.randn(6, 3, generator=generator)
    features = (centres[:, None] + torch.randn(6, 5, 3, generator=generator)).reshape(30, 3)
    # the first group is the hardest by far: each group of five is a clique, joined to no other
    difficulty = 0.5 + 0.1 * torch.rand(30, generator=generator)
    difficulty[:5] += 5
    graph = neighbour_graph(nearest_neighbours(features, features, 4, exclude_self=True))
    # all is taken: no second one of a group before the first of every group
    full = d2_order(difficulty, graph, gamma=0.0)
    assert sorted((full[:6] // 5).tolist()) == [0, 1, 2, 3, 4, 5]
    # nothing is taken: the five hardest go first
    none = d2_order(difficulty, graph, gamma=1e6)
    assert sorted(none[:5].tolist()) == [0, 1, 2, 3, 4]


def test_difficulty_by_hand() -> None:
    dynamics = make_dynamics(
        margin=torch.tensor([[0.5, -1.0, 0.0], [0.5, 0.0, 1.0]]),
        error_norm=torch.tensor([[0.1, 1.0, 0.2], [0.1, 1.0, 0.8]]),
        correct=torch.tensor([[True, False, True], [True, False, False]]),
    )
    # minus the mean margins -0.5, 0.5, -0.5; error norms 0.1, 1, 0.5; forgotten 0, never right (2), 1
    torch.testing.assert_close(difficulty_from(dynamics, "aum"), torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(difficulty_from(dynamics, "el2n"), torch.tensor([0.0, 1.0, 4 / 9]))
    torch.testing.assert_close(difficulty_from(dynamics, "forgetting"), torch.tensor([0.0, 1.0, 0.5]))


def test_equal_difficulty_still_gives_messages() -> None:
    same = torch.ones(2, 4)
    dynamics = make_dynamics(margin=same, error_norm=same, correct=same > 0)
    assert difficulty_from(dynamics, "aum").tolist() == [1, 1, 1, 1]


def test_the_selector_has_a_graph_for_each_class_or_one_for_all(feature_task: FeatureTask) -> None:
    generator = torch.Generator().manual_seed(4)
    features, labels = torch.randn(41, 3, generator=generator), torch.tensor([0] * 25 + [1] * 15 + [2])
    margin = torch.rand(2, 41, generator=generator)
    dynamics = make_dynamics(margin=margin, error_norm=margin, correct=margin > 0.5)
    observed = Observed(dynamics=dynamics, clean={FINAL: CleanPass(logits=torch.zeros(41, 3), features=features)})
    task = feature_task(labels)
    difficulty = difficulty_from(dynamics, "aum")
    apart = D2(neighbours=20).score(task, observed)
    assert apart.hardness is not None
    assert torch.equal(apart.hardness, difficulty)
    # the second class has fewer than 20 other samples: all are neighbours
    for members, k in ((torch.arange(25), 20), (torch.arange(25, 40), 14)):
        expected = by_definition(difficulty[members], dense_edges(features[members], k), 0.1)
        assert apart.values[members].argsort(descending=True).tolist() == expected
    together = D2(neighbours=5, per_class=False).score(task, observed).values
    assert together.argsort(descending=True).tolist() == by_definition(difficulty, dense_edges(features, 5), 0.1)


def test_the_users_features_still_need_a_training_for_the_difficulty(feature_task: FeatureTask) -> None:
    labels = torch.tensor([0, 0, 1, 1])
    assert D2().needs(feature_task(labels)).clean_epochs == {FINAL}
    needs = D2().needs(feature_task(labels, features=torch.rand(4, 2)))
    assert needs.training
    assert needs.clean_epochs == frozenset()


def test_forgetting_needs_two_epochs(feature_task: FeatureTask) -> None:
    # the task trains for one
    with pytest.raises(ConfigurationError, match=r"training\.epochs must be at least 2"):
        D2(difficulty="forgetting").needs(feature_task(torch.tensor([0, 0, 1, 1])))


@pytest.mark.parametrize("wrong", [{"difficulty": "grand"}, {"neighbours": 0}, {"gamma": -1.0}])
def test_refuses_wrong_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"selector\.{next(iter(wrong))} must be"):
        D2(**wrong)
