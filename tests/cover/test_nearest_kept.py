import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlsel.cover.nearest_kept import nearest_kept


def by_hand(features: np.ndarray, labels: np.ndarray, kept: np.ndarray, distance: str) -> tuple[list[float], list[int]]:
    """One sample after the other, one kept sample after the other."""
    distances, positions = [], []
    for query, (row, label) in enumerate(zip(features, labels, strict=True)):
        best, where = math.inf, -1
        for other in range(len(features)):
            if kept[query] or not kept[other] or labels[other] != label:
                continue
            apart = float(np.sqrt(((row - features[other]) ** 2).sum()))
            if distance == "cosine":
                apart = 1 - float(row @ features[other] / np.linalg.norm(row) / np.linalg.norm(features[other]))
            if apart < best:
                best, where = apart, other
        distances.append(math.nan if kept[query] else best)
        positions.append(where)
    return distances, positions


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@given(seed=st.integers(0, 1000), size=st.integers(1, 40), share=st.sampled_from([0.0, 0.3, 1.0]))
def test_it_is_what_a_loop_over_all_pairs_finds(distance: str, seed: int, size: int, share: float) -> None:
    generator = np.random.default_rng(seed)
    features, labels = generator.normal(size=(size, 5)), generator.integers(0, 3, size)
    kept = generator.random(size) < share
    found = nearest_kept(
        torch.from_numpy(features), torch.from_numpy(labels), torch.from_numpy(kept), num_classes=4, distance=distance
    )
    distances, positions = by_hand(features, labels, kept, distance)
    # both are float64
    np.testing.assert_allclose(found.distances.numpy(), distances, atol=1e-12)
    assert found.positions.tolist() == positions


def test_a_class_without_a_kept_sample_is_not_covered_at_all() -> None:
    features = torch.tensor([[0.0], [1.0], [5.0]])
    found = nearest_kept(features, torch.tensor([0, 0, 1]), torch.tensor([True, False, False]), num_classes=2)
    assert math.isnan(found.distances[0])
    assert found.distances[1:].tolist() == [1.0, math.inf]
    assert found.positions.tolist() == [-1, 0, -1]
