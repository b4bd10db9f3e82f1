from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rlsel.selectors import herding
from rlsel.selectors.base import FINAL, Observed, SelectionTask
from rlsel.selectors.herding import Herding, herding_order
from rlsel.training.observation import CleanPass

FeatureTask = Callable[..., SelectionTask]


def by_distances(features: Tensor) -> list[int]:
    mean, chosen = features.mean(dim=0), []
    while len(chosen) < len(features):
        left = [i for i in range(len(features)) if i not in chosen]
        error = {i: float((mean - features[[*chosen, i]].mean(dim=0)).norm()) for i in left}
        chosen.append(min(left, key=error.__getitem__))
    return chosen


def test_three_numbers() -> None:
    # mean 2: 1 is nearest; then (1 + 5) / 2 = 3 is nearer to 2 than (1 + 0) / 2
    assert herding_order(torch.tensor([[0.0], [1.0], [5.0]])).tolist() == [1, 2, 0]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("largest_gram", [0, 8192])
def test_equals_the_greedy_choice_by_definition(seed: int, largest_gram: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(herding, "_LARGEST_GRAM", largest_gram)
    # vectors of any length: the definition, not the short cut for unit vectors
    features = torch.randn(40, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert herding_order(features).tolist() == by_distances(features)


def test_the_mean_is_met_faster_than_at_random() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(400, 8, generator=generator))
    mean = features.mean(dim=0)
    prefix = features[herding_order(features)]
    for count in (10, 40, 160):
        draws = torch.stack([features[torch.randperm(400, generator=generator)[:count]].mean(0) for _ in range(50)])
        at_random = (draws - mean).norm(dim=1).min()
        assert (prefix[:count].mean(dim=0) - mean).norm() < at_random


def test_duplicates_and_single_samples_have_an_order() -> None:
    assert herding_order(torch.ones(1, 3)).tolist() == [0]
    assert sorted(herding_order(torch.ones(5, 3)).tolist()) == [0, 1, 2, 3, 4]


def test_the_selector_orders_each_class_by_direction(feature_task: FeatureTask) -> None:
    generator = torch.Generator().manual_seed(3)
    features, labels = torch.randn(60, 4, generator=generator), torch.arange(60) % 3
    lengths = 1 + 9 * torch.rand(60, 1, generator=generator)
    first = Herding().score(feature_task(labels, features=features), Observed()).values
    observed = Observed(clean={FINAL: CleanPass(logits=torch.zeros(60, 3), features=features * lengths)})
    second = Herding().score(feature_task(labels), observed).values
    # the length of a feature plays no part
    assert torch.equal(first, second)
    for label in range(3):
        members = torch.nonzero(labels == label)[:, 0]
        expected = by_distances(torch.nn.functional.normalize(features[members].double()))
        assert first[members].argsort(descending=True).tolist() == expected
