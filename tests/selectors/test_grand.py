"""GraNd: gradient norms early in training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rlsel.errors import ConfigurationError
from rlsel.selectors.base import SelectionTask
from rlsel.selectors.grand import GraNd
from rlsel.selectors.target_training import SharedTraining, train_target
from rlsel.training.settings import TrainingSettings

SIZE = 60


@pytest.fixture
def task(feature_task: Callable[..., SelectionTask]) -> SelectionTask:
    """Three classes of a bright row each, under noise; the first six labels are wrong."""
    truth = torch.arange(SIZE) % 3
    images = 0.4 * torch.randn(SIZE, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    images[torch.arange(SIZE), 0, truth] += 1.5
    labels = truth.clone()
    labels[:6] = (labels[:6] + 1) % 3
    made = feature_task(labels, images=images)
    return replace(made, training=TrainingSettings(epochs=8, batch_size=20, learning_rate=0.05, augment=False))


def scored(selector: GraNd, task: SelectionTask) -> Tensor:
    (observed,) = SharedTraining(task=task, needs=[selector.needs(task)]).run()
    return selector.score(task, observed).values


def slow_norms(task: SelectionTask, *stream: str | int, epoch: int, last_layer: bool) -> Tensor:
    """One backward pass for each sample, under a training of its own that stops early."""
    model = train_target(task, *stream, stop_after=epoch)
    parameters = list((model.head if last_layer else model).parameters())
    split = task.dataset.train
    norms = []
    for image, label in zip(split.images.pixels, split.labels, strict=True):
        loss = nn.functional.cross_entropy(model(image[None]).logits, label[None])
        gradients = torch.autograd.grad(loss, parameters)
        norms.append(torch.cat([part.flatten() for part in gradients]).norm())
    return torch.stack(norms).detach()


@pytest.mark.parametrize("fast", [False, True])
def test_is_the_mean_norm_over_models_after_the_epoch(task: SelectionTask, fast: bool) -> None:
    streams = [("target",), ("grand", 1)]
    slow = torch.stack([slow_norms(task, *stream, epoch=3, last_layer=fast) for stream in streams]).mean(dim=0)
    # float32, other orders of summing
    torch.testing.assert_close(scored(GraNd(epoch=3, num_models=2, fast=fast), task), slow, rtol=1e-3, atol=1e-5)


def test_looks_after_a_tenth_of_the_training_but_never_before_it(task: SelectionTask) -> None:
    first = scored(GraNd(epoch=1), task)
    assert torch.equal(scored(GraNd(), task), first)
    assert not torch.equal(scored(GraNd(epoch=2), task), first)


def test_wrong_labels_have_large_gradients(task: SelectionTask) -> None:
    recipe = TrainingSettings(epochs=20, batch_size=10, learning_rate=0.1, augment=False)
    scores = scored(GraNd(epoch=10), replace(task, training=recipe))
    # the chance that a wrong label has a higher score than a right one; one half without any relation
    assert (scores[:6, None] > scores[None, 6:]).float().mean() > 0.9


def test_further_models_are_announced(task: SelectionTask, reporter: Any) -> None:
    scored(GraNd(epoch=2, num_models=3), task)
    assert reporter.notes == ["grand: 2 further trainings of 2 of 8 epochs, the cost of 0.5 full ones"]


def test_refuses_initialisation() -> None:
    with pytest.raises(ConfigurationError, match=r"selector\.epoch must be an integer of at least 1, got 0"):
        GraNd(epoch=0)
    with pytest.raises(ConfigurationError, match=r"selector\.num_models must be"):
        GraNd(num_models=0)


def test_refuses_an_epoch_after_the_training(task: SelectionTask) -> None:
    with pytest.raises(ConfigurationError, match=r"selector\.epoch must be at most 8"):
        GraNd(epoch=9).needs(task)
