"""MoSo: the estimator against true leave-one-out losses, and the folds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rlsel.data.dataset import MemoryImages
from rlsel.errors import ConfigurationError
from rlsel.randomness import torch_generator
from rlsel.selectors.base import Observed, SelectionTask
from rlsel.selectors.moso import MoSo, moso_estimate, rate_after, spread_epochs, standardise, stratified_folds
from rlsel.selectors.target_training import train_target
from rlsel.training.settings import TrainingSettings

SIZE = 48


@pytest.fixture
def task(feature_task: Callable[..., SelectionTask]) -> SelectionTask:
    """Three classes of a bright row each, under noise."""
    labels = torch.arange(SIZE) % 3
    images = 0.4 * torch.randn(SIZE, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    images[torch.arange(SIZE), 0, labels] += 1.5
    made = feature_task(labels, images=images)
    return replace(made, training=TrainingSettings(epochs=4, batch_size=8, learning_rate=0.05, augment=False))


def scored(selector: MoSo, task: SelectionTask) -> Tensor:
    assert not selector.needs(task).training
    return selector.score(task, Observed()).values


def test_estimate_by_hand() -> None:
    # n = 2, g = 1 and 3, ḡ = 2: (2n - 3) ḡ² - g² + (2n - 4) (...) over (n - 1)² = 4 - g²
    estimate = moso_estimate(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 6.0]), mean_norm=2.0)
    torch.testing.assert_close(estimate, torch.tensor([3.0, -5.0], dtype=torch.float64))
    # n = 3, g = 0, 0 and 3, ḡ = 1: for g = 3 it is (3 · 1 - 9 + 2 (1 - 3 / 3) · 3) / 4, for g = 0 it is 3 / 4
    estimate = moso_estimate(torch.tensor([0.0, 0.0, 3.0]), torch.tensor([0.0, 0.0, 3.0]), mean_norm=1.0)
    torch.testing.assert_close(estimate, torch.tensor([0.75, 0.75, -1.5], dtype=torch.float64))


class LogisticRegression:
    """Full-batch gradient descent from zero on a convex problem."""

    rate, steps = 0.3, 40

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        self.inputs = torch.randn(24, 3, generator=generator, dtype=torch.float64)
        self.targets = (self.inputs[:, 0] + 0.7 * torch.randn(24, generator=generator) > 0).double()

    def gradients(self, weights: Tensor, kept: Tensor) -> Tensor:
        errors = torch.sigmoid(self.inputs[kept] @ weights) - self.targets[kept]
        return errors[:, None] * self.inputs[kept]

    def path(self, kept: Tensor) -> list[Tensor]:
        """The weights before each step, and after the last."""
        weights = [torch.zeros(3, dtype=torch.float64)]
        for _ in range(self.steps):
            weights.append(weights[-1] - self.rate * self.gradients(weights[-1], kept).mean(dim=0))
        return weights

    def loss(self, weights: Tensor, kept: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(self.inputs[kept] @ weights, self.targets[kept])


def test_estimate_ranks_like_true_leave_one_out() -> None:
    problem = LogisticRegression()
    everyone = torch.arange(24)
    path = problem.path(everyone)
    estimate = torch.zeros(24, dtype=torch.float64)
    for weights in path[:-1]:
        gradients = problem.gradients(weights, everyone)
        mean = gradients.mean(dim=0)
        estimate += problem.rate * moso_estimate(gradients.norm(dim=1), gradients @ mean, mean_norm=float(mean.norm()))
    truth = torch.empty(24, dtype=torch.float64)
    for left_out in range(24):
        rest = everyone[everyone != left_out]
        truth[left_out] = problem.loss(problem.path(rest)[-1], rest) - problem.loss(path[-1], rest)
    # a first-order estimate: it takes both paths for the same, so that only the order can be expected to agree
    assert rank_correlation(estimate, truth) > 0.85


def rank_correlation(left: Tensor, right: Tensor) -> float:
    ranks = torch.stack([left.argsort().argsort(), right.argsort().argsort()]).double()
    return float(torch.corrcoef(ranks)[0, 1])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 8), st.integers(0, 2**20))
@settings(max_examples=50, deadline=None)
def test_folds_share_every_class(values: list[int], folds: int, seed: int) -> None:
    labels = torch.tensor(values)
    parts = stratified_folds(labels, folds, num_classes=4, generator=torch.Generator().manual_seed(seed))
    assert len(parts) == folds
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(labels)))
    counts = torch.stack([torch.bincount(labels[part], minlength=4) for part in parts])
    assert int((counts.amax(dim=0) - counts.amin(dim=0)).max()) <= 1
    assert int(counts.sum(dim=1).max() - counts.sum(dim=1).min()) <= 1
    assert all(torch.equal(part, part.sort().values) for part in parts)


@pytest.mark.parametrize(
    ("epochs", "count", "expected"),
    [(10, 1, [6]), (10, 4, [2, 4, 7, 9]), (8, 4, [2, 4, 6, 8]), (3, 4, [1, 2, 3]), (1, 4, [1])],
)
def test_checkpoints_are_spread_over_the_training(epochs: int, count: int, expected: list[int]) -> None:
    assert spread_epochs(epochs, count) == expected


def test_rates_are_those_of_the_schedule() -> None:
    # 5 steps an epoch, 20 in all, no warm-up: half the cosine after two epochs
    recipe = TrainingSettings(epochs=4, batch_size=10, learning_rate=0.2, warmup=0.0)
    assert rate_after(2, 50, recipe) == pytest.approx(0.1)
    assert rate_after(4, 50, recipe) == pytest.approx(0.1 * (1 + math.cos(math.pi * 19 / 20)))


def test_standardise() -> None:
    # mean 2, deviations -1, 1, so that the standard deviation is 1
    torch.testing.assert_close(standardise(torch.tensor([1.0, 3.0])), torch.tensor([-1.0, 1.0]))
    assert torch.equal(standardise(torch.full((3,), 7.0)), torch.zeros(3))


@pytest.mark.parametrize("fast", [False, True])
def test_agrees_with_one_backward_pass_a_sample(task: SelectionTask, fast: bool) -> None:
    values = scored(MoSo(folds=2, epochs=2, checkpoints=2, fast=fast), task)
    generator = torch_generator(task.seed, "moso", "folds")
    recipe = replace(task.training, epochs=2)
    for fold, members in enumerate(stratified_folds(task.labels, 2, num_classes=3, generator=generator)):
        early = replace(task, training=recipe)
        total = torch.zeros(len(members), dtype=torch.float64)
        for epoch in (1, 2):
            model = train_target(early, "moso", fold, indices=members, stop_after=epoch)
            parameters = list((model.head if fast else model).parameters())
            rows = []
            for image, label in zip(task.dataset.train.images.pixels[members], task.labels[members], strict=True):
                loss = nn.functional.cross_entropy(model(image[None]).logits, label[None])
                rows.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters)]).double())
            gradients, size = torch.stack(rows), len(members)
            mean = gradients.mean(dim=0)
            for i, gradient in enumerate(gradients):
                term = (2 * size - 3) * mean @ mean - gradient @ gradient
                term += (2 * size - 4) * (mean - gradient / size) @ gradient
                total[i] += rate_after(epoch, size, recipe) * term / (size - 1) ** 2
        expected = (total - total.mean()) / total.std(correction=0)
        # float32 gradients, other orders of summing
        torch.testing.assert_close(values[members], expected.float(), rtol=1e-2, atol=1e-3)


def test_a_surrogate_sees_only_its_fold(task: SelectionTask) -> None:
    generator = torch_generator(task.seed, "moso", "folds")
    first, second = stratified_folds(task.labels, 2, num_classes=3, generator=generator)
    pixels = task.dataset.train.images.pixels.clone()
    pixels[second] = pixels[second].flip(0)
    changed = replace(task.dataset, train=replace(task.dataset.train, images=MemoryImages(pixels)))
    selector = MoSo(folds=2, epochs=1, checkpoints=1)
    before, after = scored(selector, task), scored(selector, replace(task, dataset=changed))
    assert torch.equal(before[first], after[first])
    assert not torch.equal(before[second], after[second])


def test_every_fold_has_the_same_scale(task: SelectionTask) -> None:
    values = scored(MoSo(folds=3, epochs=2, checkpoints=1, fast=True), task)
    generator = torch_generator(task.seed, "moso", "folds")
    for members in stratified_folds(task.labels, 3, num_classes=3, generator=generator):
        assert float(values[members].mean()) == pytest.approx(0, abs=1e-6)
        assert float(values[members].std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_announces_its_trainings(task: SelectionTask, reporter: Any) -> None:
    scored(MoSo(folds=2, checkpoints=2, fast=True), task)
    assert reporter.notes == [
        "moso: 2 trainings of 4 epochs on 1/2 of the samples each, and 4 passes over all samples for their last-layer "
        "gradients"
    ]


def test_refuses_more_folds_than_pairs(task: SelectionTask) -> None:
    with pytest.raises(ConfigurationError, match=r"selector\.folds must be at most 24"):
        MoSo(folds=25).needs(task)


@pytest.mark.parametrize("field", ["folds", "epochs", "checkpoints"])
def test_refuses_zero(field: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"selector\.{field} must be an integer of at least 1, got 0"):
        replace(MoSo(), **{field: 0})
