from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rlsel.errors import ConfigurationError, DataError
from rlsel.selectors.base import Needs, Observed, SelectionTask
from rlsel.selectors.cg_score import CGScore, arc_cosine_kernel, cg_scores, class_gap_scores, gap_scores

FeatureTask = Callable[..., SelectionTask]


def leave_one_out(kernel: Tensor, signs: Tensor) -> list[float]:
    jittered = kernel + 1e-6 * torch.eye(len(kernel), dtype=torch.float64)
    whole = float(signs @ torch.linalg.inv(jittered) @ signs)
    scores = []
    for i in range(len(signs)):
        others = [j for j in range(len(signs)) if j != i]
        inverse = torch.linalg.inv(jittered[others][:, others])
        scores.append(whole - float(signs[others] @ inverse @ signs[others]))
    return scores


def test_the_kernel_by_hand() -> None:
    # unit vectors at 0, 60 and 90 degrees: cos (π - angle) / 2π is 1/2, 1/2 * (2/3) / 2 = 1/6, and 0;
    # at 30 degrees between the last two: sqrt(3)/2 * (5/6) / 2
    inputs = torch.tensor([[2.0, 0.0], [0.5, math.sqrt(3) / 2], [0.0, 3.0]], dtype=torch.float64)
    near = math.sqrt(3) / 2 * 5 / 12
    expected = torch.tensor([[1 / 2, 1 / 6, 0], [1 / 6, 1 / 2, near], [0, near, 1 / 2]], dtype=torch.float64)
    torch.testing.assert_close(arc_cosine_kernel(inputs), expected)


def test_equals_leaving_each_sample_out() -> None:
    inputs = torch.randn(30, 12, generator=torch.Generator().manual_seed(0))
    signs = torch.tensor([1.0] * 15 + [-1.0] * 15, dtype=torch.float64)
    kernel = arc_cosine_kernel(inputs)
    expected = leave_one_out(kernel, signs)
    found = gap_scores(kernel.clone(), signs)
    # the reference subtracts sums of about 100, float64 leaves 1e-12 of them
    assert found.tolist() == pytest.approx(expected, rel=1e-8)
    assert class_gap_scores(inputs[:15], inputs[15:]).tolist() == pytest.approx(expected[:15], rel=1e-8)


def test_duplicates_and_zeros_are_finite() -> None:
    # rounding makes the product of some of these with themselves larger than one
    inputs = torch.rand(20, 49, generator=torch.Generator().manual_seed(1)).repeat(2, 1)
    inputs[7] = 0
    found = class_gap_scores(inputs[:25], inputs[25:])
    assert torch.isfinite(found).all()
    assert (found >= 0).all()


def test_a_wrong_label_scores_high(feature_task: FeatureTask) -> None:
    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(60) % 2
    shift = torch.where(labels == 0, 1.0, -1.0)[:, None]
    features = torch.randn(60, 10, generator=generator) + 2 * shift
    labels = labels.clone()
    labels[11] = 0
    task = feature_task(labels, features=features)
    assert int(CGScore(repetitions=3).score(task, Observed()).values.argmax()) == 11


def test_each_class_meets_as_many_others_and_draws_are_averaged() -> None:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(12, 5, generator=generator)
    labels = torch.tensor([0] * 6 + [1] * 4 + [3] * 2)
    found = cg_scores(
        inputs.__getitem__,
        labels,
        num_classes=4,
        repetitions=2,
        max_rows=100,
        generator=torch.Generator().manual_seed(9),
    )
    # class 0 meets all six others, whichever the draw
    expected = class_gap_scores(inputs[:6], inputs[6:]).float()
    torch.testing.assert_close(found[:6], expected)
    assert (found > 0).all()


def test_large_classes_are_split_and_that_is_said(feature_task: FeatureTask, reporter: Any) -> None:
    generator = torch.Generator().manual_seed(4)
    labels = torch.arange(40) % 2
    task = feature_task(labels, features=torch.randn(40, 6, generator=generator))
    CGScore().score(task, Observed())
    assert reporter.notes == []
    split = CGScore(max_block=20).score(task, Observed()).values
    assert len(reporter.notes) == 1
    assert "split at random into blocks" in reporter.notes[0]
    assert (split > 0).all()
    assert torch.equal(split, CGScore(max_block=20).score(task, Observed()).values)


def test_pixels_are_used_without_features(feature_task: FeatureTask) -> None:
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(20, 3, 6, 6, generator=generator)
    labels = torch.arange(20) % 2
    task = feature_task(labels, images=images)
    assert CGScore().needs(task) == Needs()
    members = torch.nonzero(labels == 0)[:, 0]
    found = CGScore().score(task, Observed()).values[members]
    expected = class_gap_scores(images[members].flatten(1), images[labels == 1].flatten(1)).float()
    torch.testing.assert_close(found, expected)


def test_large_images_are_averaged_down(feature_task: FeatureTask) -> None:
    generator = torch.Generator().manual_seed(6)
    small = torch.rand(10, 1, 64, 64, generator=generator)
    large = small.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    labels = torch.arange(10) % 2
    first = CGScore().score(feature_task(labels, images=small), Observed()).values
    second = CGScore().score(feature_task(labels, images=large), Observed()).values
    torch.testing.assert_close(first, second)


def test_refuses_a_single_class_and_wrong_settings(feature_task: FeatureTask) -> None:
    with pytest.raises(DataError, match="single class"):
        CGScore().needs(feature_task(torch.zeros(4, dtype=torch.int64), features=torch.rand(4, 2)))
    with pytest.raises(ConfigurationError, match=r"selector\.repetitions"):
        CGScore(repetitions=0)
    with pytest.raises(ConfigurationError, match=r"selector\.max_block"):
        CGScore(max_block=3)
