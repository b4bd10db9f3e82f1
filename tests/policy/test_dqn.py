from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rlsel.errors import ConfigurationError
from rlsel.policy.dqn import DQN
from rlsel.policy.mdp import Experience, Policy

PlayBandit = Callable[..., Policy]
STATES = torch.eye(2)


def test_a_bandit_is_solved(bandit: PlayBandit) -> None:
    policy = bandit(DQN(minibatch=128, temperature=0.5), updates=100)
    # keeping and dropping are worth ±½ each: the logit is their difference over the temperature, 1 / 0.5
    assert policy.keep_logit(STATES).tolist() == pytest.approx([2, -2], abs=0.05)
    assert policy.value(STATES).tolist() == pytest.approx([0.5, 0.5], abs=0.02)


def test_the_values_find_a_constant(bandit: PlayBandit) -> None:
    policy = bandit(DQN(minibatch=128, temperature=0.5), gains=(0.0, 0.0), constant=3.0, updates=100)
    assert policy.value(STATES).tolist() == pytest.approx([3, 3], abs=0.02)
    assert policy.keep_logit(STATES).tolist() == pytest.approx([0, 0], abs=0.05)


def test_the_temperature_divides_the_difference_of_the_values() -> None:
    warm, cold = DQN(temperature=1.0).build(2, 0), DQN(temperature=0.25).build(2, 0)
    torch.testing.assert_close(cold.keep_logit(STATES), 4 * warm.keep_logit(STATES))


def test_exploration_falls_to_its_last_share() -> None:
    policy, generator = (
        DQN(exploration=1.0, final_exploration=0.2, exploration_updates=4).build(2, 0),
        torch.Generator(),
    )
    states = torch.tensor([[1.0, 0.0]]).repeat(4000, 1)
    policy.shift_keep_logit(5.0)
    shares = []
    for _ in range(6):
        decision = policy.act(states, generator.manual_seed(0))
        shares.append(float(decision.actions.mean()))
        taken = decision.log_probabilities.exp()
        # a greedy action comes by choice or by chance
        assert float(taken[decision.actions == 1][0]) == pytest.approx(shares[-1], abs=0.04)
        policy.update(
            Experience(
                states=states[:8],
                actions=torch.ones(8),
                log_probabilities=torch.zeros(8),
                returns=policy.keep_logit(states[:8]),
            ),
            generator,
        )
    # half of the random actions keep too: 1 − ε / 2 with ε = 1, 0.8, 0.6, 0.4 and then 0.2; 4000 draws, 4 deviations
    assert shares == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 0.9], abs=0.032)


def test_the_memory_forgets_the_oldest() -> None:
    policy, generator = DQN(replay=100, minibatch=64).build(2, 0), torch.Generator().manual_seed(0)

    def pay(amount: float, count: int, updates: int) -> None:
        for _ in range(updates):
            policy.update(
                Experience(
                    states=STATES[:1].repeat(count, 1),
                    actions=torch.ones(count),
                    log_probabilities=torch.zeros(count),
                    returns=torch.full((count,), amount),
                ),
                generator,
            )

    pay(-4.0, 80, 1)
    pay(1.0, 10, 120)
    # of the first 80 nothing is left after ten experiences: only what is paid now counts
    assert policy.value(STATES[:1]).item() == pytest.approx(1, abs=0.05)
    assert [len(part) for part in policy.state_dict()["memory"]] == [100, 100, 100]


def test_parameters_go_into_another() -> None:
    first, other = DQN().build(2, 1), DQN().build(2, 2)
    assert not torch.equal(first.value(STATES), other.value(STATES))
    other.load_parameters(first.parameters_by_name())
    assert torch.equal(first.keep_logit(STATES), other.keep_logit(STATES))
    assert torch.equal(first.value(STATES), other.value(STATES))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0}, r"policy\.learning_rate"),
        ({"temperature": 0}, r"policy\.temperature must be a number in \(0, inf\), got 0"),
        ({"exploration": 1.1}, r"policy\.exploration must be a number in \[0, 1\], got 1.1"),
        ({"final_exploration": -0.1}, r"policy\.final_exploration"),
        ({"exploration_updates": 0}, r"policy\.exploration_updates"),
        ({"replay": 0}, r"policy\.replay"),
        ({"minibatch": 0}, r"policy\.minibatch"),
        ({"steps_per_update": 0}, r"policy\.steps_per_update"),
        ({"follow": 0}, r"policy\.follow"),
        ({"clip_gradient": 0}, r"policy\.clip_gradient"),
        ({"gamma": 1}, r"policy\.gamma"),
    ],
)
def test_settings_are_checked(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DQN(**settings)  # type: ignore[arg-type]
