"""An actor and a critic with one optimiser; how they learn (A2C, PPO) is a function given to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from rlsel.checks import number_between, one_of
from rlsel.optimizers import Adam
from rlsel.policy.distributions import DistributionName, distribution
from rlsel.policy.mdp import Decision, Experience, Update
from rlsel.policy.networks import actor, critic


class Losses(NamedTuple):
    """Scalars with a gradient: the actor's loss without the entropy bonus, the critic's loss, the mean entropy."""

    actor: Tensor
    critic: Tensor
    entropy: Tensor


class Evaluation(NamedTuple):
    """What actor and critic say of an experience now, with a gradient; each (B,)."""

    log_probabilities: Tensor
    entropies: Tensor
    values: Tensor


class ActorCriticSettings(Protocol):
    """What every actor-critic method needs; see `rlsel.policy.a2c.A2C` for the meaning."""

    @property
    def distribution(self) -> DistributionName: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def entropy(self) -> float: ...
    @property
    def critic_weight(self) -> float: ...
    @property
    def clip_gradient(self) -> float: ...
    @property
    def gamma(self) -> float: ...


def check_settings(settings: ActorCriticSettings) -> None:
    """Checks what every actor-critic method needs.

    Raises:
        ConfigurationError: if a value is out of its range.
    """
    one_of("policy.distribution", settings.distribution, ("bernoulli", "beta"))
    number_between("policy.learning_rate", settings.learning_rate, 0, low_open=True)
    number_between("policy.entropy", settings.entropy, 0)
    number_between("policy.critic_weight", settings.critic_weight, 0)
    number_between("policy.clip_gradient", settings.clip_gradient, 0, low_open=True)
    number_between("policy.gamma", settings.gamma, 0, 1, high_open=True)


class Learn(Protocol):
    """How an actor-critic learns from an experience."""

    def __call__(self, networks: ActorCritic, experience: Experience, generator: torch.Generator) -> Update:
        """Takes one or more optimiser steps."""
        ...


class ActorCritic:
    """A policy made of an actor and a critic; see `rlsel.policy.mdp.Policy`."""

    def __init__(self, settings: ActorCriticSettings, learn: Learn, *, state_size: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._settings, self._learn = settings, learn
        self._distribution = distribution(settings.distribution)
        self._actor = actor(state_size, self._distribution.outputs, generator=generator)
        self._critic = critic(state_size, generator=generator)
        self._networks = nn.ModuleDict({"actor": self._actor, "critic": self._critic})
        self._optimizer = Adam(self._networks.parameters(), lr=settings.learning_rate, fused=True)

    @property
    def gamma(self) -> float:
        return self._settings.gamma

    @torch.no_grad()
    def act(self, states: Tensor, generator: torch.Generator) -> Decision:
        parameters = self._actor(states)
        actions = self._distribution.sample(parameters, generator)
        return Decision(
            actions=actions,
            log_probabilities=self._distribution.log_probability(parameters, actions),
            keep_probabilities=torch.sigmoid(self._distribution.keep_logit(parameters)),
        )

    @torch.no_grad()
    def value(self, states: Tensor) -> Tensor:
        return self._critic(states)[:, 0]  # type: ignore[no-any-return]

    def update(self, experience: Experience, generator: torch.Generator) -> Update:
        return self._learn(self, experience, generator)

    def evaluate(self, states: Tensor, actions: Tensor) -> Evaluation:
        """Returns what the networks say of the (B,) actions in the (B, D) states, with a gradient."""
        parameters = self._actor(states)
        return Evaluation(
            self._distribution.log_probability(parameters, actions),
            self._distribution.entropy(parameters),
            self._critic(states)[:, 0],
        )

    def step(self, losses: Losses) -> None:
        """Takes one optimiser step on the weighted sum of the losses, with the gradient clipped."""
        total = losses.actor - self._settings.entropy * losses.entropy + self._settings.critic_weight * losses.critic
        self._optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._networks.parameters(), self._settings.clip_gradient)
        self._optimizer.step()

    @torch.no_grad()
    def keep_logit(self, states: Tensor) -> Tensor:
        return self._distribution.keep_logit(self._actor(states))

    @torch.no_grad()
    def shift_keep_logit(self, amount: float) -> None:
        bias = self._actor.last.bias
        bias.add_(torch.tensor(self._distribution.shift(amount), device=bias.device))

    def scale_learning_rate(self, factor: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = factor * self._settings.learning_rate

    def state_dict(self) -> dict[str, Any]:
        return {"networks": self._networks.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._networks.load_state_dict(state["networks"])
        self._optimizer.load_state_dict(state["optimizer"])

    def parameters_by_name(self) -> dict[str, Tensor]:
        return dict(self._networks.state_dict())

    def load_parameters(self, parameters: Mapping[str, Tensor]) -> None:
        self._networks.load_state_dict(parameters)
