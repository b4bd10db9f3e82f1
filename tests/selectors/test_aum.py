from collections.abc import Callable

import pytest
import torch

from rlsel.selectors.aum import AUM, aum_difficulty
from rlsel.selectors.base import Observed, Scores, SelectionTask, Selector
from rlsel.training.dynamics import TrainingDynamics, sample_dynamics


def test_hand_worked_difficulty() -> None:
    # mean margins (0.5 + 0.7) / 2 and (-0.2 - 0.4) / 2
    assert aum_difficulty(torch.tensor([[0.5, -0.2], [0.7, -0.4]])).tolist() == pytest.approx([-0.6, 0.3])


def test_it_agrees_with_a_loop_over_epochs_and_classes() -> None:
    logits = torch.randn(4, 12, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(12) % 3
    margin = torch.stack([sample_dynamics(epoch, labels, labels, None)[0][1] for epoch in logits])
    for i, difficulty in enumerate(aum_difficulty(margin).tolist()):
        area = 0.0
        for epoch in range(4):
            p = torch.softmax(logits[epoch, i], dim=0).tolist()
            area += p[labels[i]] - max(p[c] for c in range(3) if c != labels[i])
        assert difficulty == pytest.approx(-area / 4, abs=1e-6)


def test_a_wrong_label_is_the_hardest(tiny_task: SelectionTask) -> None:
    margin = torch.full((5, 90), 0.8)
    margin[:, 17] = -0.9
    zeros = torch.zeros(5, 90)
    dynamics = TrainingDynamics(
        probability=zeros, margin=margin, error_norm=zeros, correct=zeros.bool(), divergence=zeros, other_margin=zeros
    )
    scores = AUM().score(tiny_task, Observed(dynamics=dynamics))
    assert scores.values.argmax() == 17
    assert scores.hardness is not None
    assert scores.hardness.argmax() == 17


def test_scores_of_a_training(scores_of: Callable[[Selector], Scores]) -> None:
    values = scores_of(AUM()).values
    assert values.shape == (90,)
    assert values.abs().max() <= 1
    assert len(values.unique()) > 45
