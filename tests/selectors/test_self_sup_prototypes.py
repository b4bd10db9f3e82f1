from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from rlsel.errors import ConfigurationError, DataError
from rlsel.selectors.base import Needs, Observed, SelectionTask
from rlsel.selectors.self_sup_prototypes import SelfSupPrototypes, centre_distances, cluster_centres

FeatureTask = Callable[..., SelectionTask]


def test_the_distance_is_to_the_nearest_centre() -> None:
    features = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0], [-1.0, 0.0]])
    centres = torch.tensor([[10.0, 0.0], [0.0, 1.0]])
    # cosines 1, 1, 1 / sqrt 2, and 0 with the second centre
    expected = torch.tensor([0.0, 0.0, 1 - 1 / math.sqrt(2), 1.0])
    torch.testing.assert_close(centre_distances(features, centres), expected)


def test_planted_groups_are_found_whatever_the_seed() -> None:
    generator = torch.Generator().manual_seed(0)
    planted = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    features = (planted[:, None] + 0.1 * torch.randn(3, 50, 2, generator=generator)).reshape(150, 2)
    for seed in (0, 1, 2**63 - 1):
        centres = cluster_centres(features, 3, seed=seed)
        # the mean of 50 draws of deviation 0.1 is within 0.06 with near certainty
        assert torch.cdist(planted, centres).amin(dim=1).max() < 0.06
        assert torch.equal(centres, cluster_centres(features, 3, seed=seed))


def test_far_and_near_are_opposite(feature_task: FeatureTask) -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(50, 4, generator=generator)
    task = feature_task(torch.arange(50) % 2, features=features)
    far = SelfSupPrototypes(num_prototypes=3).score(task, Observed()).values
    near = SelfSupPrototypes(num_prototypes=3, keep="near").score(task, Observed()).values
    assert torch.equal(far, -near)
    assert (far > 0).all()
    # the length of a feature plays no part; doubling is exact
    longer = SelfSupPrototypes(num_prototypes=3).score(feature_task(task.labels, features=2 * features), Observed())
    torch.testing.assert_close(longer.values, far)


def test_an_outlier_of_the_users_features_is_hard_and_needs_no_training(
    feature_task: FeatureTask, reporter: Any
) -> None:
    generator = torch.Generator().manual_seed(2)
    direction = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    labels = torch.arange(40) % 2
    features = direction[labels] + 0.05 * torch.randn(40, 3, generator=generator)
    features[17] = torch.tensor([0.7, 0.7, 0.1])
    task = feature_task(labels, features=features)
    assert SelfSupPrototypes().needs(task) == Needs()
    assert int(SelfSupPrototypes().score(task, Observed()).values.argmax()) == 17
    assert reporter.notes == []


def test_fewer_distinct_samples_than_prototypes(feature_task: FeatureTask) -> None:
    task = feature_task(torch.arange(6) % 2, features=torch.eye(2).repeat(3, 1))
    values = SelfSupPrototypes(num_prototypes=5).score(task, Observed()).values
    torch.testing.assert_close(values, torch.zeros(6))


def test_without_features_it_trains_by_itself(feature_task: FeatureTask, reporter: Any) -> None:
    images = torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    selector = SelfSupPrototypes(epochs=2, batch_size=12)
    values = selector.score(feature_task(torch.arange(24) % 2, images=images), Observed()).values
    assert "without labels for 2 epochs" in reporter.notes[0]
    assert len(reporter.measurements) == 2
    again = selector.score(feature_task(torch.arange(24) % 2, images=images), Observed()).values
    assert torch.equal(values, again)
    other = selector.score(feature_task(torch.arange(24) % 2, images=images, seed=1), Observed()).values
    assert not torch.equal(values, other)


def test_refuses_wrong_settings_and_features(feature_task: FeatureTask) -> None:
    task = feature_task(torch.arange(6) % 2, features=torch.rand(6, 2))
    with pytest.raises(ConfigurationError, match=r"selector\.num_prototypes must be at most the 6"):
        SelfSupPrototypes(num_prototypes=7).needs(task)
    with pytest.raises(DataError, match="finite"):
        SelfSupPrototypes().score(feature_task(task.labels, features=torch.full((6, 2), torch.nan)), Observed())
    for wrong in ({"num_prototypes": 0}, {"keep": "middle"}, {"epochs": 0}, {"temperature": 0.0}):
        with pytest.raises(ConfigurationError, match=rf"selector\.{next(iter(wrong))} must be"):
            SelfSupPrototypes(**wrong)
