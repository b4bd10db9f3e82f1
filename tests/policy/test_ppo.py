from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rlsel.errors import ConfigurationError
from rlsel.policy.mdp import Experience, Policy
from rlsel.policy.ppo import PPO, ppo_losses

PlayBandit = Callable[..., Policy]
STATES = torch.eye(2)


def test_losses_by_hand() -> None:
    # probability ratios 1.5, 0.5, 0.5, 1.5 and 1.1
    log_probabilities = torch.tensor([1.5, 0.5, 0.5, 1.5, 1.1]).log().requires_grad_()
    values = torch.tensor([0.0, 1.0, 1.0, 2.0, 0.0], requires_grad=True)
    losses = ppo_losses(
        log_probabilities,
        torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5]),
        values,
        old_log_probabilities=torch.zeros(5),
        advantages=torch.tensor([1.0, -1.0, 2.0, -2.0, 1.0]),
        returns=torch.tensor([1.0, 1.0, 3.0, 1.0, 2.0]),
        clip=0.2,
    )
    # 1.5 pays as 1.2 only; 0.5 costs as 0.8; a wrong move is never clipped: 0.5 · 2 and 1.5 · −2; 1.1 is inside
    assert losses.actor.item() == pytest.approx(-(1.2 - 0.8 + 1.0 - 3.0 + 1.1) / 5)
    assert losses.critic.item() == pytest.approx((1 + 0 + 4 + 1 + 4) / 5)
    assert losses.entropy.item() == pytest.approx(0.3)
    losses.actor.backward()
    # −ρ A / 5 where nothing is clipped, as dρ/d log π = ρ
    assert log_probabilities.grad is not None
    assert log_probabilities.grad.tolist() == pytest.approx([0, 0, -0.2, 0.6, -0.22])
    assert values.grad is None


@pytest.mark.parametrize("distribution", ["bernoulli", pytest.param("beta", marks=pytest.mark.thorough)])
def test_a_bandit_is_solved(bandit: PlayBandit, distribution: str) -> None:
    spec = PPO(distribution=distribution, minibatch=64, entropy=0.5)  # type: ignore[arg-type]
    policy = bandit(spec, updates=75)
    keep, drop = policy.keep_logit(STATES).tolist()
    if distribution == "bernoulli":
        # (gain of keeping) / entropy = ±1 / 0.5; what is left is the noise of 64 draws an update
        assert (keep, drop) == pytest.approx((2, -2), abs=0.5)
    assert keep > 0.3
    assert drop < -0.3
    # the mean action minus one half, times the gain
    means = torch.sigmoid(torch.tensor([keep, drop]))
    assert policy.value(STATES).tolist() == pytest.approx((means - 0.5).abs().tolist(), abs=0.06)


def test_the_critic_finds_a_constant(bandit: PlayBandit) -> None:
    policy = bandit(PPO(), gains=(0.0, 0.0), constant=3.0, updates=75)
    assert policy.value(STATES).tolist() == pytest.approx([3, 3], abs=0.02)


@pytest.mark.parametrize(("clip", "least", "most"), [(0.1, 1.1, 1.25), (100.0, 1.5, 2.0)])
def test_several_passes_move_no_further_than_the_clip_pays(clip: float, least: float, most: float) -> None:
    spec = PPO(passes=60, clip=clip, entropy=0.0, critic_weight=0.0, learning_rate=1e-3)
    policy, states = spec.build(1, 0), torch.ones(64, 1)
    before = float(torch.sigmoid(policy.keep_logit(states))[0])
    experience = Experience(
        states=states,
        actions=torch.ones(64),
        log_probabilities=torch.full((64,), before).log(),
        returns=torch.full((64,), 5.0),
    )
    policy.update(experience, torch.Generator().manual_seed(0))
    after = float(torch.sigmoid(policy.keep_logit(states))[0])
    # past the edge of the clip the gradient is gone, and only Adam's momentum carries on
    assert least <= after / before <= most


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clip": 0}, r"policy\.clip must be a number in \(0, inf\), got 0"),
        ({"passes": 0}, r"policy\.passes must be an integer of at least 1, got 0"),
        ({"minibatch": 0}, r"policy\.minibatch"),
        ({"gamma": 1}, r"policy\.gamma"),
    ],
)
def test_settings_are_checked(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        PPO(**settings)  # type: ignore[arg-type]
