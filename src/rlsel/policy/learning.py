"""How a policy learns which samples to keep: acting, being rewarded, updating, and moving the price on keeping.

A `PolicySession` knows N samples by position, and neither images nor epochs. It keeps a memory of the newest keep
probability of each sample; the share of that memory above one half is what the ratio is compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlsel.budget import kept_count
from rlsel.policy.mdp import Decision, Experience, Policy
from rlsel.policy.rewards import Account, Reward


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """How a policy is fed.

    Attributes:
        rollout: Samples that are decided on between two updates.
        price_rate: How far the price moves in an update for each unit of (share kept − ratio).
    """

    rollout: int
    price_rate: float


class Meter:
    """Means of what was measured since the last reading."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, float]) -> None:
        """Takes one measurement of each named value."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def read(self) -> dict[str, float]:
        """Returns the mean of each value and starts anew."""
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means


def ratio_column(ratio: Tensor) -> Tensor:
    """Returns how a state tells the policy the share to keep: half the log-odds, for any shape of shares in [0, 1]."""
    return torch.logit(ratio, eps=1e-3) / 2


def solve_price(policy: Policy, states: Tensor, ratio: float, *, rounds: int = 30) -> None:
    """Shifts a policy so that the share of its keep logits above 0 becomes the ratio.

    A change of the price moves every keep logit by the same amount at the optimum, so that the price which meets the
    ratio is a quantile of the logits. More than one round is needed only where the shift is not exact (Beta).

    Args:
        policy: Shifted in place.
        states: (N, D).
        ratio: The share to keep, in (0, 1].
        rounds: Most rounds.
    """
    count = kept_count(ratio, len(states))
    for _ in range(rounds):
        logits = policy.keep_logit(states)
        if int((logits > 0).sum()) == count:
            return
        ordered = logits.sort(descending=True).values
        below = ordered[count] if count < len(ordered) else ordered[-1] - 1.0
        policy.shift_keep_logit(-0.5 * float(ordered[count - 1] + below))


class PolicySession:
    """A policy that is learning on N samples.

    Attributes:
        policy: What learns.
        price: The price on keeping; stays 0 for a reward that has none, and where it depends on the ratio.
        keep_probability: (N,) memory of the newest keep probability of each sample, one half at first.
        actions: (N,) memory of the newest action, 1 at first.
        meter: Rewards, losses and entropy since it was last read.
    """

    def __init__(
        self,
        policy: Policy,
        reward: Reward,
        *,
        size: int,
        ratio: float,
        settings: LearningSettings,
        generator: torch.Generator,
        device: torch.device,
        history: int = 0,
        conditioned: bool = False,
    ) -> None:
        """Begins to learn.

        Args:
            policy: What learns.
            reward: What a decision earns.
            size: N.
            ratio: The share to keep.
            settings: How the policy is fed.
            generator: Draws actions, orders and what is concealed.
            device: Where the states are.
            history: Columns of a state, the last ones but for the ratio, that are 0 for a random half of the samples
                whenever the policy learns from them: it has to know samples without a history too.
            conditioned: Whether the last column of a state is the ratio (`ratio_column`). The policy then learns for
                all ratios at once: each sample that it decides on gets a ratio at random, and the price that would
                keep this share of the merits.
        """
        self.policy = policy
        self._reward, self._ratio, self._settings, self._generator = reward, ratio, settings, generator
        self._history, self._conditioned = history, conditioned
        self.price = 0.0
        self.merit = torch.zeros(size, device=device)
        self.keep_probability = torch.full((size,), 0.5, device=device)
        self.actions = torch.ones(size, device=device)
        self.meter = Meter()
        self._pending: list[Experience] = []

    @property
    def merit(self) -> Tensor:
        """(N,) what keeping each sample is worth now."""
        return self._merit

    @merit.setter
    def merit(self, merit: Tensor) -> None:
        self._merit = merit
        if self._conditioned:
            self._ordered_merit = merit.sort().values

    @property
    def share(self) -> float:
        """Share of the remembered keep probabilities above one half."""
        return self._account(self.price).share

    def _account(self, price: float | Tensor) -> Account:
        return Account(keep_probability=self.keep_probability, all_merits=self.merit, ratio=self._ratio, price=price)

    def decide(self, states: Tensor, indices: Tensor) -> Tensor:
        """Acts on a batch, books the rewards, and learns whenever a rollout is full.

        Args:
            states: (B, D) of the samples.
            indices: (B,) their positions.

        Returns:
            (B,) actions in [0, 1].
        """
        states, price = self._to_learn_from(states)
        self._close_previous(states)
        decision = self.policy.act(states, self._generator)
        self.keep_probability[indices] = decision.keep_probabilities
        self.actions[indices] = decision.actions
        self._pending.append(self._experience(states, indices, decision, price))
        return decision.actions

    def _to_learn_from(self, states: Tensor) -> tuple[Tensor, float | Tensor]:
        """Returns the states as the policy sees them while it learns, and the price on keeping them."""
        price: float | Tensor = self.price
        states = states.clone()
        end = states.shape[1]
        if self._conditioned:
            ratios = self._drawn(states)
            place = ((1 - ratios) * len(self._ordered_merit)).long()
            price = self._ordered_merit[place.clamp_max(len(self._ordered_merit) - 1)]
            end -= 1
            states[:, end] = ratio_column(ratios)
        if self._history:
            states[self._drawn(states) < 0.5, end - self._history : end] = 0
        return states, price

    def _drawn(self, states: Tensor) -> Tensor:
        return torch.rand(len(states), generator=self._generator).to(states.device)

    def _experience(self, states: Tensor, indices: Tensor, decision: Decision, price: float | Tensor) -> Experience:
        account = self._account(price)
        merit = self.merit[indices]
        rewards = self._reward.reward(merit, decision.actions, account)
        self.meter.add({"reward": rewards.mean().item(), "redundancy_reward": (merit * decision.actions).mean().item()})
        return Experience(
            states=states,
            actions=decision.actions,
            log_probabilities=decision.log_probabilities,
            returns=rewards,
        )

    def _close_previous(self, next_states: Tensor | None) -> None:
        """Adds γ V(s') to the newest returns and updates if the rollout is full; there is no s' at the horizon."""
        if not self._pending:
            return
        if self.policy.gamma > 0 and next_states is not None:
            newest = self._pending[-1]
            newest.returns.add_(self.policy.gamma * self.policy.value(next_states).mean())
        if next_states is None or sum(len(item.returns) for item in self._pending) >= self._settings.rollout:
            self._learn()

    def _learn(self) -> None:
        items, self._pending = self._pending, []
        update = self.policy.update(
            Experience(
                states=torch.cat([item.states for item in items]),
                actions=torch.cat([item.actions for item in items]),
                log_probabilities=torch.cat([item.log_probabilities for item in items]),
                returns=torch.cat([item.returns for item in items]),
            ),
            self._generator,
        )
        if self._reward.priced and not self._conditioned:
            self.price += self._settings.price_rate * (self.share - self._ratio)
        self.meter.add({"actor_loss": update.actor_loss, "critic_loss": update.critic_loss, "entropy": update.entropy})

    def finish_rollout(self) -> None:
        """Learns from what is pending: the end of the horizon."""
        self._close_previous(None)

    @property
    def rollout(self) -> int:
        """Samples that are decided on between two updates."""
        return self._settings.rollout

    def draw_order(self, size: int) -> Tensor:
        """Returns (N,) positions in random order, on the CPU."""
        return torch.randperm(size, generator=self._generator)

    def remember(self, states: Tensor) -> Tensor:
        """Puts the keep probabilities of the (N, D) states into the memory and returns their (N,) logits."""
        logits = self.policy.keep_logit(states).float()
        self.keep_probability = torch.sigmoid(logits)
        return logits

    def state_dict(self) -> dict[str, Any]:
        """Returns all that learning goes on from."""
        return {
            "policy": self.policy.state_dict(),
            "price": self.price,
            "merit": self.merit,
            "keep_probability": self.keep_probability,
            "actions": self.actions,
            "generator": self._generator.get_state(),
            "pending": [[item.states, item.actions, item.log_probabilities, item.returns] for item in self._pending],
            "meter": [dict(self.meter._sums), dict(self.meter._counts)],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned."""
        self.policy.load_state_dict(state["policy"])
        self.price = state["price"]
        self.merit, self.keep_probability, self.actions = state["merit"], state["keep_probability"], state["actions"]
        self._generator.set_state(state["generator"])
        self._pending = [
            Experience(states=states, actions=actions, log_probabilities=log_probabilities, returns=returns)
            for states, actions, log_probabilities, returns in state["pending"]
        ]
        self.meter._sums, self.meter._counts = (dict(part) for part in state["meter"])
