import math
import statistics
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rlsel.errors import ConfigurationError
from rlsel.selectors.base import Observed, Scores, SelectionTask, Selector
from rlsel.selectors.dual import DUAL, beta_parameters, dual_log_weights, dual_scores
from rlsel.training.dynamics import TrainingDynamics
from rlsel.training.settings import TrainingSettings


def probabilities(epochs: int, size: int) -> Tensor:
    return torch.rand(epochs, size, generator=torch.Generator().manual_seed(epochs))


def dynamics_of(probability: Tensor) -> TrainingDynamics:
    zeros = torch.zeros_like(probability)
    return TrainingDynamics(
        probability=probability,
        margin=zeros,
        error_norm=zeros,
        correct=zeros.bool(),
        divergence=zeros,
        other_margin=zeros,
    )


@pytest.mark.parametrize(("epochs", "window"), [(12, 5), (12, 12), (4, 10)])
def test_scores_agree_with_a_loop_over_windows(epochs: int, window: int) -> None:
    probability = probabilities(epochs, 6)
    for i, score in enumerate(dual_scores(probability, window=window).tolist()):
        path = probability[:, i].tolist()
        width = min(window, epochs)
        parts = [path[k : k + width] for k in range(epochs - width + 1)]
        expected = statistics.mean(statistics.stdev(part) * (1 - statistics.mean(part)) for part in parts)
        assert score == pytest.approx(expected, rel=1e-5)


def test_hand_worked_score() -> None:
    # two windows of two: (0.2, 0.6) with deviation 0.4/√2 and mean 0.4, (0.6, 0.6) with deviation 0
    assert float(dual_scores(torch.tensor([[0.2], [0.6], [0.6]]), window=2)) == pytest.approx(
        (0.4 / math.sqrt(2)) * 0.6 / 2
    )


def test_beta_parameters_at_both_ends() -> None:
    # nothing pruned, anchor 0.4: b = 15 · 0.6 = 9, a = 7; all but nothing pruned: b = 0, all weight at p = 1
    assert beta_parameters(0.4, ratio=1.0, sharpness=4) == pytest.approx((7, 9))
    assert beta_parameters(0.4, ratio=1e-9, sharpness=4) == pytest.approx((16, 0), abs=1e-6)
    # 90 % pruned: b = 9 · (1 - 0.9^4) = 9 · 0.3439
    assert beta_parameters(0.4, ratio=0.1, sharpness=4)[1] == pytest.approx(3.0951)


def test_log_weights_agree_with_the_density() -> None:
    scores, mean = torch.linspace(0.01, 0.2, 15), torch.linspace(0.05, 0.95, 15)
    anchor = float(mean[5:].mean())  # the ten highest scores
    b = 15 * (1 - anchor) * (1 - 0.7**4)
    a = 16 - b
    constant = math.lgamma(16) - math.lgamma(a) - math.lgamma(b)
    density = [math.exp(constant + (a - 1) * math.log(m) + (b - 1) * math.log(1 - m)) for m in mean.tolist()]
    weights = torch.tensor([s * d for s, d in zip(scores.tolist(), density, strict=True)])
    log_weights = dual_log_weights(scores, mean, ratio=0.3, sharpness=4)
    assert torch.allclose(torch.softmax(log_weights, dim=0), weights / weights.sum(), rtol=1e-4)


def test_easier_samples_are_preferred_as_more_is_pruned() -> None:
    probability = probabilities(10, 500) * torch.linspace(0, 1, 500) ** 0.5
    mean, scores = probability.mean(dim=0), dual_scores(probability, window=10)
    expected = []
    for ratio in (0.9, 0.5, 0.3, 0.1, 0.02):
        shares = torch.softmax(dual_log_weights(scores, mean, ratio=ratio, sharpness=4), dim=0)
        expected.append(float((shares * mean).sum()))
    assert expected == sorted(expected)
    assert expected[-1] > expected[0] + 0.05


def test_certain_samples_have_finite_weights() -> None:
    mean = torch.tensor([0.0, 1.0, 0.5])
    assert torch.isfinite(dual_log_weights(torch.zeros(3), mean, ratio=0.05, sharpness=4)).all()


def test_only_the_first_epochs_are_looked_at(tiny_task: SelectionTask) -> None:
    probability = probabilities(40, 90)
    changed = probability.clone()
    changed[30:] = 0.5
    one, other = (
        DUAL().score(tiny_task, Observed(dynamics=dynamics_of(path))).values for path in (probability, changed)
    )
    assert torch.equal(one, other)


def test_settings_out_of_range_are_refused(tiny_task: SelectionTask) -> None:
    for field, value in (("epochs", 1), ("window", 1), ("sharpness", 0.0)):
        with pytest.raises(ConfigurationError, match=rf"selector\.{field} must be"):
            DUAL(**{field: value})
    with pytest.raises(ConfigurationError, match=r"training\.epochs must be at least 2"):
        DUAL().needs(replace(tiny_task, training=TrainingSettings(epochs=1)))


def test_scores_of_a_training(scores_of: Callable[[Selector], Scores]) -> None:
    half, tenth = (scores_of(DUAL(ratio=ratio)) for ratio in (0.5, 0.1))
    assert half.kind == "logit"
    assert half.hardness is not None
    assert len(half.values.unique()) > 45
    assert not torch.equal(half.values, tenth.values)
