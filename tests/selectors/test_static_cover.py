from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rlsel.cover.coverage import coverage
from rlsel.cover.settings import CoverSettings
from rlsel.errors import DataError
from rlsel.selectors.base import FINAL, Needs, Observed, Scores, SelectionTask, Selector
from rlsel.selectors.static_cover import StaticCover
from rlsel.selectors.static_cover_low import StaticCoverLow
from rlsel.selectors.target_training import SharedTraining

FeatureTask = Callable[..., SelectionTask]


def test_points_on_a_line(feature_task: FeatureTask) -> None:
    # class 0 at 0, 1 and 4: means (1 + 4) / 2, (1 + 3) / 2 and (4 + 3) / 2; class 1 at 10 and 12
    features = torch.tensor([[0.0], [10.0], [1.0], [12.0], [4.0]])
    task = feature_task(torch.tensor([0, 1, 0, 1, 0]), features=features)
    assert StaticCover().needs(task) == Needs()
    assert StaticCover().score(task, Observed()).values.tolist() == [2.5, 2, 2, 2, 3.5]
    assert StaticCoverLow().score(task, Observed()).values.tolist() == [-2.5, -2, -2, -2, -3.5]
    summed = StaticCover(cover=CoverSettings(reduction="sum"))
    assert summed.score(task, Observed()).values.tolist() == [5, 2, 4, 2, 7]


def test_other_measures_on_a_line(feature_task: FeatureTask) -> None:
    # class 0 at 0, 1 and 5, whose mean is 2: the nearest others are at 1, 1 and 4; class 1 at 10 and 12
    features = torch.tensor([[0.0], [10.0], [1.0], [12.0], [5.0]])
    task = feature_task(torch.tensor([0, 1, 0, 1, 0]), features=features)
    nearest, prototype = CoverSettings(measure="knn", neighbours=1), CoverSettings(measure="prototype")
    assert StaticCover(cover=nearest).score(task, Observed()).values.tolist() == [1, 2, 1, 2, 4]
    assert StaticCover(cover=prototype).score(task, Observed()).values.tolist() == [2, 1, 1, 1, 3]
    assert StaticCoverLow(cover=prototype).score(task, Observed()).values.tolist() == [-2, -1, -1, -1, -3]


def test_the_lonely_are_kept_and_the_covered_dropped(feature_task: FeatureTask) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(50, 4, generator=generator)
    features[:20] = features[0] + 0.01 * torch.randn(20, 4, generator=generator)
    task = feature_task(torch.zeros(50, dtype=torch.int64), features=features)
    high, low = (selector.score(task, Observed()).values for selector in (StaticCover(), StaticCoverLow()))
    assert int((high.topk(20).indices < 20).sum()) == 0
    assert int((low.topk(20).indices < 20).sum()) == 20


@pytest.mark.parametrize("cover", [CoverSettings(), CoverSettings(distance="cosine", reduction="sum")])
def test_without_features_the_trained_models_are_taken(
    tiny_task: SelectionTask, scores_of: Callable[[Selector], Scores], cover: CoverSettings
) -> None:
    selector = StaticCover(cover=cover)
    [observed] = SharedTraining(task=tiny_task, needs=[selector.needs(tiny_task)]).run()
    expected = coverage(
        observed.clean[FINAL].features,
        tiny_task.labels,
        num_classes=3,
        distance=cover.distance,
        reduction=cover.reduction,
    )
    assert torch.equal(scores_of(selector).values, expected)
    assert torch.equal(scores_of(StaticCoverLow(cover=cover)).values, -expected)


@pytest.mark.parametrize("selector", [StaticCover(), StaticCoverLow()])
def test_features_that_are_no_numbers_are_refused(feature_task: FeatureTask, selector: Selector) -> None:
    task = feature_task(torch.tensor([0, 0]), features=torch.tensor([[0.0], [float("nan")]]))
    with pytest.raises(DataError, match="features must be finite numbers, got NaN or infinity: mend the file"):
        selector.score(task, Observed())
