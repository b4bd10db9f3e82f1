import math
from collections.abc import Callable

import pytest
import torch

from rlsel.selectors.base import Scores, Selector
from rlsel.selectors.least_confidence import LeastConfidence, lack_of_confidence


def test_it_agrees_with_a_loop() -> None:
    logits = 2 * torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
    for i, score in enumerate(lack_of_confidence(logits).tolist()):
        exponentials = [math.exp(logit) for logit in logits[i].tolist()]
        assert score == pytest.approx(1 - max(exponentials) / sum(exponentials), rel=1e-5)


def test_hand_worked_values() -> None:
    # uniform over four: 3/4; certain to e^-40: e^-40, far below the spacing of float32 near one
    assert float(lack_of_confidence(torch.zeros(1, 4))) == pytest.approx(0.75)
    assert float(lack_of_confidence(torch.tensor([[40.0, 0.0]]))) == pytest.approx(math.exp(-40), rel=1e-5)


def test_scores_of_a_training(scores_of: Callable[[Selector], Scores]) -> None:
    values = scores_of(LeastConfidence()).values
    assert values.min() >= 0
    assert values.max() <= 2 / 3 + 1e-6
    assert len(values.unique()) > 45
