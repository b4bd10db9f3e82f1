"""Distributions of an action given the actor's outputs: Bernoulli over {drop, keep}, or Beta over (0, 1)."""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

_EDGE = 1e-6  # the density of a Beta is minus infinity in float32 at 0 and 1


class ActionDistribution(Protocol):
    """How an action is drawn from the (B, `outputs`) outputs of an actor."""

    outputs: ClassVar[int]
    """Numbers that the actor gives for each sample."""

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """Draws (B,) actions in [0, 1]."""
        ...

    def log_probability(self, parameters: Tensor, actions: Tensor) -> Tensor:
        """Returns the (B,) log probabilities (or densities) of the actions."""
        ...

    def entropy(self, parameters: Tensor) -> Tensor:
        """Returns the (B,) entropies."""
        ...

    def keep_logit(self, parameters: Tensor) -> Tensor:
        """Returns the (B,) logits of the mean action."""
        ...

    def shift(self, amount: float) -> list[float]:
        """Returns what to add to the bias of each output so that every keep logit grows by about `amount`."""
        ...


class Bernoulli:
    """Keep with probability σ(z): discrete, with an exact log probability."""

    outputs: ClassVar[int] = 1

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        uniform = torch.rand(len(parameters), generator=generator).to(parameters.device)
        return (uniform < torch.sigmoid(parameters[:, 0])).to(parameters.dtype)

    def log_probability(self, parameters: Tensor, actions: Tensor) -> Tensor:
        return -binary_cross_entropy_with_logits(parameters[:, 0], actions, reduction="none")

    def entropy(self, parameters: Tensor) -> Tensor:
        logit = parameters[:, 0]
        keep = torch.sigmoid(logit)
        return -(keep * logsigmoid(logit) + (1 - keep) * logsigmoid(-logit))

    def keep_logit(self, parameters: Tensor) -> Tensor:
        return parameters[:, 0]

    def shift(self, amount: float) -> list[float]:
        return [amount]


class Beta:
    """A score from Beta(α, β) with α, β > 1, one peak; the keep probability is its mean α / (α + β)."""

    outputs: ClassVar[int] = 2

    def sample(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (1,), generator=generator))
        devices = [parameters.device] if parameters.device.type == "cuda" else []
        # torch draws from a Beta with its global generator only
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)  # noqa: TID251 - of the borrowed global state
            return self._distribution(parameters).sample().clamp(_EDGE, 1 - _EDGE)

    def log_probability(self, parameters: Tensor, actions: Tensor) -> Tensor:
        return self._distribution(parameters).log_prob(actions.clamp(_EDGE, 1 - _EDGE))  # type: ignore[no-any-return, no-untyped-call]

    def entropy(self, parameters: Tensor) -> Tensor:
        return self._distribution(parameters).entropy()  # type: ignore[no-any-return, no-untyped-call]

    def keep_logit(self, parameters: Tensor) -> Tensor:
        alpha, beta = (softplus(parameters) + 1).unbind(dim=1)
        return alpha.log() - beta.log()

    def shift(self, amount: float) -> list[float]:
        return [amount, -amount]

    def _distribution(self, parameters: Tensor) -> torch.distributions.Beta:
        alpha, beta = (softplus(parameters) + 1).unbind(dim=1)
        return torch.distributions.Beta(alpha, beta, validate_args=False)


DistributionName = Literal["bernoulli", "beta"]


def distribution(name: DistributionName) -> ActionDistribution:
    """Returns the distribution of that name."""
    return Bernoulli() if name == "bernoulli" else Beta()
