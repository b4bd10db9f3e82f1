from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rlsel.errors import ConfigurationError
from rlsel.policy.a2c import A2C, a2c_losses
from rlsel.policy.mdp import Policy

PlayBandit = Callable[..., Policy]
STATES = torch.eye(2)


def best_beta_logit(gain: float, entropy: float) -> float:
    """The logit of the mean of the Beta that earns most, gain · (mean − ½) + entropy bonus, on a grid of α, β ≥ 1."""
    alpha, beta = torch.meshgrid(torch.linspace(1, 6, 251), torch.linspace(1, 6, 251), indexing="ij")
    worth = gain * (alpha / (alpha + beta) - 0.5) + entropy * torch.distributions.Beta(alpha, beta).entropy()
    best = worth.flatten().argmax()
    return float((alpha.flatten()[best] / beta.flatten()[best]).log())


def test_losses_by_hand() -> None:
    log_probabilities = torch.tensor([-1.0, -2.0, -0.5], requires_grad=True)
    entropies = torch.tensor([0.5, 0.7, 0.3], requires_grad=True)
    values = torch.tensor([1.0, 0.0, 2.0], requires_grad=True)
    # advantages 1, −1 and 3
    losses = a2c_losses(log_probabilities, entropies, values, torch.tensor([2.0, -1.0, 5.0]))
    assert losses.actor.item() == pytest.approx(-(-1 + 2 - 1.5) / 3)
    assert losses.critic.item() == pytest.approx((1 + 1 + 9) / 3)
    assert losses.entropy.item() == pytest.approx(0.5)
    losses.actor.backward()
    # −A / 3 to the actor, and nothing to the critic
    assert log_probabilities.grad is not None
    assert log_probabilities.grad.tolist() == pytest.approx([-1 / 3, 1 / 3, -1])
    assert values.grad is None
    losses.critic.backward()
    # −2 A / 3
    assert values.grad is not None
    assert values.grad.tolist() == pytest.approx([-2 / 3, 2 / 3, -2])


def test_a_bandit_is_solved_up_to_the_entropy_bonus(bandit: PlayBandit) -> None:
    policy = bandit(A2C(entropy=0.5))
    # the best keep logit is (gain of keeping) / entropy = ±1 / 0.5; what is left is the noise of 64 draws an update
    assert policy.keep_logit(STATES).tolist() == pytest.approx([2, -2], abs=0.5)
    # the value of such a policy: |σ(2) − ½|
    assert policy.value(STATES).tolist() == pytest.approx([0.381] * 2, abs=0.06)


def test_without_a_bonus_the_better_arm_is_taken_always(bandit: PlayBandit) -> None:
    policy = bandit(A2C(entropy=0.0))
    keep, drop = policy.keep_logit(STATES).tolist()
    assert keep > 3
    assert drop < -3
    assert policy.value(STATES).tolist() == pytest.approx([0.5, 0.5], abs=0.03)


def test_a_bandit_is_solved_with_scores_between(bandit: PlayBandit) -> None:
    spec = A2C(distribution="beta", entropy=0.2)
    best = best_beta_logit(1.0, spec.entropy)
    assert best > 0.5
    policy = bandit(spec)
    assert policy.keep_logit(STATES).tolist() == pytest.approx([best, -best], abs=0.25 * best)


@pytest.mark.parametrize("distribution", ["bernoulli", "beta"])
def test_the_critic_finds_a_constant_and_the_actor_stays_undecided(bandit: PlayBandit, distribution: str) -> None:
    policy = bandit(A2C(distribution=distribution), gains=(0.0, 0.0), constant=3.0)  # type: ignore[arg-type]
    assert policy.value(STATES).tolist() == pytest.approx([3, 3], abs=0.02)
    assert policy.keep_logit(STATES).tolist() == pytest.approx([0, 0], abs=0.1)


def test_parameters_follow_the_seed_and_go_into_another(bandit: PlayBandit) -> None:
    states = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    first, again, other = (A2C().build(3, seed) for seed in (1, 1, 2))
    assert torch.equal(first.keep_logit(states), again.keep_logit(states))
    assert not torch.equal(first.keep_logit(states), other.keep_logit(states))
    other.load_parameters(first.parameters_by_name())
    assert torch.equal(first.keep_logit(states), other.keep_logit(states))
    assert torch.equal(first.value(states), other.value(states))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distribution": "gauss"}, r"policy\.distribution must be one of bernoulli, beta, got 'gauss'"),
        ({"learning_rate": 0}, r"policy\.learning_rate must be a number in \(0, inf\)"),
        ({"entropy": -0.1}, r"policy\.entropy"),
        ({"critic_weight": -1}, r"policy\.critic_weight"),
        ({"clip_gradient": 0}, r"policy\.clip_gradient"),
        ({"gamma": 1}, r"policy\.gamma must be a number in \[0, 1\), got 1"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        A2C(**settings)  # type: ignore[arg-type]
