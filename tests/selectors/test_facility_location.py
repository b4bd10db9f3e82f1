from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from rlsel.errors import ConfigurationError
from rlsel.selectors import facility_location
from rlsel.selectors.base import Observed, SelectionTask
from rlsel.selectors.facility_location import FacilityLocation, facility_location_order, similarities

FeatureTask = Callable[..., SelectionTask]


def by_objective(similarity: Tensor) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < len(similarity):
        left = [i for i in range(len(similarity)) if i not in chosen]
        value = {i: float(similarity[:, [*chosen, i]].amax(dim=1).sum()) for i in left}
        # two samples that only represent each other gain exactly the same: the earlier one, whatever rounding says
        chosen.append(min(i for i in left if value[i] >= max(value.values()) - 1e-7))
    return chosen


def test_three_points_on_a_line() -> None:
    found = similarities(torch.tensor([[0.0], [1.0], [4.0]]))
    # the largest distance is 4
    expected = torch.tensor([[4.0, 3.0, 0.0], [3.0, 4.0, 1.0], [0.0, 1.0, 4.0]])
    torch.testing.assert_close(found, expected)
    # the point at 1 gains 3 + 4 + 1 = 8, that at 0 gains 7; then that at 4 gains 3, that at 0 gains 1
    assert facility_location_order(expected).tolist() == [1, 2, 0]


def test_cosine_similarity_starts_at_zero() -> None:
    found = similarities(torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]), distance="cosine")
    torch.testing.assert_close(found, torch.tensor([[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]]))


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tile", [1, 200, 4_000_000])
def test_equals_the_greedy_choice_by_definition(
    distance: Literal["euclidean", "cosine"], seed: int, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facility_location, "_TILE_ELEMENTS", tile)
    features = torch.randn(40, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    similarity = similarities(features, distance=distance)
    assert facility_location_order(similarity).tolist() == by_objective(similarity)


def test_float32_loses_no_small_gain() -> None:
    similarity = similarities(torch.randn(80, 6, generator=torch.Generator().manual_seed(1)))
    similarity = torch.maximum(similarity, similarity.T)
    assert facility_location_order(similarity).tolist() == by_objective(similarity.double())


def test_reaches_what_the_theorem_promises() -> None:
    # Nemhauser et al. 1978: at least 1 - 1/e of the best; the best pair is found by trying all
    similarity = similarities(torch.randn(25, 3, generator=torch.Generator().manual_seed(2)))
    best = max(float(similarity[:, [i, j]].amax(dim=1).sum()) for i in range(25) for j in range(i))
    greedy = float(similarity[:, facility_location_order(similarity)[:2]].amax(dim=1).sum())
    assert (1 - 1 / math.e) * best <= greedy <= best * (1 + 1e-6)  # float32 sums in another order


def test_large_classes_are_split_and_that_is_said(feature_task: FeatureTask, reporter: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0] * 30 + [1] * 10)
    task = feature_task(labels, features=torch.randn(40, 3, generator=generator))
    whole = FacilityLocation().score(task, Observed()).values
    assert reporter.notes == []
    assert task.features is not None
    expected = facility_location_order(similarities(task.features[:30]))
    assert torch.equal(whole[:30].argsort(descending=True), expected)
    split = FacilityLocation(max_block=10).score(task, Observed()).values
    assert len(reporter.notes) == 1
    assert "4 blocks" in reporter.notes[0]
    # three blocks of class 0 with the same ten scores each; class 1 is one block still
    assert sorted(split[:30].tolist()) == sorted(split[30:].tolist() * 3)
    assert torch.equal(split[30:], whole[30:])
    assert torch.equal(split, FacilityLocation(max_block=10).score(task, Observed()).values)


def test_refuses_wrong_settings() -> None:
    with pytest.raises(ConfigurationError, match=r"selector\.distance"):
        FacilityLocation(distance="manhattan")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"selector\.max_block"):
        FacilityLocation(max_block=1)
