from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rlsel.selectors import k_center
from rlsel.selectors.base import Observed, SelectionTask
from rlsel.selectors.k_center import KCenter, k_center_order

FeatureTask = Callable[..., SelectionTask]


def one_at_a_time(features: Tensor) -> list[int]:
    chosen = [int((features - features.mean(dim=0)).norm(dim=1).argmin())]
    distances = (features[:, None] - features).norm(dim=2)
    while len(chosen) < len(features):
        nearest = distances[:, chosen].amin(dim=1)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return chosen


def test_points_on_a_line() -> None:
    # mean 4.4: first 4, then 10 (6 away), then 0 (4 away), then 7 (3 away), then 1 (1 away)
    points = torch.tensor([[0.0], [1.0], [4.0], [7.0], [10.0]])
    assert k_center_order(points).tolist() == [2, 4, 0, 3, 1]


@given(
    seed=st.integers(0, 10**6),
    size=st.integers(1, 80).filter(lambda size: size != 2),
    width=st.integers(1, 40),
    tile=st.integers(1, 500),
)
@settings(max_examples=40)
def test_equals_one_choice_at_a_time(seed: int, size: int, width: int, tile: int) -> None:
    # two samples are equally far from their mean, and which is first is a matter of rounding
    features = torch.randn(size, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(k_center, "_FEWEST_CANDIDATES", width)
        patch.setattr(k_center, "_MOST_CANDIDATES", 2 * width)
        patch.setattr(k_center, "_TILE_ELEMENTS", tile)
        assert k_center_order(features).tolist() == one_at_a_time(features)


def test_equals_one_choice_at_a_time_at_the_usual_widths() -> None:
    features = torch.randn(400, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    assert k_center_order(features).tolist() == one_at_a_time(features)


def test_duplicates_come_last() -> None:
    distinct = torch.randn(50, 16, generator=torch.Generator().manual_seed(0)) + 20
    order = k_center_order(distinct.repeat(3, 1))
    assert sorted(order.tolist()) == list(range(150))
    assert sorted((order[:50] % 50).tolist()) == list(range(50))


def test_equal_samples_have_an_order() -> None:
    assert sorted(k_center_order(torch.ones(70, 3)).tolist()) == list(range(70))


def test_classes_are_covered_apart_or_together(feature_task: FeatureTask) -> None:
    generator = torch.Generator().manual_seed(1)
    # class 1 is spread ten times as wide: together, it takes the first places
    features = torch.cat([torch.randn(40, 3, generator=generator), 10 * torch.randn(40, 3, generator=generator)])
    labels = torch.arange(80) // 40
    task = feature_task(labels, features=features)
    apart = KCenter().score(task, Observed()).values
    assert torch.bincount(labels[apart.argsort(descending=True)[:20]]).tolist() == [10, 10]
    assert apart[:40].argsort(descending=True).tolist() == one_at_a_time(features[:40])
    together = KCenter(per_class=False).score(task, Observed()).values
    assert together.argsort(descending=True).tolist() == one_at_a_time(features)
    assert int((labels[together.argsort(descending=True)[:20]] == 1).sum()) > 15
