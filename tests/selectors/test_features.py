from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rlsel.errors import DataError
from rlsel.selectors.base import FINAL, Needs, Observed, SelectionTask
from rlsel.selectors.features import doubt_about, feature_needs, selection_features
from rlsel.training.observation import CleanPass

FeatureTask = Callable[..., SelectionTask]


def test_the_users_features_need_no_training(feature_task: FeatureTask) -> None:
    features = torch.rand(4, 3)
    task = feature_task(torch.tensor([0, 0, 1, 1]), features=features)
    assert feature_needs(task) == Needs()
    assert selection_features(task, Observed()) is features


def test_otherwise_the_final_clean_pass_is_used(feature_task: FeatureTask) -> None:
    task = feature_task(torch.tensor([0, 0, 1, 1]))
    clean = CleanPass(logits=torch.rand(4, 2), features=torch.rand(4, 3))
    assert feature_needs(task) == Needs(training=True, clean_epochs=frozenset({FINAL}), on_part=True)
    assert selection_features(task, Observed(clean={FINAL: clean})) is clean.features


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_refuses_what_is_not_finite(feature_task: FeatureTask, wrong: float) -> None:
    features = torch.rand(4, 3)
    features[2, 1] = wrong
    task = feature_task(torch.tensor([0, 0, 1, 1]), features=features)
    with pytest.raises(DataError, match="features must be finite numbers"):
        selection_features(task, Observed())


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (torch.eye(3), None),
        (torch.ones(3, 2), "the features are the same for all 3 samples: they tell none from another"),
        (torch.zeros(3, 2), "the features are zero for all 3 samples: they tell none from another"),
        (
            torch.tensor([[0.0, 0], [1, 2], [0, 0]]),
            "the features of 2 of 3 samples are zero: they tell none of these from another",
        ),
    ],
)
def test_features_that_tell_nothing_are_noticed(features: torch.Tensor, said: str | None) -> None:
    assert doubt_about(features) == said
