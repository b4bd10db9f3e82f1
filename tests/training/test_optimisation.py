"""The optimiser and the course of its learning rate."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rlsel.training.optimisation import build_optimizer, learning_rate_factor, set_learning_rate
from rlsel.training.settings import TrainingSettings

CONSTANT = TrainingSettings(schedule="constant", warmup=0.0)


def factors(settings: TrainingSettings, total: int) -> list[float]:
    return [learning_rate_factor(step, total, settings) for step in range(total)]


def test_a_constant_rate() -> None:
    assert factors(CONSTANT, 5) == [1.0] * 5


def test_the_warm_up_is_linear_and_reaches_the_peak_after_it() -> None:
    # 0.3 * 10 = 3 steps below the peak, in quarters
    assert factors(replace(CONSTANT, warmup=0.3), 10) == [0.25, 0.5, 0.75] + [1.0] * 7


def test_the_cosine_falls_from_one_towards_zero() -> None:
    # (1 + cos(pi * step / 6)) / 2
    root = math.sqrt(3) / 4
    expected = [1.0, 0.5 + root, 0.75, 0.5, 0.25, 0.5 - root]
    assert factors(TrainingSettings(schedule="cosine", warmup=0.0), 6) == pytest.approx(expected)
    # after two steps of warm-up, the cosine has the other four: (1 + cos(pi * step / 4)) / 2
    quarter = math.sqrt(2) / 4
    expected = [1 / 3, 2 / 3, 1.0, 0.5 + quarter, 0.5, 0.5 - quarter]
    assert factors(TrainingSettings(schedule="cosine", warmup=1 / 3), 6) == pytest.approx(expected)


def test_the_steps_are_at_the_milestones() -> None:
    settings = TrainingSettings(schedule="step", warmup=0.0, step_milestones=(0.5, 0.8), step_factor=0.1)
    assert factors(settings, 10) == pytest.approx([1.0] * 5 + [0.1] * 3 + [0.01] * 2)
    assert factors(replace(settings, step_milestones=()), 3) == [1.0] * 3


@given(
    schedule=st.sampled_from(["cosine", "step", "constant"]),
    warmup=st.floats(0, 1, exclude_max=True),
    total=st.integers(1, 300),
)
def test_every_step_is_made_with_some_rate(schedule: str, warmup: float, total: int) -> None:
    settings = TrainingSettings(schedule=schedule, warmup=warmup)
    assert all(0 < factor <= 1 for factor in factors(settings, total))


def model() -> nn.Module:
    frozen = nn.Linear(2, 2)
    frozen.requires_grad_(False)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 3), frozen)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_only_matrices_and_kernels_decay(name: str) -> None:
    network = model()
    optimizer = build_optimizer(network, TrainingSettings(optimizer=name, weight_decay=0.1, learning_rate=0.2))
    decayed, spared = optimizer.param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 1, 3, 3), (3, 2)]
    assert [tuple(p.shape) for p in spared["params"]] == [(2,), (2,), (2,), (3,)]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert decayed["lr"] == spared["lr"] == 0.2


def test_sgd_has_nesterov_momentum_where_it_has_momentum() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    optimizer = build_optimizer(layer, TrainingSettings(momentum=0.5, weight_decay=0.0, learning_rate=0.1))
    for _ in range(2):
        layer.weight.grad = torch.ones(1, 1)
        optimizer.step()
    # velocities 1 and 1.5; Nesterov steps of gradient + 0.5 * velocity: 1.5 and 1.75
    assert float(layer.weight.detach()) == pytest.approx(1 - 0.1 * (1.5 + 1.75))
    plain = build_optimizer(layer, TrainingSettings(momentum=0.0))
    assert not any(group["nesterov"] for group in plain.param_groups)


def test_the_rate_is_set_for_all_parameters() -> None:
    optimizer = build_optimizer(model(), TrainingSettings())
    set_learning_rate(optimizer, 0.03)
    assert [group["lr"] for group in optimizer.param_groups] == [0.03, 0.03]
