"""How a policy settles: passes over states that do not move any more, and whether it says anything afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rlsel.policy.learning import PolicySession

_FIRST_RATE, _FINAL_RATE = 3.0, 0.1
"""Factors of the learning rate in the first and the last pass of a sweep; the first is high, as the passes are few."""

_LEAST_ENTROPY = 0.01
"""Mean entropy of keep probabilities, in nats, below which a policy that is meant to stay unsure is sure of all."""


def collapse_of(logits: Tensor, *, ratio: float, unsure: bool) -> str | None:
    """Says how a policy that has learned all that it will says nothing of single samples; None for one that does.

    Args:
        logits: (N,) keep logits, before the threshold is moved.
        ratio: The share that it learned for, in (0, 1].
        unsure: Whether its entropy is a part of what it is rewarded for.
    """
    share = float((logits > 0).float().mean())
    if float(logits.max() - logits.min()) < 1e-6:
        return "it judges all samples alike"
    if share in (0.0, 1.0) and ratio < 1:
        return f"it would keep {share:.0%} of the samples where {ratio:.0%} are wanted"
    log_keep, log_drop = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
    entropy = -float((log_keep.exp() * log_keep + log_drop.exp() * log_drop).mean())
    if unsure and entropy < _LEAST_ENTROPY:
        return f"the mean entropy of its keep probabilities is {entropy:.1g}: it is sure of every sample"
    return None


class Sweep:
    """Passes over states that do not move, in random order, while the learning rate falls linearly.

    Between two steps, its state is whole.
    """

    def __init__(self, session: PolicySession, states: Tensor, passes: int) -> None:
        """Prepares a session to learn.

        Args:
            session: What learns.
            states: (N, D).
            passes: Passes over them.
        """
        self._session, self._states, self._passes = session, states, passes
        self._pass, self._position = 0, 0
        self._order = torch.zeros(0, dtype=torch.int64)

    @property
    def done(self) -> bool:
        """Whether all passes are made."""
        return self._pass >= self._passes

    def step(self) -> None:
        """Decides on the samples of one rollout."""
        if self._position == 0:
            done = self._pass / max(1, self._passes - 1)
            self._session.policy.scale_learning_rate(_FIRST_RATE + (_FINAL_RATE - _FIRST_RATE) * done)
            self._order = self._session.draw_order(len(self._states))
        indices = self._order[self._position : self._position + self._session.rollout].to(self._states.device)
        self._session.decide(self._states[indices], indices)
        self._position += len(indices)
        if self._position == len(self._order):
            self._pass, self._position = self._pass + 1, 0
        if self.done:
            self._session.finish_rollout()

    def state_dict(self) -> dict[str, Any]:
        """Returns all that the other steps need."""
        return {
            "session": self._session.state_dict(),
            "pass": self._pass,
            "position": self._position,
            "order": self._order,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned."""
        self._session.load_state_dict(state["session"])
        self._pass, self._position, self._order = state["pass"], state["position"], state["order"]
