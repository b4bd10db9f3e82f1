from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rlsel.cover import neighbours
from rlsel.cover.neighbours import nearest_neighbours, nearest_neighbours_by_class
from rlsel.errors import ConfigurationError


def separation(first: Tensor, second: Tensor, distance: str) -> float:
    if distance == "euclidean":
        return math.sqrt(sum((a - b) ** 2 for a, b in zip(first.tolist(), second.tolist(), strict=True)))
    product = sum(a * b for a, b in zip(first.tolist(), second.tolist(), strict=True))
    lengths = float(first.norm()) * float(second.norm())
    return 1 - product / lengths if lengths else 1.0


def by_double_loop(
    queries: Tensor, references: Tensor, k: int, distance: str, exclude_self: bool
) -> list[list[tuple[float, int]]]:
    return [
        sorted(
            (separation(query, reference, distance), j)
            for j, reference in enumerate(references)
            if not (exclude_self and i == j)
        )[:k]
        for i, query in enumerate(queries)
    ]


def test_points_on_a_line() -> None:
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    found = nearest_neighbours(points, points, 2, exclude_self=True)
    assert found.indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert found.distances.tolist() == [[1, 3], [1, 2], [2, 3], [4, 6]]


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("exclude_self", [False, True])
@given(seed=st.integers(0, 10**6), size=st.integers(2, 30), k=st.integers(1, 12), tile=st.integers(1, 400))
def test_equals_a_double_loop_for_every_tile(
    distance: Literal["euclidean", "cosine"], exclude_self: bool, seed: int, size: int, k: int, tile: int
) -> None:
    k = min(k, size - exclude_self)
    points = torch.randn(size, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_TILE_ELEMENTS", tile)
        found = nearest_neighbours(points, points, k, distance=distance, exclude_self=exclude_self)
    expected = by_double_loop(points, points, k, distance, exclude_self)
    # float64 rounding of a handful of operations on values near one
    assert found.distances.tolist() == [pytest.approx([d for d, _ in row], abs=1e-12) for row in expected]
    assert found.indices.tolist() == [[j for _, j in row] for row in expected]


def test_queries_that_are_not_references() -> None:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    references = torch.randn(50, 4, generator=generator, dtype=torch.float64)
    found = nearest_neighbours(queries, references, 5)
    expected = by_double_loop(queries, references, 5, "euclidean", exclude_self=False)
    assert found.indices.tolist() == [[j for _, j in row] for row in expected]


def test_small_distances_survive_a_large_offset_in_float32() -> None:
    # around 4096 float32 has steps of 2^-11, so these points are exact, but a product of two is off by more than one
    points = 4096 + torch.arange(40.0)[:, None] / 16 * torch.ones(1, 8)
    found = nearest_neighbours(points, points, 2, exclude_self=True)
    step = math.sqrt(8) / 16
    assert found.indices[1:-1].tolist() == [[i - 1, i + 1] for i in range(1, 39)]
    torch.testing.assert_close(found.distances[1:-1], torch.full((38, 2), step))


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_duplicates_are_at_distance_zero_and_come_in_order(distance: Literal["euclidean", "cosine"]) -> None:
    points = torch.randn(6, 16, generator=torch.Generator().manual_seed(1)).repeat(3, 1)
    found = nearest_neighbours(points, points, 3, distance=distance)
    assert found.indices[0].tolist() == [0, 6, 12]
    assert (found.distances == 0).all()


def test_a_zero_vector_is_at_cosine_distance_one_from_everything() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    found = nearest_neighbours(points, points, 2, distance="cosine", exclude_self=True)
    assert found.distances.tolist() == [[1, 1], [1, 1], [1, 1]]
    assert found.indices.tolist() == [[1, 2], [0, 2], [0, 1]]


def test_no_queries_give_an_empty_result() -> None:
    found = nearest_neighbours(torch.empty(0, 2), torch.ones(3, 2), 2)
    assert found.distances.shape == found.indices.shape == (0, 2)


@pytest.mark.parametrize(("k", "exclude_self"), [(0, False), (5, False), (4, True)])
def test_refuses_more_neighbours_than_there_are(k: int, exclude_self: bool) -> None:
    points = torch.rand(4, 2)
    with pytest.raises(ConfigurationError, match=r"k must be in \[1, "):
        nearest_neighbours(points, points, k, exclude_self=exclude_self)


def test_within_classes_positions_are_those_of_the_data_set() -> None:
    features = torch.tensor([[0.0], [0.1], [1.0], [1.1], [5.0], [9.0]])
    labels = torch.tensor([0, 1, 0, 1, 0, 2])
    found = nearest_neighbours_by_class(features, labels, 2, num_classes=4)
    # class 0 is at 0, 1 and 5; class 1 has one neighbour only, class 2 none, class 3 no samples
    assert found.indices.tolist() == [[2, 4], [3, 1], [0, 4], [1, 3], [2, 0], [5, 5]]
    torch.testing.assert_close(
        found.distances,
        torch.tensor([[1, 5], [1, math.inf], [1, 4], [1, math.inf], [4, 5], [math.inf, math.inf]]),
    )
