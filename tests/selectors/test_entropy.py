import math
from collections.abc import Callable

import pytest
import torch

from rlsel.selectors.base import Scores, Selector
from rlsel.selectors.entropy import Entropy, prediction_entropy


def test_it_agrees_with_a_loop() -> None:
    logits = 2 * torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
    for i, score in enumerate(prediction_entropy(logits).tolist()):
        exponentials = [math.exp(logit) for logit in logits[i].tolist()]
        p = [value / sum(exponentials) for value in exponentials]
        assert score == pytest.approx(-sum(value * math.log(value) for value in p), rel=1e-5)


def test_hand_worked_entropies() -> None:
    # uniform over four: log 4; certain to e^-60: 60 · e^-60 for the other class and e^-60 for its own
    assert float(prediction_entropy(torch.zeros(1, 4))) == pytest.approx(math.log(4))
    assert float(prediction_entropy(torch.tensor([[60.0, 0.0]]))) == pytest.approx(61 * math.exp(-60), rel=1e-5)
    assert float(prediction_entropy(torch.tensor([[1e5, 0.0]]))) == 0


def test_scores_of_a_training(scores_of: Callable[[Selector], Scores]) -> None:
    values = scores_of(Entropy()).values
    assert values.min() >= 0
    assert values.max() <= math.log(3) + 1e-6
    assert len(values.unique()) > 45
