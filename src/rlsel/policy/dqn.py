"""Deep Q-learning (Mnih et al., 2015) over the two actions drop and keep, for the paper's ablation.

    target   y = r + γ V(s'), with V the highest value of the slowly following target network
    loss     Huber(Q(s, a) − y) over minibatches of a replay memory

The keep logit is (Q(s, keep) − Q(s, drop)) / `temperature`. Rewards of the past are stale, as the features and the
ratio gap move: the replay memory is short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rlsel.checks import number_between, positive_int
from rlsel.optimizers import Adam
from rlsel.policy.mdp import Decision, Experience, Update
from rlsel.policy.networks import actor


@dataclass(frozen=True, kw_only=True)
class DQN:
    """A deep Q-network, which learns what each action earns from a memory of experience.

    Attributes:
        learning_rate: Learning rate of Adam.
        temperature: The keep logit is the advantage of keeping divided by it; ε-greedy exploration decides alone
            which actions are tried.
        exploration: Share of random actions at first.
        final_exploration: Share of random actions after `exploration_updates`.
        exploration_updates: Updates over which the share falls linearly.
        replay: Samples that the replay memory holds.
        minibatch: Samples in one optimiser step.
        steps_per_update: Optimiser steps for each experience.
        follow: Share by which the target network follows in each step.
        clip_gradient: Largest norm of the gradient.
        gamma: Discount of the next batch's value.
    """

    name: ClassVar[str] = "dqn"

    learning_rate: float = 3e-3
    temperature: float = 0.5
    exploration: float = 1.0
    final_exploration: float = 0.1
    exploration_updates: int = 50
    replay: int = 10_000
    minibatch: int = 512
    steps_per_update: int = 2
    follow: float = 0.05
    clip_gradient: float = 0.5
    gamma: float = 0.0

    def __post_init__(self) -> None:
        number_between("policy.learning_rate", self.learning_rate, 0, low_open=True)
        number_between("policy.temperature", self.temperature, 0, low_open=True)
        number_between("policy.exploration", self.exploration, 0, 1)
        number_between("policy.final_exploration", self.final_exploration, 0, 1)
        positive_int("policy.exploration_updates", self.exploration_updates)
        positive_int("policy.replay", self.replay)
        positive_int("policy.minibatch", self.minibatch)
        positive_int("policy.steps_per_update", self.steps_per_update)
        number_between("policy.follow", self.follow, 0, 1, low_open=True)
        number_between("policy.clip_gradient", self.clip_gradient, 0, low_open=True)
        number_between("policy.gamma", self.gamma, 0, 1, high_open=True)

    @property
    def entropy_weight(self) -> float:
        return self.temperature

    def build(self, state_size: int, seed: int) -> ActionValues:
        """Builds the action values of (B, `state_size`) states."""
        return ActionValues(self, state_size, seed=seed)


class ActionValues:
    """A policy made of the values of dropping and keeping; see `rlsel.policy.mdp.Policy`."""

    def __init__(self, settings: DQN, state_size: int, *, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._settings = settings
        self._online = actor(state_size, 2, generator=generator)
        self._target = actor(state_size, 2, generator=generator)
        self._target.load_state_dict(self._online.state_dict())
        self._optimizer = Adam(self._online.parameters(), lr=settings.learning_rate, fused=True)
        self._memory: tuple[Tensor, Tensor, Tensor] = (torch.empty(0, state_size), torch.empty(0), torch.empty(0))
        self._updates = 0

    @property
    def gamma(self) -> float:
        return self._settings.gamma

    @property
    def _exploration(self) -> float:
        done = min(1.0, self._updates / self._settings.exploration_updates)
        return self._settings.exploration + done * (self._settings.final_exploration - self._settings.exploration)

    @torch.no_grad()
    def act(self, states: Tensor, generator: torch.Generator) -> Decision:
        logits = self.keep_logit(states)
        greedy = (logits > 0).to(states.dtype)
        explore = (torch.rand(len(states), generator=generator) < self._exploration).to(states.device)
        coin = (torch.rand(len(states), generator=generator) < 0.5).to(states)
        actions = torch.where(explore, coin, greedy)
        taken = (1 - self._exploration) * (actions == greedy) + 0.5 * self._exploration
        return Decision(
            actions=actions,
            log_probabilities=taken.clamp_min(1e-12).log(),
            keep_probabilities=torch.sigmoid(logits),
        )

    @torch.no_grad()
    def value(self, states: Tensor) -> Tensor:
        return self._target(states).max(dim=1).values  # type: ignore[no-any-return]

    def update(self, experience: Experience, generator: torch.Generator) -> Update:
        new = (experience.states, experience.actions, experience.returns)
        old = tuple(part.to(experience.states.device) for part in self._memory)
        self._memory = tuple(  # type: ignore[assignment]
            torch.cat([before, after])[-self._settings.replay :] for before, after in zip(old, new, strict=True)
        )
        loss = torch.zeros(())
        for _ in range(self._settings.steps_per_update):
            loss = self._step(generator)
        self._updates += 1
        with torch.no_grad():
            keep = torch.sigmoid(self.keep_logit(experience.states)).clamp(1e-6, 1 - 1e-6)
            entropy = -(keep * keep.log() + (1 - keep) * (1 - keep).log()).mean()
        return Update(actor_loss=loss.item(), critic_loss=0.0, entropy=entropy.item())

    def _step(self, generator: torch.Generator) -> Tensor:
        states, actions, returns = self._memory
        chosen = torch.randint(len(states), (self._settings.minibatch,), generator=generator).to(states.device)
        values = self._online(states[chosen]).gather(1, actions[chosen].long()[:, None])[:, 0]
        loss = nn.functional.smooth_l1_loss(values, returns[chosen])
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._online.parameters(), self._settings.clip_gradient)
        self._optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(self._target.parameters(), self._online.parameters(), strict=True):
                slow.lerp_(fast, self._settings.follow)
        return loss.detach()

    @torch.no_grad()
    def keep_logit(self, states: Tensor) -> Tensor:
        drop, keep = self._online(states).unbind(dim=1)
        logits: Tensor = (keep - drop) / self._settings.temperature
        return logits

    @torch.no_grad()
    def shift_keep_logit(self, amount: float) -> None:
        for network in (self._online, self._target):
            half = 0.5 * amount * self._settings.temperature
            network.last.bias.add_(torch.tensor([-half, half], device=network.last.bias.device))

    def scale_learning_rate(self, factor: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = factor * self._settings.learning_rate

    def state_dict(self) -> dict[str, Any]:
        return {
            "online": self._online.state_dict(),
            "target": self._target.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "memory": list(self._memory),
            "updates": self._updates,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._online.load_state_dict(state["online"])
        self._target.load_state_dict(state["target"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._memory = tuple(state["memory"])
        self._updates = state["updates"]

    def parameters_by_name(self) -> dict[str, Tensor]:
        return {f"values.{name}": value for name, value in self._online.state_dict().items()}

    def load_parameters(self, parameters: Mapping[str, Tensor]) -> None:
        own = {name.removeprefix("values."): value for name, value in parameters.items()}
        self._online.load_state_dict(own)
        self._target.load_state_dict(own)
