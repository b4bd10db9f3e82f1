from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rlsel.policy.learning import LearningSettings, PolicySession
from rlsel.policy.mdp import Experience, Policy, PolicySpec
from rlsel.policy.rewards import Evidence, Reward

MakeSession = Callable[..., PolicySession]
PlayBandit = Callable[..., Policy]


@pytest.fixture
def bandit() -> PlayBandit:
    """Lets a policy play a bandit whose two states pay `gains` for keeping, in units of (action − ½)."""

    def play(
        spec: PolicySpec, *, gains: tuple[float, float] = (1.0, -1.0), constant: float = 0.0, updates: int = 150
    ) -> Policy:
        policy, generator = spec.build(2, 1), torch.Generator().manual_seed(2)
        states = torch.eye(2).repeat(64, 1)
        gain = torch.tensor(gains).repeat(64)
        for number in range(updates):
            policy.scale_learning_rate(1 - number / updates)
            decision = policy.act(states, generator)
            policy.update(
                Experience(
                    states=states,
                    actions=decision.actions,
                    log_probabilities=decision.log_probabilities,
                    returns=constant + gain * (decision.actions - 0.5),
                ),
                generator,
            )
        return policy

    return play


@pytest.fixture
def synthetic() -> Callable[[int], tuple[Tensor, Evidence]]:
    """Makes (N, 8) features and a signal in them that no single column tells, as the cover of a data set."""

    def make(size: int) -> tuple[Tensor, Evidence]:
        features = torch.randn(size, 8, generator=torch.Generator().manual_seed(0))
        signal = features[:, 0] + 0.5 * features[:, 1] * features[:, 2]
        signal = (signal - signal.mean()) / signal.std()
        return features, Evidence(coverage=4 + signal, mean_cover=signal)

    return make


@pytest.fixture
def make_session() -> MakeSession:
    """Makes a session on N samples whose merit is that of the evidence."""

    def make(
        policy: PolicySpec | Policy,
        reward: Reward,
        evidence: Evidence,
        *,
        ratio: float = 0.5,
        rollout: int = 100,
        price_rate: float = 0.05,
        state_size: int = 8,
        seed: int = 0,
    ) -> PolicySession:
        session = PolicySession(
            policy.build(state_size, seed) if hasattr(policy, "build") else policy,
            reward,
            size=len(evidence.coverage),
            ratio=ratio,
            settings=LearningSettings(rollout=rollout, price_rate=price_rate),
            generator=torch.Generator().manual_seed(seed),
            device=torch.device("cpu"),
        )
        session.merit = reward.merit(evidence)
        return session

    return make
