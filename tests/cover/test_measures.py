"""Each measure of redundancy against slow double loops."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from rlsel.cover import coverage as tiles
from rlsel.cover.coverage import coverage
from rlsel.cover.measures import measure_redundancy, negative_log_density, neighbour_distance, prototype_distance
from rlsel.cover.settings import CoverSettings
from rlsel.errors import ConfigurationError

Distance = Literal["euclidean", "cosine"]
DISTANCES: tuple[Distance, ...] = ("euclidean", "cosine")
CLASSES = 4


def made(size: int = 60) -> tuple[Tensor, Tensor]:
    """Features around different centres; class 2 has one sample and class 3 none."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(2, (size,), generator=generator)
    labels[7] = 2
    return torch.randn(size, 3, generator=generator, dtype=torch.float64) + labels[:, None], labels


def separation(first: Tensor, second: Tensor, distance: Distance) -> float:
    if distance == "euclidean":
        return math.dist(first.tolist(), second.tolist())
    product = sum(a * b for a, b in zip(first.tolist(), second.tolist(), strict=True))
    return 1 - product / (math.hypot(*first.tolist()) * math.hypot(*second.tolist()))


def others(features: Tensor, labels: Tensor, distance: Distance) -> Iterator[list[float]]:
    for i in range(len(features)):
        mates = [j for j in range(len(features)) if j != i and labels[j] == labels[i]]
        yield [separation(features[i], features[j], distance) for j in mates]


def close(found: Tensor, expected: list[float]) -> None:
    assert found.dtype == torch.float32
    # the results are rounded to float32, distances of matrix products a little more
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("k", [1, 4, 200])
def test_the_distance_to_the_nearest_is_that_of_a_double_loop(distance: Distance, k: int) -> None:
    features, labels = made()
    expected = [statistics.fmean(sorted(row)[:k]) if row else 0.0 for row in others(features, labels, distance)]
    close(neighbour_distance(features, labels, k, num_classes=CLASSES, distance=distance), expected)


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_distance_to_the_class_mean_is_that_of_a_loop(distance: Distance) -> None:
    features, labels = made()
    expected = [
        0.0 if label == 2 else separation(row, features[labels == label].mean(dim=0), distance)
        for row, label in zip(features, labels, strict=True)
    ]
    close(prototype_distance(features, labels, num_classes=CLASSES, distance=distance), expected)


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_density_is_that_of_a_double_loop(distance: Distance) -> None:
    features, labels = made()
    rows = list(others(features, labels, distance))
    expected = []
    for row, label in zip(rows, labels, strict=True):
        if not row:
            expected.append(0.0)
            continue
        pairs = sorted(value for other, own in zip(rows, labels, strict=True) if own == label for value in other)
        bandwidth = pairs[(len(pairs) - 1) // 2]  # each pair stands there twice; of two in the middle the lower
        expected.append(-math.log(statistics.fmean(math.exp(-(value**2) / (2 * bandwidth**2)) for value in row)))
    close(negative_log_density(features, labels, num_classes=CLASSES, distance=distance), expected)


def test_a_far_sample_has_a_finite_density() -> None:
    # the kernel of a distance of a hundred bandwidths is exp(-5000), which is 0 in any float
    features = torch.cat([torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([[200.0, 0.0]])])
    values = negative_log_density(features, torch.zeros(51, dtype=torch.int64), num_classes=1)
    assert torch.isfinite(values).all()
    assert values.argmax() == 50


@pytest.mark.parametrize("measure", ["cover", "knn", "prototype", "density"])
def test_duplicates_and_classes_of_one_are_zero(measure: Any) -> None:
    features, labels = torch.ones(5, 2), torch.tensor([0, 0, 0, 1, 1])
    settings = CoverSettings(measure=measure)
    assert measure_redundancy(features, labels, settings, num_classes=2).tolist() == [0] * 5
    assert measure_redundancy(features, torch.arange(5), settings, num_classes=6).tolist() == [0] * 5
    assert measure_redundancy(features[:0], labels[:0], settings, num_classes=2).tolist() == []


@pytest.mark.parametrize("measure", ["cover", "knn", "prototype", "density"])
def test_a_tight_group_is_redundant_and_an_outlier_is_not(measure: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    group, spread = 0.01 * torch.randn(30, 4, generator=generator), torch.randn(30, 4, generator=generator)
    features = torch.cat([group, spread, torch.full((1, 4), 9.0)])
    values = measure_redundancy(
        features, torch.zeros(61, dtype=torch.int64), CoverSettings(measure=measure), num_classes=1
    )
    assert values[:30].max() < values[30:60].median()
    assert values.argmax() == 60


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("measure", ["knn", "prototype", "density"])
def test_the_settings_reach_the_measure_whatever_the_tile(
    measure: Any, distance: Distance, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = made()
    whole = {
        "knn": neighbour_distance(features, labels, 3, num_classes=CLASSES, distance=distance),
        "prototype": prototype_distance(features, labels, num_classes=CLASSES, distance=distance),
        "density": negative_log_density(features, labels, num_classes=CLASSES, distance=distance),
    }[measure]
    monkeypatch.setattr(tiles, "TILE_ELEMENTS", 100)
    settings = CoverSettings(measure=measure, distance=distance, neighbours=3)
    found = measure_redundancy(features, labels, settings, num_classes=CLASSES)
    # products of other shapes round differently
    torch.testing.assert_close(found, whole, rtol=1e-6, atol=1e-7)


def test_the_cover_is_measured_as_ever() -> None:
    features, labels = made()
    settings = CoverSettings(distance="cosine", reduction="sum")
    expected = coverage(features, labels, num_classes=CLASSES, distance="cosine", reduction="sum")
    assert torch.equal(measure_redundancy(features, labels, settings, num_classes=CLASSES), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"measure": "nearest"}, "cover.measure must be one of cover, density, knn, prototype, got 'nearest'"),
        ({"neighbours": 0}, "cover.neighbours must be an integer of at least 1, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CoverSettings(**settings)
