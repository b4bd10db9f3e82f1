"""Methods that are killed thrice in a row and go on: the same scores, and no step that had been saved is made again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rlsel.policy.learning import PolicySession
from rlsel.selectors.base import Purpose, Scores, SelectionTask, Selector
from rlsel.selectors.el2n import EL2N
from rlsel.selectors.grand import GraNd
from rlsel.selectors.memorization import Memorization
from rlsel.selectors.moso import MoSo
from rlsel.selectors.rl_selector import RLSelector
from rlsel.selectors.rl_selector_finetuned import RLSelectorFinetuned
from rlsel.selectors.self_sup_prototypes import SelfSupPrototypes
from rlsel.selectors.target_training import SharedTraining
from rlsel.training.reporting import SilentReporter
from rlsel.training.resuming import Checkpointing
from rlsel.training.settings import TrainingSettings


class Killed(BaseException):
    """What the tests take for a SIGKILL: nothing is saved on the way out."""


class Fatal(SilentReporter):
    """Counts the optimiser steps of all trainings, and dies at some of them."""

    def __init__(self, *deaths: int) -> None:
        self.steps, self._deaths = 0, deaths

    def step(self, done: int) -> None:
        self.steps += 1
        if self.steps in self._deaths:
            raise Killed


def score(task: SelectionTask, selector: Selector) -> Scores:
    [observed] = SharedTraining(task=task, needs=[selector.needs(task)]).run()
    return selector.score(task, observed)


def scores_in_spite_of_deaths(task: SelectionTask, selector: Selector) -> Scores:
    """Scores in as many attempts as it takes."""
    for _ in range(10):
        try:
            return score(task, selector)
        except Killed:
            continue
    raise AssertionError("it never came to an end")


@pytest.fixture
def task(tiny_task: SelectionTask) -> SelectionTask:
    """Two epochs of three steps, made for a training as long."""
    training = TrainingSettings(epochs=2, batch_size=32)
    return replace(tiny_task, training=training, purpose=Purpose(model=tiny_task.model, training=training))


SMALL = RLSelector(rollout=16, settle_passes=1, trials=1)


@pytest.mark.parametrize(
    "selector",
    [
        GraNd(num_models=3, epoch=1, fast=True),
        EL2N(num_models=3, epoch=1),
        MoSo(folds=2, epochs=2, fast=True),
        Memorization(num_models=2, epochs=2),
        SelfSupPrototypes(epochs=2, batch_size=32),
        SMALL,
    ],
    ids=lambda selector: selector.name,
)
def test_killed_thrice_it_repeats_three_steps(task: SelectionTask, tmp_path: Path, selector: Selector) -> None:
    calm = Fatal()
    expected = score(replace(task, reporter=calm), selector)
    last = calm.steps  # of the whole, so that the deaths are spread over all trainings of the method
    fatal = Fatal(1, last // 2, last)
    place = Checkpointing(path=tmp_path / ".training-0.ckpt", every_seconds=0)
    found = scores_in_spite_of_deaths(replace(task, reporter=fatal, checkpointing=place), selector)
    assert torch.equal(found.values, expected.values)
    assert fatal.steps == calm.steps + 3
    place.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fatal]:
    """Counts the rollouts that policies decide on, and dies where its `deaths` say."""
    fatal, decide = Fatal(), PolicySession.decide

    def counted(self: PolicySession, states: Tensor, indices: Tensor) -> Tensor:
        fatal.step(0)
        return decide(self, states, indices)

    monkeypatch.setattr(PolicySession, "decide", counted)
    return fatal


@pytest.mark.parametrize(
    "selector",
    [replace(SMALL, trials=0, settle_passes=2), RLSelectorFinetuned(epochs=2, ratio=0.5)],
    ids=lambda selector: selector.name,
)
def test_a_policy_that_is_killed_while_it_settles_goes_on(
    task: SelectionTask, tmp_path: Path, decisions: Fatal, selector: Selector
) -> None:
    expected = score(task, selector)
    calm, decisions.steps = decisions.steps, 0
    decisions._deaths = (calm // 2, calm - 5, calm)
    place = Checkpointing(path=tmp_path / ".training-0.ckpt", every_seconds=0)
    found = scores_in_spite_of_deaths(replace(task, checkpointing=place), selector)
    assert torch.equal(found.values, expected.values)
    assert decisions.steps <= calm + 3


def test_parts_of_two_methods_are_apart(task: SelectionTask, tmp_path: Path) -> None:
    place = Checkpointing(path=tmp_path / ".training-0.ckpt", every_seconds=0)
    kept = replace(task, checkpointing=place)
    first, second = GraNd(num_models=2, epoch=1, fast=True), GraNd(num_models=2, epoch=2, fast=True)
    score(kept, first)
    [observed] = SharedTraining(task=task, needs=[second.needs(task)]).run()
    assert torch.equal(second.score(kept, observed).values, score(task, second).values)


def test_what_was_kept_is_damaged(task: SelectionTask, tmp_path: Path) -> None:
    selector = GraNd(num_models=2, epoch=1, fast=True)
    place = Checkpointing(path=tmp_path / ".training-0.ckpt", every_seconds=0)
    score(replace(task, checkpointing=place), selector)
    [part] = tmp_path.glob(".training-0.part-*.ckpt")
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    with pytest.raises(Exception, match="it is damaged, or of another version of rlsel: remove it, or use"):
        score(replace(task, checkpointing=place), selector)
