"""Short trainings that tell what a choice is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from rlsel.provenance import Gain
from rlsel.selectors.base import Purpose, SelectionTask
from rlsel.selectors.held_out import calibrated_losses
from rlsel.selectors.trials import Trials, try_variants
from rlsel.training.settings import TrainingSettings

SIZE = 900


@pytest.fixture
def task(feature_task: Callable[..., SelectionTask]) -> SelectionTask:
    """Three classes of a bright row each; the label of each third sample is the next class."""
    truth = torch.arange(SIZE) % 3
    images = 0.4 * torch.randn(SIZE, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    images[torch.arange(SIZE), 0, truth] += 1.5
    made = feature_task(torch.where(wrong(), (truth + 1) % 3, truth), images=images)
    recipe = TrainingSettings(steps=160, batch_size=20, learning_rate=0.05, augment=False)
    return replace(made, purpose=Purpose(model=made.model, training=recipe))


def purpose_of(task: SelectionTask) -> Purpose:
    assert task.purpose is not None
    return task.purpose


def wrong() -> Tensor:
    return torch.arange(SIZE) // 3 % 3 == 0


def test_a_choice_of_rightly_labelled_samples_gains_and_one_of_wrong_ones_loses(task: SelectionTask) -> None:
    trials = Trials(task, purpose_of(task), ratio=0.3, rounds=2, label_error=wrong().float())

    right = trials.gain(torch.where(wrong(), -5.0, 5.0), "right")
    mistaken = trials.gain(torch.where(wrong(), 5.0, -5.0), "wrong")

    assert right.loss > 2 * right.loss_error
    assert mistaken.loss < -2 * mistaken.loss_error
    assert right.points > 0 > mistaken.points


def test_a_random_choice_is_worth_as_much_as_a_random_choice(task: SelectionTask) -> None:
    gain = Trials(task, purpose_of(task), ratio=0.3, rounds=1).gain(torch.full((SIZE,), 3.0), "all alike")

    # the same numbers draw the same set, and the same numbers train on it
    assert (gain.loss, gain.loss_error, gain.points, gain.points_error) == (0, 0, 0, 0)


def test_what_is_measured_on_is_not_trained_on(task: SelectionTask, monkeypatch: pytest.MonkeyPatch) -> None:
    from rlsel.selectors import held_out as module

    trained: list[Tensor] = []
    measured: list[Tensor] = []
    build, look = module.Training, module.clean_pass

    def training(*args: object, **named: object) -> object:
        trained.append(named["split"].in_source())  # type: ignore[attr-defined]
        return build(*args, **named)  # type: ignore[arg-type]

    def clean_pass(model: object, dataset: object, split: object, **named: object) -> object:
        measured.append(split.in_source())  # type: ignore[attr-defined]
        return look(model, dataset, split, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "Training", training)
    monkeypatch.setattr(module, "clean_pass", clean_pass)
    Trials(task, purpose_of(task), ratio=0.5, rounds=1).gain(torch.arange(float(SIZE)), "later ones")

    assert len(trained) == len(measured) == 2
    assert not np.intersect1d(torch.cat(trained).numpy(), torch.cat(measured).numpy()).size
    # a fifth is measured on, and one half of the rest is drawn
    assert [len(some) for some in (*trained, *measured)] == [360, 360, 180, 180]


def test_a_quarter_of_the_steps_to_come_is_taken(task: SelectionTask) -> None:
    trials = Trials(task, purpose_of(task), ratio=0.5, rounds=2)
    trials.gain(torch.zeros(SIZE), "all alike")

    assert trials.steps_each == 40


def test_a_trial_takes_the_share_that_is_asked_for(task: SelectionTask) -> None:
    assert Trials(task, purpose_of(task), ratio=0.5, rounds=2, step_share=0.5).steps_each == 80
    assert Trials(task, purpose_of(task), ratio=0.5, rounds=2, step_share=0.01).steps_each == 20, "at the least"


def test_epochs_to_come_are_passes_over_what_is_kept(task: SelectionTask) -> None:
    recipe = TrainingSettings(epochs=32, batch_size=20, learning_rate=0.05, augment=False)
    trials = Trials(task, Purpose(model=task.model, training=recipe), ratio=0.2, rounds=1)
    trials.gain(torch.zeros(SIZE), "all alike")

    # 180 samples are kept: 9 steps in each of 32 epochs, of which a quarter is tried, by two rules
    assert trials.steps_each == 72


def test_losses_are_those_of_the_best_temperature() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 4
    logits = 12 * (torch.nn.functional.one_hot(labels, 4) + torch.randn(200, 4, generator=generator)).double()
    weights = torch.rand(200, generator=generator).double()
    weights /= weights.sum()

    found = float(calibrated_losses(logits, labels, weights) @ weights)

    def loss(logarithm: float) -> float:
        scaled = (logits / np.exp(logarithm)).log_softmax(dim=1)
        return float(-(scaled[torch.arange(200), labels] * weights).sum())

    best = minimize_scalar(loss, bounds=(-2, 4), method="bounded")
    assert found == pytest.approx(best.fun, rel=1e-3)  # temperatures of a grid, 12 % apart
    assert found < loss(0.0)


@pytest.mark.parametrize(
    ("reward", "other", "chosen", "tried"),
    [
        (-5.0, 5.0, "reward", ["reward"]),  # the reward leaves out what is wrong: nothing else is tried
        (5.0, -5.0, "other", ["reward", "other"]),  # the reward prefers what is wrong
        (5.0, 4.0, "random", ["reward", "other"]),  # both do
    ],
)
def test_the_training_to_come_decides(
    task: SelectionTask, reward: float, other: float, chosen: str, tried: list[str]
) -> None:
    logits = {
        "reward": torch.where(wrong(), reward, -reward),
        "random": torch.zeros(SIZE),
        "other": torch.where(wrong(), other, -other),
    }

    outcome = try_variants(
        task, purpose_of(task), logits, ratio=0.3, rounds=2, step_share=0.25, label_error=wrong().float()
    )

    assert outcome is not None
    assert (outcome.chosen, list(outcome.tried)) == (chosen, tried)
    assert (outcome.model, outcome.steps, outcome.of_steps, outcome.rounds) == ("small_cnn", 40, 160, 2)
    assert outcome.seconds > 0


@pytest.mark.parametrize(
    ("reward", "other", "chosen"), [(0.001, 0.5, "reward"), (-0.1, 0.01, "random"), (-0.1, 0.03, "other")]
)
def test_what_is_tried_after_the_reward_needs_evidence(
    task: SelectionTask, monkeypatch: pytest.MonkeyPatch, reward: float, other: float, chosen: str
) -> None:
    gains = {0.0: reward, 1.0: other}

    def gain(self: Trials, logits: Tensor, title: str) -> Gain:
        del self, title
        return Gain(loss=gains[float(logits[0])], loss_error=0.02, points=0.0, points_error=1.0)

    monkeypatch.setattr(Trials, "gain", gain)
    logits = {"reward": torch.zeros(SIZE), "random": torch.zeros(SIZE), "other": torch.ones(SIZE)}

    outcome = try_variants(task, purpose_of(task), logits, ratio=0.3, rounds=1, step_share=0.25, label_error=None)

    assert outcome is not None
    assert outcome.chosen == chosen


def test_too_few_samples_are_not_tried(feature_task: Callable[..., SelectionTask], reporter: Any) -> None:
    task = feature_task(torch.arange(45) % 3)
    purpose = Purpose(model=task.model, training=TrainingSettings(steps=10))
    logits = {"reward": torch.zeros(45), "random": torch.zeros(45)}

    assert try_variants(task, purpose, logits, ratio=0.5, rounds=1, step_share=0.25, label_error=None) is None

    # a fifth of them is measured on
    [note] = reporter.notes
    assert "it would train on or measure 9 samples, at least 10 tell something" in note
