from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlsel.selectors.base import Observed, SelectionTask
from rlsel.selectors.moderate import Moderate, middle_scores, prototype_distances

FeatureTask = Callable[..., SelectionTask]


def test_the_prototype_is_the_coordinate_wise_median() -> None:
    features = torch.tensor([[0.0, 4.0], [1.0, 0.0], [9.0, 1.0], [2.0, 2.0], [4.0, 0.0]])
    labels = torch.tensor([0, 0, 0, 2, 2])
    # class 0: (1, 1), so sqrt(1 + 9), sqrt(0 + 1), sqrt(64 + 0); class 2: (3, 1), so sqrt(2) twice
    expected = torch.tensor([10.0, 1.0, 64.0, 2.0, 2.0]).sqrt()
    torch.testing.assert_close(prototype_distances(features, labels, num_classes=3), expected)


def test_the_median_is_that_of_numpy() -> None:
    features = torch.randn(31, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for size in (30, 31):
        own = features[:size]
        expected = np.linalg.norm(own.numpy() - np.median(own.numpy(), axis=0), axis=1)
        found = prototype_distances(own, torch.zeros(size, dtype=torch.int64), num_classes=1)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)  # float64 rounding


@given(size=st.integers(1, 60), seed=st.integers(0, 1000), data=st.data())
def test_every_ratio_keeps_a_run_in_the_middle(size: int, seed: int, data: st.DataObject) -> None:
    kept = data.draw(st.integers(1, size))
    values = torch.randperm(size, generator=torch.Generator().manual_seed(seed)).float()
    scores = middle_scores(values)
    assert len(scores.unique()) == size
    ranks = sorted(values[scores.argsort(descending=True)[:kept]].int().tolist())
    below, above = ranks[0], size - 1 - ranks[-1]
    assert ranks == list(range(ranks[0], ranks[0] + kept))
    # where the rest is odd, the far end loses one more
    assert above - below in (0, 1)


def test_the_middle_is_of_all_classes_or_of_each(feature_task: FeatureTask) -> None:
    # class 0 lies within 2 of its median 0, class 1 within 200
    features = torch.tensor([[-2.0], [-1.0], [0.0], [1.0], [2.0], [-200.0], [-100.0], [0.0], [100.0], [200.0]])
    task = feature_task(torch.tensor([0] * 5 + [1] * 5), features=features)
    # distances 2 1 0 1 2 200 100 0 100 200 in ascending order: 2, 7 | 1, 3, 0, 4, 6, 8 | 5, 9
    together = Moderate().score(task, Observed()).values
    assert sorted(together.argsort(descending=True)[:6].tolist()) == [0, 1, 3, 4, 6, 8]
    # in each class: the nearest is the middle one, the three of rank 1 to 3 are kept
    apart = Moderate(per_class=True).score(task, Observed()).values
    assert sorted(apart.argsort(descending=True)[:6].tolist()) == [0, 1, 3, 5, 6, 8]
