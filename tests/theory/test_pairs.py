"""Which pairs are drawn."""

import pytest
import torch

from rlsel.randomness import torch_generator
from rlsel.theory.pairs import KINDS, Kind, sample_pairs

FEATURES = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(60) % 3


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_of_their_kind_and_sorted_by_distance(kind: Kind) -> None:
    pairs = sample_pairs(FEATURES, LABELS, kind, count=200, generator=torch_generator(0, "pairs"))
    assert 100 < len(pairs) <= 200
    assert (pairs.first != pairs.second).all()
    same = LABELS[pairs.first] == LABELS[pairs.second]
    assert {"same class": bool(same.all()), "other class": not same.any(), "random": 0 < same.sum() < len(pairs)}[kind]
    expected = torch.stack(
        [torch.dist(FEATURES[i], FEATURES[j]) for i, j in zip(pairs.first, pairs.second, strict=True)]
    )
    torch.testing.assert_close(pairs.distances.float(), expected)
    assert (pairs.distances.diff() >= 0).all()


def test_the_whole_range_of_distances_is_among_them() -> None:
    # on a line 0..59 the farthest pairs are rare: 59 apart there is one in 1770
    line = torch.arange(60.0)[:, None]
    pairs = sample_pairs(line, LABELS * 0, "random", count=400, generator=torch_generator(0, "pairs"))
    assert pairs.distances[0] == 1
    assert pairs.distances[-1] >= 57
    # of all pairs, Σ (60 - d) / 1770 = 55 / 1770 are at least 50 apart
    assert (pairs.distances >= 50).double().mean() > 1.5 * 55 / 1770


def test_data_without_such_pairs_has_none() -> None:
    one_class = torch.zeros(60, dtype=torch.int64)
    assert len(sample_pairs(FEATURES, one_class, "other class", count=9, generator=torch_generator(0, "p"))) == 0
    alone = torch.arange(60)
    assert len(sample_pairs(FEATURES, alone, "same class", count=9, generator=torch_generator(0, "p"))) == 0
