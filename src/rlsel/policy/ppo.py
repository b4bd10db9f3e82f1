"""Proximal policy optimisation (Schulman et al., 2017, equation 7), as an alternative to A2C in the paper's ablation.

ρ = π(a|s) / π_old(a|s)
actor loss    L(θ_a) = −min(ρ Â, clip(ρ, 1 − δ, 1 + δ) Â), plus an entropy bonus
critic loss   L(θ_c) = E[A(s, a)²]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.checks import number_between, positive_int
from rlsel.policy.actor_critic import ActorCritic, Losses, check_settings
from rlsel.policy.distributions import DistributionName
from rlsel.policy.mdp import Experience, Update


def ppo_losses(
    log_probabilities: Tensor,
    entropies: Tensor,
    values: Tensor,
    *,
    old_log_probabilities: Tensor,
    advantages: Tensor,
    returns: Tensor,
    clip: float,
) -> Losses:
    """Computes the losses of PPO over a minibatch.

    Args:
        log_probabilities: (B,) log probabilities of the actions under the policy as it is now, with a gradient to the
            actor.
        entropies: (B,) entropies of the action distributions, with a gradient to the actor.
        values: (B,) values of the states, with a gradient to the critic.
        old_log_probabilities: (B,) log probabilities of the actions under the policy that took them.
        advantages: (B,) advantages under the critic before the update.
        returns: (B,) r + γ V(s').
        clip: δ, how far the probability ratio may pay.
    """
    ratio = torch.exp(log_probabilities - old_log_probabilities)
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return Losses(
        actor=-torch.minimum(ratio * advantages, clipped * advantages).mean(),
        critic=(returns - values).square().mean(),
        entropy=entropies.mean(),
    )


@dataclass(frozen=True, kw_only=True)
class PPO:
    """Proximal policy optimisation, which learns several times from each experience.

    Settings that it shares with A2C mean the same.

    Attributes:
        distribution: `bernoulli` (0 or 1) or `beta` (a score between).
        learning_rate: Learning rate of Adam, for actor and critic.
        entropy: Weight of the entropy bonus.
        critic_weight: Weight of the critic's loss.
        clip_gradient: Largest norm of the gradient.
        gamma: Discount of the next batch's value.
        clip: How far the probability ratio may move before it stops paying.
        passes: Passes over an experience in one update.
        minibatch: Samples in one optimiser step.
    """

    name: ClassVar[str] = "ppo"

    distribution: DistributionName = "bernoulli"
    learning_rate: float = 3e-3
    entropy: float = 0.5
    critic_weight: float = 0.5
    clip_gradient: float = 0.5
    gamma: float = 0.0
    clip: float = 0.2
    passes: int = 2
    minibatch: int = 256

    def __post_init__(self) -> None:
        check_settings(self)
        number_between("policy.clip", self.clip, 0, low_open=True)
        positive_int("policy.passes", self.passes)
        positive_int("policy.minibatch", self.minibatch)

    @property
    def entropy_weight(self) -> float:
        return self.entropy

    def build(self, state_size: int, seed: int) -> ActorCritic:
        """Builds actor and critic for (B, `state_size`) states."""
        return ActorCritic(self, self._learn, state_size=state_size, seed=seed)

    def _learn(self, networks: ActorCritic, experience: Experience, generator: torch.Generator) -> Update:
        advantages = experience.returns - networks.value(experience.states)
        last = None
        for _ in range(self.passes):
            order = torch.randperm(len(advantages), generator=generator).to(advantages.device)
            for chosen in torch.split(order, self.minibatch):
                evaluation = networks.evaluate(experience.states[chosen], experience.actions[chosen])
                last = ppo_losses(
                    *evaluation,
                    old_log_probabilities=experience.log_probabilities[chosen],
                    advantages=advantages[chosen],
                    returns=experience.returns[chosen],
                    clip=self.clip,
                )
                networks.step(last)
        if last is None:
            raise ValueError("an experience must not be empty")
        return Update(actor_loss=last.actor.item(), critic_loss=last.critic.item(), entropy=last.entropy.item())
