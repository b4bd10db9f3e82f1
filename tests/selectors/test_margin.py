import math
from collections.abc import Callable

import pytest
import torch

from rlsel.selectors.base import Scores, Selector
from rlsel.selectors.margin import Margin, margin_uncertainty


def test_it_agrees_with_a_loop() -> None:
    logits = 2 * torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
    for i, score in enumerate(margin_uncertainty(logits).tolist()):
        exponentials = sorted(math.exp(logit) for logit in logits[i].tolist())
        assert score == pytest.approx(1 - (exponentials[-1] - exponentials[-2]) / sum(exponentials), rel=1e-5)


def test_hand_worked_margins() -> None:
    # p = (1/2, 1/4, 1/4): 1 - 1/4; equal: 1; certain to e^-40: 2 · e^-40, far below the spacing of float32 near one
    logits = torch.tensor([[math.log(2), 0.0, 0.0], [0.0, 0.0, -1e4], [40.0, 0.0, -1e4]])
    expected = [0.75, 1.0, 2 * math.exp(-40)]
    assert margin_uncertainty(logits).tolist() == pytest.approx(expected, rel=1e-5)


def test_scores_of_a_training(scores_of: Callable[[Selector], Scores]) -> None:
    values = scores_of(Margin()).values
    assert values.min() >= 0
    assert values.max() <= 1
    assert len(values.unique()) > 45
