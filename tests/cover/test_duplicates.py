from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rlsel.cover.duplicates import dimension, near_duplicate_groups, near_share
from rlsel.cover.neighbours import nearest_neighbours


def grid(side: int) -> Tensor:
    """Points at distance 1 from their neighbours."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.stack([rows.flatten(), columns.flatten()], dim=1).float()


def groups_of(features: Tensor, labels: Tensor | None = None) -> list[int]:
    labels = torch.zeros(len(features), dtype=torch.int64) if labels is None else labels
    return near_duplicate_groups(features, labels, num_classes=int(labels.max()) + 1).tolist()


def test_evenly_spread_points_are_all_alone() -> None:
    assert groups_of(grid(8)) == list(range(64))


def test_copies_are_grouped_with_the_first_of_them() -> None:
    points = grid(8)
    copies = points[[3, 3, 40]] + 0.03 * torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])

    found = groups_of(torch.cat([points, copies]))

    assert found[:64] == list(range(64))
    assert found[64:] == [3, 3, 40]


def test_copies_of_another_class_are_no_duplicates() -> None:
    points = grid(6)
    labels = torch.cat([torch.zeros(36, dtype=torch.int64), torch.ones(36, dtype=torch.int64)])

    assert groups_of(torch.cat([points, points]), labels) == list(range(72))


def test_the_scale_is_that_of_the_surroundings() -> None:
    dense, sparse = grid(8) * 0.01, grid(8) + 100

    assert groups_of(torch.cat([dense, sparse])) == list(range(128))


def test_a_large_group_of_copies_is_found_although_it_is_its_own_surroundings() -> None:
    points = grid(8)
    generator = torch.Generator().manual_seed(0)
    frames = torch.tensor([[20.0, 20.0]]) + 0.001 * torch.randn(30, 2, generator=generator)

    found = groups_of(torch.cat([points, frames]))

    assert found == list(range(64)) + [64] * 30


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_in_a_small_class_only_equal_samples_belong_together(size: int) -> None:
    points = torch.arange(float(size))[:, None]

    assert groups_of(points) == list(range(size))
    assert groups_of(torch.cat([points + 5, points[:1], points[:1]]))[-2:] == [size, size]


def test_a_class_whose_features_are_all_the_same_is_no_group() -> None:
    assert groups_of(torch.ones(20, 3)) == list(range(20))


def test_an_order_of_the_samples_changes_the_names_of_the_groups_only() -> None:
    generator = torch.Generator().manual_seed(1)
    points = torch.cat([grid(8), grid(8)[:10] + 0.01])
    order = torch.randperm(len(points), generator=generator)

    found, moved = torch.tensor(groups_of(points)), torch.tensor(groups_of(points[order]))

    assert (found[order][:, None] == found[order][None]).equal(moved[:, None] == moved[None])


@pytest.mark.parametrize("filled", [1, 2, 5, 10])
def test_the_dimension_is_that_which_is_filled_and_chance_makes_few_duplicates(filled: int) -> None:
    generator = torch.Generator().manual_seed(filled)
    points = torch.rand(3000, filled, generator=generator) @ torch.randn(filled, 32, generator=generator)

    found = dimension(nearest_neighbours(points, points, 10, exclude_self=True).distances)

    # the estimate is low where much of the volume lies near the surface
    assert found == pytest.approx(filled, rel=0.25)
    assert (
        near_duplicate_groups(points, torch.zeros(3000, dtype=torch.int64), num_classes=1) != torch.arange(3000)
    ).float().mean() < 0.02


def test_the_share_is_where_nine_neighbours_have_the_chance_of_one_in_two_hundred() -> None:
    assert 9 * near_share(4.0) ** 4 == pytest.approx(0.005)
    assert near_share(1000.0) == 0.5


def test_each_sample_may_have_a_copy() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(200, 8, generator=generator)
    copies = points + 0.02 * torch.randn(200, 8, generator=generator)

    assert groups_of(torch.cat([points, copies])) == [*range(200), *range(200)]
