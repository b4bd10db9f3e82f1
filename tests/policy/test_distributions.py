from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rlsel.policy.distributions import Bernoulli, Beta, distribution

NUMBERS = st.floats(-5, 5)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def test_by_name() -> None:
    assert isinstance(distribution("bernoulli"), Bernoulli)
    assert isinstance(distribution("beta"), Beta)


def test_bernoulli_by_hand() -> None:
    # σ(ln 3) = 3/4: log ¾ for keeping, log ¼ for dropping
    logits = column(math.log(3), math.log(3))
    found = Bernoulli().log_probability(logits, torch.tensor([1.0, 0.0], dtype=torch.float64))
    assert found.tolist() == pytest.approx([math.log(0.75), math.log(0.25)])
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert Bernoulli().entropy(logits).tolist() == pytest.approx([expected] * 2)


@given(logit=NUMBERS, action=st.sampled_from([0.0, 1.0]))
def test_bernoulli_equals_torchs(logit: float, action: float) -> None:
    other = torch.distributions.Bernoulli(logits=torch.tensor([logit], dtype=torch.float64))
    taken = torch.tensor([action], dtype=torch.float64)
    torch.testing.assert_close(Bernoulli().log_probability(column(logit), taken), other.log_prob(taken))
    torch.testing.assert_close(Bernoulli().entropy(column(logit)), other.entropy())


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_a_certain_bernoulli_is_finite_and_so_is_its_gradient(logit: float) -> None:
    logits = torch.tensor([[logit]], requires_grad=True)
    entropy = Bernoulli().entropy(logits)
    (entropy + Bernoulli().log_probability(logits, torch.tensor([float(logit < 0)]))).sum().backward()
    assert entropy.item() == 0
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@given(first=NUMBERS, second=NUMBERS, action=st.floats(0.01, 0.99))
def test_beta_equals_its_formula(first: float, second: float, action: float) -> None:
    alpha, beta = softplus(first) + 1, softplus(second) + 1
    # log Γ(α + β) − log Γ(α) − log Γ(β) + (α − 1) log a + (β − 1) log(1 − a)
    constant = math.lgamma(alpha + beta) - math.lgamma(alpha) - math.lgamma(beta)
    expected = constant + (alpha - 1) * math.log(action) + (beta - 1) * math.log(1 - action)
    parameters = torch.tensor([[first, second]], dtype=torch.float64)
    found = Beta().log_probability(parameters, torch.tensor([action], dtype=torch.float64))
    assert found.item() == pytest.approx(expected, abs=1e-9)
    assert torch.sigmoid(Beta().keep_logit(parameters)).item() == pytest.approx(alpha / (alpha + beta))


@pytest.mark.parametrize("parameters", [(0.0, 0.0), (2.0, -1.0), (-3.0, 4.0)])
def test_beta_entropy_equals_an_integral(parameters: tuple[float, float]) -> None:
    outputs = torch.tensor([parameters], dtype=torch.float64)
    points = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    logs = Beta().log_probability(outputs.expand(len(points), 2), points)
    # the midpoint rule, whose error falls with the square of the width
    assert float(logs.exp().mean()) == pytest.approx(1, abs=1e-5)
    assert Beta().entropy(outputs).item() == pytest.approx(-float((logs.exp() * logs).mean()), abs=1e-4)


def test_a_beta_is_finite_at_the_edges() -> None:
    parameters = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    assert torch.isfinite(Beta().log_probability(parameters, torch.tensor([0.0, 1.0]))).all()


@pytest.mark.parametrize(("law", "outputs"), [(Bernoulli(), 1), (Beta(), 2)])
def test_actions_follow_the_generator_and_the_mean(law: Bernoulli | Beta, outputs: int) -> None:
    assert law.outputs == outputs
    parameters = torch.tensor([[1.0, -0.5][:outputs]]).expand(20_000, outputs)
    before = torch.random.get_rng_state()
    first, again, other = (law.sample(parameters, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.shape == (20_000,)
    assert first.min() >= 0
    assert first.max() <= 1
    # the mean of 20 000 numbers in [0, 1] is at most 0.0035 off; four deviations
    keep = torch.sigmoid(law.keep_logit(parameters))[0].item()
    assert float(first.mean()) == pytest.approx(keep, abs=0.015)


def test_bernoulli_actions_are_zero_or_one() -> None:
    actions = Bernoulli().sample(torch.zeros(100, 1), torch.Generator().manual_seed(0))
    assert set(actions.tolist()) == {0.0, 1.0}


def test_a_shift_is_exact_for_bernoulli() -> None:
    logits = column(-2.0, 0.0, 3.0)
    shifted = logits + torch.tensor(Bernoulli().shift(0.7), dtype=torch.float64)
    torch.testing.assert_close(Bernoulli().keep_logit(shifted), Bernoulli().keep_logit(logits) + 0.7)


@given(first=NUMBERS, second=NUMBERS, amount=st.floats(0.01, 3))
def test_a_shift_raises_and_lowers_every_keep_logit_of_a_beta(first: float, second: float, amount: float) -> None:
    parameters = torch.tensor([[first, second]], dtype=torch.float64)
    before = Beta().keep_logit(parameters)
    up, down = (
        Beta().keep_logit(parameters + torch.tensor(Beta().shift(a), dtype=torch.float64)) for a in (amount, -amount)
    )
    assert down < before < up
    assert up - before < 2 * amount  # softplus has at most unit slope
