"""Data selection as a Markov decision process (RL-Selector, section "RL-driven selection policy"), in one place.

    paper   here
    S       state of a sample: its penultimate feature, standardised, and what else is known of it; (D,)
    A       action a_i of a sample: 0 drops and 1 keeps it (Bernoulli), or a score in (0, 1) (Beta); the paper's π_i
    P       the next state is the next batch of the target training: it does not depend on the action
    R       `rlsel.policy.rewards`, one number for each sample
    γ       0 by default, since the action does not touch what comes next; an option of each policy
    T       the horizon: the batches of one target training

A policy says with what logit it keeps a sample; 0 is the paper's threshold of one half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a policy did with a batch; no tensor carries a gradient.

    Attributes:
        actions: (B,) in [0, 1].
        log_probabilities: (B,) log probability of each action under the policy that took it.
        keep_probabilities: (B,) probability of keeping each sample, in (0, 1), whichever action was then drawn.
    """

    actions: Tensor
    log_probabilities: Tensor
    keep_probabilities: Tensor


@dataclass(frozen=True, kw_only=True)
class Experience:
    """Decisions and what came of them.

    Attributes:
        states: (B, D).
        actions: (B,) in [0, 1].
        log_probabilities: (B,) log probability of each action under the policy that took it.
        returns: (B,) rewards, plus γ times the value of the next batch.
    """

    states: Tensor
    actions: Tensor
    log_probabilities: Tensor
    returns: Tensor


@dataclass(frozen=True, kw_only=True)
class Update:
    """What a policy measured while it learned from an experience.

    Attributes:
        actor_loss: Loss of the actor; that of the action values for DQN.
        critic_loss: Mean squared advantage; 0 for DQN.
        entropy: Mean entropy of the decisions.
    """

    actor_loss: float
    critic_loss: float
    entropy: float


class Policy(Protocol):
    """Decides which samples to keep and learns from what comes of it."""

    @property
    def gamma(self) -> float:
        """The discount of the next batch's value, in [0, 1)."""
        ...

    def act(self, states: Tensor, generator: torch.Generator) -> Decision:
        """Draws an action for each of the (B, D) states."""
        ...

    def value(self, states: Tensor) -> Tensor:
        """Returns the (B,) expected returns of the (B, D) states, without a gradient."""
        ...

    def update(self, experience: Experience, generator: torch.Generator) -> Update:
        """Learns from an experience."""
        ...

    def keep_logit(self, states: Tensor) -> Tensor:
        """Returns the (B,) float32 logits of keeping the (B, D) states: deterministic, 0 = undecided."""
        ...

    def shift_keep_logit(self, amount: float) -> None:
        """Adds a constant to every keep logit: the effect of a lower price on keeping."""
        ...

    def scale_learning_rate(self, factor: float) -> None:
        """Sets the learning rate to `factor` times its initial value."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Returns all that learning goes on from."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned."""
        ...

    def parameters_by_name(self) -> dict[str, Tensor]:
        """Returns the parameters of the networks, for a file that others read."""
        ...

    def load_parameters(self, parameters: Mapping[str, Tensor]) -> None:
        """Takes parameters that `parameters_by_name` returned, with a fresh optimiser."""
        ...


class PolicySpec(Protocol):
    """The hyperparameters of a policy: a frozen dataclass that builds it."""

    name: ClassVar[str]
    """The name on the command line and in `conf/policy/`."""

    @property
    def entropy_weight(self) -> float:
        """τ: what keeping earns, divided by τ, is the keep logit at the optimum; 0 for a policy that is always sure."""
        ...

    def build(self, state_size: int, seed: int) -> Policy:
        """Builds the policy for (B, `state_size`) states, with parameters from the given stream seed."""
        ...
