from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rlsel.cover import coverage as module
from rlsel.cover import sums as blocks
from rlsel.cover.coverage import class_members, cover_counts, coverage, standardise_within_classes
from rlsel.cover.distances import pairwise_distances
from rlsel.cover.settings import CoverSettings
from rlsel.errors import ConfigurationError

SEEDS = st.integers(0, 10**6)
SIZES = st.integers(1, 40)
CLASSES = 3


def made(seed: int, size: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Features of three dimensions and labels of at most three classes, some of them empty or of one sample."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(size, 3, generator=generator, dtype=dtype)
    return features, torch.randint(CLASSES, (size,), generator=generator)


def separation(first: Tensor, second: Tensor, distance: str) -> float:
    if distance == "euclidean":
        return math.sqrt(sum((a - b) ** 2 for a, b in zip(first.tolist(), second.tolist(), strict=True)))
    product = sum(a * b for a, b in zip(first.tolist(), second.tolist(), strict=True))
    return 1 - product / (math.hypot(*first.tolist()) * math.hypot(*second.tolist()))


def distances_to_others(features: Tensor, labels: Tensor, distance: str) -> list[list[float]]:
    return [
        [
            separation(features[i], features[j], distance)
            for j in range(len(features))
            if j != i and labels[j] == labels[i]
        ]
        for i in range(len(features))
    ]


def test_distances_by_hand() -> None:
    rows, columns = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 2.0], [5.0, 0.0]])
    # (0, 0) to (3, 4): √(9 + 16); (3, 0) to (0, 2): √(9 + 4)
    assert torch.allclose(pairwise_distances(rows, columns), torch.tensor([[5, 2, 5], [4, math.sqrt(13), 2]]))
    # (3, 0) and (3, 4): 1 − 9 / (3 · 5); a right angle: 1; one direction: 0; a zero vector: 1
    expected = torch.tensor([[1, 1, 1], [0.4, 1, 0]])
    assert torch.allclose(pairwise_distances(rows, columns, "cosine"), expected)


def test_opposite_directions_are_at_cosine_distance_two() -> None:
    assert pairwise_distances(torch.tensor([[2.0, 0.0]]), torch.tensor([[-7.0, 0.0]]), "cosine").item() == 2


def test_members_of_each_class_ascend() -> None:
    members = class_members(torch.tensor([2, 0, 2, 0, 0]), 4)
    assert [positions.tolist() for positions in members] == [[1, 3, 4], [], [0, 2], []]


def test_coverage_by_hand() -> None:
    # class 0 at 0, 1 and 4: sums 1 + 4, 1 + 3 and 4 + 3; class 1 at 10 and 12; class 2 alone
    features = torch.tensor([[0.0], [10.0], [1.0], [12.0], [4.0], [99.0]])
    labels = torch.tensor([0, 1, 0, 1, 0, 2])
    sums = coverage(features, labels, num_classes=4, reduction="sum")
    assert sums.dtype == torch.float32
    assert sums.tolist() == [5, 2, 4, 2, 7, 0]
    # over the other samples of the class: two of class 0, one of class 1, none of class 2
    assert coverage(features, labels, num_classes=4).tolist() == [2.5, 2, 2, 2, 3.5, 0]


def test_counts_by_hand() -> None:
    # around their mean, 2, the samples of class 0 have no digits to round
    features = torch.tensor([[0.0], [1.0], [5.0], [0.5]])
    labels = torch.tensor([0, 0, 0, 1])
    counts = {epsilon: cover_counts(features, labels, epsilon, num_classes=2).tolist() for epsilon in (0, 0.9, 1, 4, 5)}
    # gaps of class 0: 1, 4 and 5; ε itself covers
    assert counts == {0: [0, 0, 0, 0], 0.9: [0, 0, 0, 0], 1: [1, 1, 0, 0], 4: [1, 2, 1, 0], 5: [2, 2, 2, 0]}


def test_no_distance_is_below_zero() -> None:
    features, labels = made(0, 20)
    assert cover_counts(features, labels, -1.0, num_classes=CLASSES).tolist() == [0] * 20


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@given(seed=SEEDS, size=SIZES, tile=st.integers(1, 300))
def test_equals_a_double_loop_for_every_tile(
    distance: Literal["euclidean", "cosine"], seed: int, size: int, tile: int
) -> None:
    features, labels = made(seed, size)
    others = distances_to_others(features, labels, distance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TILE_ELEMENTS", tile)
        patch.setattr(blocks, "_SIDE", 1 + tile // 10)
        sums = coverage(features, labels, num_classes=CLASSES, distance=distance, reduction="sum")
        means = coverage(features, labels, num_classes=CLASSES, distance=distance)
        counts = cover_counts(features, labels, 0.8, num_classes=CLASSES, distance=distance)
    # the result is float32: relative 6e-8
    assert sums.tolist() == pytest.approx([sum(row) for row in others], rel=1e-6, abs=1e-6)
    assert means.tolist() == pytest.approx([sum(row) / max(1, len(row)) for row in others], rel=1e-6, abs=1e-6)
    assert counts.tolist() == [sum(value <= 0.8 for value in row) for row in others]


@given(seed=SEEDS, size=SIZES)
def test_the_order_of_the_samples_does_not_matter(seed: int, size: int) -> None:
    features, labels = made(seed, size)
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    moved = coverage(features[order], labels[order], num_classes=CLASSES)
    # float64 sums in another order, rounded to float32
    torch.testing.assert_close(moved, coverage(features, labels, num_classes=CLASSES)[order], rtol=1e-6, atol=1e-7)


@given(seed=SEEDS, size=SIZES, shift=st.floats(-10, 10), scale=st.floats(0.1, 10))
def test_moving_all_features_changes_nothing_and_stretching_stretches(
    seed: int, size: int, shift: float, scale: float
) -> None:
    features, labels = made(seed, size)
    before = coverage(features, labels, num_classes=CLASSES)
    # a matrix product in float64, whose square roots keep half of the digits
    after = coverage(scale * features + shift, labels, num_classes=CLASSES)
    torch.testing.assert_close(after, scale * before, rtol=1e-5, atol=1e-5)


def test_rounding_does_not_grow_with_the_distance_from_zero() -> None:
    features, labels = made(4, 40, torch.float32)
    before = coverage(features, labels, num_classes=CLASSES)
    # float32 numbers near 1000 are themselves 6e-5 apart
    torch.testing.assert_close(coverage(features + 1000, labels, num_classes=CLASSES), before, rtol=1e-3, atol=0)


@given(seed=SEEDS, size=SIZES)
def test_counts_are_even_in_sum_and_grow_with_epsilon(seed: int, size: int) -> None:
    features, labels = made(seed, size)
    few, many, all_others = (cover_counts(features, labels, e, num_classes=CLASSES) for e in (0.5, 1.5, 1e6))
    assert int(few.sum()) % 2 == 0  # cover is symmetric
    assert (few <= many).all()
    assert all_others.tolist() == (torch.bincount(labels, minlength=CLASSES)[labels] - 1).tolist()


def test_duplicates_are_covered_alike_and_by_each_other() -> None:
    features, labels = made(3, 30)
    features, labels = torch.cat([features, features[:1]]), torch.cat([labels, labels[:1]])
    measured = coverage(features, labels, num_classes=CLASSES)
    assert measured[0] == measured[-1]
    # an epsilon that only rounding of a matrix product could miss
    counts = cover_counts(features, labels, 1e-6, num_classes=CLASSES)
    assert counts[[0, -1]].tolist() == [1, 1]
    assert int(counts.sum()) == 2


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_shrinking_a_cluster_lowers_its_coverage_and_no_other(reduction: Literal["mean", "sum"]) -> None:
    features, labels = made(1, 40)
    before = coverage(features, labels, num_classes=CLASSES, reduction=reduction)
    shrunk = torch.where((labels == 1)[:, None], 5 + 0.1 * features, features)
    after = coverage(shrunk, labels, num_classes=CLASSES, reduction=reduction)
    assert (after[labels == 1] < before[labels == 1]).all()
    assert torch.equal(after[labels != 1], before[labels != 1])


def test_cosine_coverage_knows_no_length() -> None:
    features, labels = made(2, 30)
    lengths = torch.arange(1, 31, dtype=torch.float64)[:, None]
    before = coverage(features, labels, num_classes=CLASSES, distance="cosine")
    after = coverage(lengths * features, labels, num_classes=CLASSES, distance="cosine")
    torch.testing.assert_close(after, before)
    assert not torch.allclose(
        coverage(lengths * features, labels, num_classes=CLASSES), coverage(features, labels, num_classes=CLASSES)
    )


def test_standardised_by_hand() -> None:
    # class 0: mean 3, variance (4 + 0 + 4) / 3; class 1 has no spread, class 2 one sample, class 3 none
    values, labels = torch.tensor([1.0, 7.0, 3.0, 7.0, 5.0, -2.0]), torch.tensor([0, 1, 0, 1, 0, 2])
    expected = [-math.sqrt(1.5), 0, 0, 0, math.sqrt(1.5), 0]
    assert standardise_within_classes(values, labels, num_classes=4).tolist() == pytest.approx(expected)


@given(seed=SEEDS, size=st.integers(2, 60))
def test_standardised_classes_have_no_mean_and_unit_deviation(seed: int, size: int) -> None:
    features, labels = made(seed, size)
    values = 100 + 3 * features[:, 0] * (1 + labels)
    standardised = standardise_within_classes(values, labels, num_classes=CLASSES)
    for members in class_members(labels, CLASSES):
        if len(members) > 1:
            own = standardised[members]
            # float64 rounding of values near 100
            assert float(own.mean()) == pytest.approx(0, abs=1e-6)
            assert float(own.std(correction=0)) == pytest.approx(1, abs=1e-6)
            assert torch.equal(own.argsort(), values[members].argsort())


def test_rounding_is_no_spread() -> None:
    # three times the same number, of which float32 makes a mean that is not exactly it
    values = torch.tensor([0.1, 0.1, 0.1, 5.0])
    standardised = standardise_within_classes(values, torch.tensor([0, 0, 0, 1]), num_classes=2)
    assert standardised.tolist() == [0, 0, 0, 0]


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigurationError, match=r"cover\.distance must be one of cosine, euclidean, got 'cosin'"):
        CoverSettings(distance="cosin")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"cover\.reduction must be one of mean, sum"):
        CoverSettings(reduction="max")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"cover\.refresh_every must be an integer of at least 1, got 0"):
        CoverSettings(refresh_every=0)


class OneOf:
    """A process that keeps its own share of the sums."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def gather(self, own: Tensor, lengths: Sequence[int]) -> Tensor:
        raise AssertionError

    def sum(self, own: Tensor) -> Tensor:
        return own

    def any(self, own: bool) -> bool:
        raise AssertionError

    def take_from_first(self, tensors: Iterable[Tensor]) -> None:
        raise AssertionError


@pytest.mark.parametrize(("classes", "size"), [(4, 3), (1, 2)])
def test_processes_share_the_distances_of_classes_and_of_one_large_class(
    classes: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_SIDE", 100)
    features, _ = made(3, 700)
    labels = torch.arange(700) % classes
    shares = [
        coverage(features, labels, num_classes=classes, reduction="sum", processes=OneOf(rank, size))
        for rank in range(size)
    ]
    whole = coverage(features, labels, num_classes=classes, reduction="sum")
    assert torch.allclose(torch.stack(shares).sum(dim=0), whole, rtol=1e-5)
    assert all(share.sum() > 0.15 * whole.sum() for share in shares), "none has nothing to do"
