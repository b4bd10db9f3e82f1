"""Advantage actor-critic (RL-Selector, section "Policy optimization").

actor loss    L(θ_a) = −log π(a|s) · A(s, a), plus an entropy bonus
critic loss   L(θ_c) = E[A(s, a)²]
advantage     A(s, a) = r + γ V(s') − V(s)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.policy.actor_critic import ActorCritic, Losses, check_settings
from rlsel.policy.distributions import DistributionName
from rlsel.policy.mdp import Experience, Update


def a2c_losses(log_probabilities: Tensor, entropies: Tensor, values: Tensor, returns: Tensor) -> Losses:
    """Computes the losses of advantage actor-critic over a batch.

    Args:
        log_probabilities: (B,) log probabilities of the actions taken, with a gradient to the actor.
        entropies: (B,) entropies of the action distributions, with a gradient to the actor.
        values: (B,) values of the states, with a gradient to the critic.
        returns: (B,) r + γ V(s').
    """
    advantages = returns - values
    return Losses(
        actor=-(log_probabilities * advantages.detach()).mean(),
        critic=advantages.square().mean(),
        entropy=entropies.mean(),
    )


@dataclass(frozen=True, kw_only=True)
class A2C:
    """Advantage actor-critic, which learns once from each experience.

    Attributes:
        distribution: `bernoulli` (0 or 1) or `beta` (a score between).
        learning_rate: Learning rate of Adam, for actor and critic.
        entropy: Weight of the entropy bonus, in units of the reward: at the optimum of a Bernoulli policy a keep
            logit is (what keeping earns) / `entropy`.
        critic_weight: Weight of the critic's loss.
        clip_gradient: Largest norm of the gradient.
        gamma: Discount of the next batch's value; 0, as the next batch does not depend on the action.
    """

    name: ClassVar[str] = "a2c"

    distribution: DistributionName = "bernoulli"
    learning_rate: float = 3e-3
    entropy: float = 0.5
    critic_weight: float = 0.5
    clip_gradient: float = 0.5
    gamma: float = 0.0

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def entropy_weight(self) -> float:
        return self.entropy

    def build(self, state_size: int, seed: int) -> ActorCritic:
        """Builds actor and critic for (B, `state_size`) states."""
        return ActorCritic(self, _learn, state_size=state_size, seed=seed)


def _learn(networks: ActorCritic, experience: Experience, generator: torch.Generator) -> Update:  # noqa: ARG001
    evaluation = networks.evaluate(experience.states, experience.actions)
    losses = a2c_losses(*evaluation, experience.returns)
    networks.step(losses)
    return Update(actor_loss=losses.actor.item(), critic_loss=losses.critic.item(), entropy=losses.entropy.item())
