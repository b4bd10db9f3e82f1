"""Rules that choose what each pass trains on."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rlsel.dynamic.rules import RULES, build_rule
from rlsel.errors import ConfigurationError
from rlsel.randomness import torch_generator
from rlsel.training.observation import PassRule


def generator(number: int = 0) -> torch.Generator:
    return torch_generator(number, "test")


def labels_of(size: int, classes: int = 4) -> Tensor:
    return torch.arange(size) % classes


def logits_for(labels: Tensor, probability: Tensor, classes: int) -> Tensor:
    """Logits of models that give each label its probability, and the rest evenly to the others."""
    rest = (1 - probability) / (classes - 1)
    probabilities = rest[:, None].repeat(1, classes).scatter(1, labels[:, None], probability[:, None])
    return probabilities.log()


def show(rule: PassRule, labels: Tensor, probability: Tensor, classes: int = 4) -> None:
    """Goes through a whole pass in batches of ten."""
    for positions in torch.arange(len(labels)).split(10):
        rule.observe(positions, logits_for(labels[positions], probability[positions], classes), labels[positions])


@given(
    name=st.sampled_from(sorted(RULES)),
    size=st.integers(1, 60),
    ratio=st.floats(0.02, 1),
    seed=st.integers(0, 5),
)
def test_a_pass_has_no_sample_twice(name: str, size: int, ratio: float, seed: int) -> None:
    labels = labels_of(size)
    if math.floor(ratio * size + 0.5) < 1:
        with pytest.raises(ConfigurationError, match="ratio must be large enough"):
            build_rule(name, labels, ratio=ratio)
        return
    rule = build_rule(name, labels, ratio=ratio)
    assert rule.pass_size == math.floor(ratio * size + 0.5)
    for number in range(4):
        positions = rule.choose(number / 4, generator(seed + number))
        assert positions.dtype == torch.int64
        assert len(set(positions.tolist())) == len(positions)
        assert set(positions.tolist()) <= set(range(size))
        show(rule, labels, torch.rand(size, generator=generator(number)).clamp(0.01, 0.99))


@pytest.mark.parametrize(("ratio", "passes", "rounds"), [(0.25, 8, 2), (0.3, 10, 3), (0.7, 10, 7)])
def test_rs2_uses_every_sample_equally_often(ratio: float, passes: int, rounds: int) -> None:
    rule = build_rule("rs2", labels_of(20), ratio=ratio)
    chosen = [rule.choose(0.0, generator(number)) for number in range(passes)]
    assert torch.bincount(torch.cat(chosen), minlength=20).tolist() == [rounds] * 20
    assert chosen[0].tolist() != chosen[1].tolist()


def test_infobatch_keeps_the_expected_gradient() -> None:
    labels = labels_of(400)
    probability = torch.where(torch.arange(400) < 300, 0.9, 0.2)
    rule = build_rule("infobatch", labels, ratio=0.7)
    assert len(rule.choose(0.0, generator())) == 400, "nothing is known"
    show(rule, labels, probability)
    counts, weighted = torch.zeros(400), torch.zeros(400)
    for number in range(300):
        positions = rule.choose(0.5, generator(number))
        weights = rule.observe(positions, torch.zeros(len(positions), 4), labels[positions])
        assert weights is not None
        counts[positions] += 1
        weighted[positions] += weights
        rule = build_rule("infobatch", labels, ratio=0.7)
        show(rule, labels, probability)
    # of 300 losses below the mean, 120 have to go: r = 0.4
    assert counts[300:].tolist() == [300] * 100
    assert float(counts[:300].mean() / 300) == pytest.approx(0.6, abs=0.01)
    assert float(weighted[:300].mean() / 300) == pytest.approx(1.0, abs=0.02)
    assert len(rule.choose(0.9, generator())) == 400, "the last eighth"


def test_dynamic_prefers_errors() -> None:
    labels = labels_of(400)
    probability = torch.where(torch.arange(400) < 200, 0.95, 0.6)
    rule = build_rule("dynamic", labels, ratio=0.25)
    assert len(rule.choose(0.0, generator())) == 400, "the first pass is over all samples"
    show(rule, labels, probability)
    chosen = rule.choose(0.1, generator())
    assert len(chosen) == 100
    # errors of 0.05 and 0.4: one in nine of the first draws is an easy one
    assert 0.7 < float((chosen >= 200).float().mean()) < 1


def test_dynamic_leaves_wrong_labels_out() -> None:
    size, classes = 4000, 10
    truth = labels_of(size, classes)
    wrong = torch.arange(size) % 7 == 0
    labels = torch.where(wrong, (truth + 3) % classes, truth)
    probability = 0.55 + 0.4 * torch.rand(size, generator=generator())
    rule = build_rule("dynamic", labels, ratio=0.5)
    rule.choose(0.0, generator())
    for positions in torch.arange(size).split(100):
        rule.observe(positions, logits_for(truth[positions], probability[positions], classes), labels[positions])
    chosen = rule.choose(0.1, generator())
    assert float(wrong.float().mean()) > 0.14
    assert float(wrong[chosen].float().mean()) < 0.02


def test_half_of_what_is_known_is_the_last_pass() -> None:
    labels = torch.zeros(2, dtype=torch.int64)
    rule: Any = build_rule("dynamic", labels, ratio=0.5)
    for probability in (0.9, 0.5, 0.1):
        rule.choose(0.0, generator())
        rule.observe(torch.arange(2), logits_for(labels, torch.full((2,), probability), 2), labels)
    rule.choose(0.0, generator())
    expected = 0.5 * 0.1 + 0.5 * (0.5 * 0.5 + 0.5 * 0.9)
    assert rule.state_dict()["values"][:, 0].tolist() == pytest.approx([expected] * 2)


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_goes_on_from_its_state(name: str) -> None:
    labels = labels_of(40)
    probability = torch.linspace(0.1, 0.9, 40)
    first, second = (build_rule(name, labels, ratio=0.4) for _ in range(2))
    first.choose(0.0, generator())
    show(first, labels, probability)
    second.load_state_dict(first.state_dict())
    for number in range(3):
        assert first.choose(0.3, generator(number)).tolist() == second.choose(0.3, generator(number)).tolist()


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="rule must be dynamic, infobatch, rs2, got 'dynamics'"):
        build_rule("dynamics", labels_of(4), ratio=0.5)
