import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rlsel.errors import ConfigurationError
from rlsel.selectors.base import Scores, SelectionTask, Selector
from rlsel.selectors.forgetting import Forgetting, forgetting_events, forgetting_scores
from rlsel.training.settings import TrainingSettings


def history(*samples: str) -> Tensor:
    """(E, N) from one string of 1 (right) and 0 (wrong) for each sample."""
    return torch.tensor([[mark == "1" for mark in sample] for sample in samples]).T


def test_hand_worked_events() -> None:
    # forgotten twice; learned and kept; never learned (five epochs); forgotten at once; right from the start
    correct = history("10100", "00111", "00000", "10000", "11111")
    assert forgetting_events(correct).tolist() == [2, 0, 5, 1, 0]


def test_events_agree_with_a_loop() -> None:
    correct = torch.rand(9, 40, generator=torch.Generator().manual_seed(0)) < 0.3
    for i, events in enumerate(forgetting_events(correct).tolist()):
        marks = correct[:, i].tolist()
        lost = sum(1 for now, then in itertools.pairwise(marks) if now and not then)
        assert events == (lost if any(marks) else 9)


def test_a_sample_that_was_never_learned_has_the_highest_score() -> None:
    correct = history("10101010", "00000000", "11111111")
    margin = torch.tensor([[-1.0, 1.0, -1.0]]).expand(8, 3)  # the tie-break speaks against it
    assert forgetting_scores(correct, margin).argmax() == 1


def test_equal_counts_are_ordered_by_the_mean_margin_low_first() -> None:
    correct = history("110", "110", "111")
    margin = torch.tensor([[0.9, 0.1, -1.0], [0.9, 0.3, -1.0], [0.9, -0.1, -1.0]])
    # counts 1, 1, 0; mean margins 0.9, 0.1, -1: fractions 0.025, 0.225, 0.5
    assert forgetting_scores(correct, margin).tolist() == pytest.approx([1.025, 1.225, 0.5])


def test_one_epoch_is_too_few(tiny_task: SelectionTask) -> None:
    with pytest.raises(ConfigurationError, match=r"training\.epochs must be at least 2 for this selector, got 1"):
        Forgetting().needs(replace(tiny_task, training=TrainingSettings(epochs=1)))
    # 90 samples in batches of 16 are 6 steps an epoch
    with pytest.raises(ConfigurationError, match=r"training\.steps must be at least 12"):
        Forgetting().needs(replace(tiny_task, training=TrainingSettings(steps=11, batch_size=16)))


def test_scores_of_a_training(scores_of: Callable[[Selector], Scores]) -> None:
    values = scores_of(Forgetting()).values
    assert values.shape == (90,)
    assert set(values.floor().tolist()) <= {0.0, 1.0, 3.0}  # three epochs: at most one event, or never learned
    assert len(values.unique()) > 45
