"""At which epoch an early look is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from rlsel.errors import ConfigurationError
from rlsel.selectors.base import SelectionTask
from rlsel.selectors.epochs import check_epoch, early_epoch
from rlsel.training.settings import TrainingSettings


@pytest.mark.parametrize(("epochs", "expected"), [(1, 1), (4, 1), (16, 2), (200, 20)])
def test_a_tenth_but_at_least_one(feature_task: Callable[..., SelectionTask], epochs: int, expected: int) -> None:
    task = replace(feature_task(torch.arange(10) % 2), training=TrainingSettings(epochs=epochs))
    assert early_epoch(task, None) == expected
    assert early_epoch(task, epochs) == epochs


def test_a_budget_of_steps_counts(feature_task: Callable[..., SelectionTask]) -> None:
    # 10 samples in batches of 5: 2 steps an epoch, 3 epochs, the last of which is half
    task = replace(feature_task(torch.arange(10) % 2), training=TrainingSettings(steps=5, batch_size=5))
    assert early_epoch(task, 3) == 3
    with pytest.raises(ConfigurationError, match=r"selector\.epoch must be at most 3.*got 4"):
        early_epoch(task, 4)


@pytest.mark.parametrize("epoch", [0, -1, 1.0, True, "2"])
def test_refuses_what_is_no_epoch(epoch: object) -> None:
    with pytest.raises(ConfigurationError, match=r"selector\.epoch must be an integer of at least 1.*why not"):
        check_epoch(epoch, reason="why not")  # type: ignore[arg-type]


def test_takes_an_epoch_or_none() -> None:
    check_epoch(None, reason="")
    check_epoch(3, reason="")
