"""The observer that learns a keep policy while the target model trains."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from rlsel.budget import kept_count
from rlsel.cover.settings import CoverSettings
from rlsel.policy.learning import LearningSettings, PolicySession
from rlsel.policy.mdp import PolicySpec
from rlsel.policy.rewards import Behaviour, Evidence, Reward
from rlsel.randomness import stream, torch_generator
from rlsel.selectors.base import Recording
from rlsel.selectors.policy_state import PolicyNetworks, StateScaler, StoredPolicy, random_projection
from rlsel.training.observation import BatchObservation, EpochEnd

_FEW_PASSES_RATE = 3.0
"""Factor of the learning rate at first, where a policy has few passes: three are then as good as five without it."""


@dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """What a policy learns with; see `rlsel.selectors.rl_selector.RLSelector` for the meaning."""

    policy: PolicySpec
    reward: Reward
    cover: CoverSettings
    ratio: float
    state: Literal["features", "features+history"]
    learning: LearningSettings
    warmup_epochs: int
    settle_passes: int
    checkpoint: Literal["last", "best_r2"]


class PolicyLearner:
    """Learns which samples to keep, first beside the target training, then on the features at its end.

    It does so on the CPU wherever the target trains: its networks are small, and it ends on features kept there.

    Attributes:
        for_unseen: The policy that `learn_for_unseen` learned; None before.
    """

    def __init__(
        self,
        settings: LearnerSettings,
        *,
        size: int,
        seed: int,
        recording: Recording,
    ) -> None:
        """Prepares a learner for `size` samples.

        Args:
            settings: The method.
            size: N.
            seed: The run's seed.
            recording: Sees each batch before this observer.
        """
        self._settings, self._size, self._seed = settings, size, seed
        self.for_unseen: PolicyNetworks | None = None
        self._bank, self._collector = recording.bank, recording.evidence(settings.cover)
        self._session: PolicySession | None = None
        self._scaler: StateScaler | None = None
        self._columns: Tensor | None = None
        self._evidence: Evidence | None = None
        self._kept_before: Tensor | None = None
        self._settled_on: Tensor | None = None
        self._best: Mapping[str, Any] | None = None
        self._best_redundancy_reward = float("-inf")

    def on_batch(self, batch: BatchObservation) -> None:
        if self._session is None or self._scaler is None:
            return  # the warm-up only fills the feature bank
        indices = batch.indices.cpu()
        columns = None if self._columns is None else self._columns[indices]
        self._session.decide(self._scaler.states(batch.features.cpu(), columns), indices)

    def actions(self, indices: Tensor) -> Tensor:
        """Returns the (B,) newest actions at (B,) positions, on the CPU, for `training.weighting=policy`."""
        if self._session is None:
            return torch.ones(len(indices))
        return self._session.actions[indices.cpu()]

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        evidence = self._collector.evidence
        if evidence is None or end.epoch + 1 < self._settings.warmup_epochs:
            return {}
        measured = {} if self._session is None else self._measure(self._session, end)
        if evidence is not self._evidence:
            self._take(self._bank.features.cpu(), evidence)
        remaining = 1 - (end.epoch + 1) / end.epochs
        self._ready(torch.device("cpu")).policy.scale_learning_rate(0.1 + 0.9 * remaining)
        return measured

    def _measure(self, session: PolicySession, end: EpochEnd) -> dict[str, float]:
        kept = kept_count(self._settings.ratio, self._size)
        before = self._kept_before
        now = torch.zeros(self._size, dtype=torch.bool)
        now[session.keep_probability.topk(kept).indices.cpu()] = True
        self._kept_before = now
        measured = {"share_kept": session.share, "price": session.price, **session.meter.read()}
        if self._evidence is not None:
            measured["coverage_correlation"] = _correlation(self._evidence.coverage, session.keep_probability.cpu())
        if before is not None:
            measured["jaccard_previous"] = float((now & before).sum() / (now | before).sum())
        inside = abs(session.share - self._settings.ratio) <= 0.01
        earned = measured.get("redundancy_reward", float("-inf"))
        if self._settings.checkpoint == "best_r2" and inside and earned > self._best_redundancy_reward:
            self._best_redundancy_reward = earned
            self._best = copy.deepcopy(session.policy.state_dict())  # which learning goes on to change in place
        return measured

    def _take(self, features: Tensor, evidence: Evidence) -> None:
        """Sets what the policy sees and what it is rewarded for."""
        self._evidence = evidence
        self._scaler = StateScaler.fit(features, self._projection(features.shape[1]))
        self._columns = None
        if self._settings.state == "features+history":
            self._columns = evidence.columns().to(features.device)
        self._ready(features.device).merit = self._settings.reward.merit(evidence).to(features.device)

    def _projection(self, size: int) -> Tensor | None:
        if self._scaler is not None:
            return self._scaler.projection
        return random_projection(size, torch_generator(self._seed, "policy", "projection"))

    def _ready(self, device: torch.device) -> PolicySession:
        """Returns the session, made when the size of the states is known."""
        if self._session is None:
            if self._scaler is None:
                raise ValueError("the features must be observed first")
            size = len(self._scaler.mean) + (0 if self._columns is None else self._columns.shape[1])
            self._session = self._new_session(size, device, "policy")
        return self._session

    def _new_session(self, state_size: int, device: torch.device, *names: str) -> PolicySession:
        return PolicySession(
            self._settings.policy.build(state_size, stream(self._seed, *names, "parameters")),
            self._settings.reward,
            size=self._size,
            ratio=self._settings.ratio,
            settings=self._settings.learning,
            generator=torch_generator(self._seed, *names, "actions"),
            device=device,
        )

    def finish(self, features: Tensor, behaviour: Behaviour | None) -> Tensor:
        """Settles on the features at the end of the training, and judges every sample.

        Args:
            features: (N, D) clean features of the trained target model, or the user's own.
            behaviour: What the training showed; None without one.

        Returns:
            (N,) float32 keep logits, on the CPU; for a reward with a price, the share above 0 is the ratio.
        """
        if self._session is not None:
            self._session.finish_rollout()
        self._take(features, self._collector.measured(features, behaviour))
        return self._settle(features, self._settings.settle_passes)

    def adapt(self, stored: StoredPolicy, passes: int) -> Tensor:
        """Starts from a stored policy and settles on the features that it was stored with.

        Args:
            stored: Of a run at another ratio.
            passes: Passes over the features.

        Returns:
            (N,) float32 keep logits, as of `finish`.
        """
        self.warm_start(stored)
        return self._settle(stored.features, passes)

    def warm_start(self, stored: StoredPolicy) -> None:
        """Takes the networks, the price and the evidence of a stored policy."""
        self._scaler = stored.scaler
        self._take(stored.features, stored.evidence)
        session = self._ready(stored.features.device)
        session.policy.load_parameters(stored.parameters)
        session.price = stored.price

    def _settle(self, features: Tensor, passes: int) -> Tensor:
        session = self._ready(features.device)
        states = self.states(features)
        if self._best is None:
            session.sweep(states, passes)
        else:
            session.policy.load_state_dict(self._best)
        if self._settings.reward.priced:
            session.solve_price(states)
        self._settled_on = features
        return session.remember(states).cpu()

    def learn_for_unseen(self, passes: int) -> None:
        """Learns a second policy of the same kind that sees the features only, as an unseen sample has no history.

        It draws from streams of its own, and changes nothing of what `finish` returned.

        Args:
            passes: Passes over the features that the first policy settled on.
        """
        if self._scaler is None or self._evidence is None or self._settled_on is None:
            raise ValueError("the policy must have settled first")
        states = self._scaler.states(self._settled_on, None)
        session = self._new_session(states.shape[1], states.device, "policy", "unseen")
        session.merit = self._settings.reward.merit(self._evidence).to(states.device)
        session.sweep(states, passes, first_rate=_FEW_PASSES_RATE)
        if self._settings.reward.priced:
            session.solve_price(states)
        parameters = session.policy.parameters_by_name()
        self.for_unseen = PolicyNetworks(parameters=parameters, scaler=self._scaler, price=session.price)

    def states(self, features: Tensor) -> Tensor:
        """Returns the (N, S) states of all samples with these (N, D) features."""
        if self._scaler is None:
            raise ValueError("the features must be observed first")
        return self._scaler.states(features, self._columns)

    def stored(self) -> StoredPolicy:
        """Returns the policy as `finish` left it, with the features that it settled on."""
        if self._session is None or self._scaler is None or self._evidence is None or self._settled_on is None:
            raise ValueError("the policy must have settled first")
        return StoredPolicy(
            parameters=self._session.policy.parameters_by_name(),
            scaler=self._scaler,
            price=self._session.price,
            features=self._settled_on,
            evidence=self._evidence,
        )

    def state_dict(self) -> dict[str, Any]:
        if self._session is None or self._scaler is None or self._evidence is None:
            return {}
        return {
            "session": self._session.state_dict(),
            "scaler": [self._scaler.mean, self._scaler.deviation, self._scaler.projection],
            "columns": self._columns,
            "kept_before": self._kept_before,
            "best": self._best,
            "best_redundancy_reward": self._best_redundancy_reward,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if not state:
            return
        mean, deviation, projection = state["scaler"]
        self._scaler = StateScaler(mean=mean, deviation=deviation, projection=projection)
        self._columns = state["columns"]
        self._evidence = self._collector.evidence
        self._kept_before = state["kept_before"]
        self._best, self._best_redundancy_reward = state["best"], state["best_redundancy_reward"]
        self._ready(mean.device).load_state_dict(state["session"])


def _correlation(first: Tensor, second: Tensor) -> float:
    """Pearson correlation of two (N,) tensors; 0 where one of them is constant."""
    a, b = first.double() - first.double().mean(), second.double() - second.double().mean()
    norm = a.norm() * b.norm()
    return float(a @ b / norm) if norm > 0 else 0.0
