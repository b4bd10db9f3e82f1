"""The observer that learns a keep policy while the target model trains."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor

from rlsel.budget import kept_count
from rlsel.cover.settings import CoverSettings
from rlsel.policy.learning import LearningSettings, PolicySession, solve_price
from rlsel.policy.mdp import PolicySpec
from rlsel.policy.optimum import Calibration
from rlsel.policy.rewards import Behaviour, Evidence, Reward
from rlsel.randomness import stream, torch_generator
from rlsel.selectors.base import Recording
from rlsel.selectors.policy_state import StateScaler, StoredPolicy, history_columns, random_projection
from rlsel.training.observation import BatchObservation, EpochEnd


@dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """What a policy learns with; see `rlsel.selectors.rl_selector.RLSelector` for the meaning."""

    policy: PolicySpec
    reward: Reward
    cover: CoverSettings
    ratio: float
    conditioned: bool
    state: Literal["features", "features+history"]
    learning: LearningSettings
    warmup_epochs: int
    settle_passes: int
    checkpoint: Literal["last", "best_r2"]


@dataclass(frozen=True, kw_only=True)
class _Settled:
    """What a policy ended with, before any threshold was moved.

    Attributes:
        session: The learning, with networks whose threshold may have moved since.
        features: (N, D).
        parameters: Of the networks.
        seconds: That it took to settle.
    """

    session: PolicySession
    features: Tensor
    parameters: Mapping[str, Tensor]
    seconds: float


class PolicyLearner:
    """Learns which samples to keep, first beside the target training, then on the features at its end.

    It does so on the CPU wherever the target trains: its networks are small, and it ends on features kept there.
    While the target trains, the policy acts in the epochs that follow a measurement of the evidence.
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
        self._reward = settings.reward
        self._num_classes = recording.num_classes
        self._bank, self._collector = recording.bank, recording.evidence(settings.cover)
        self._session: PolicySession | None = None
        self._scaler: StateScaler | None = None
        self._columns: Tensor | None = None
        self._fresh = False
        self._evidence: Evidence | None = None
        self._kept_before: Tensor | None = None
        self._settled: dict[Reward, _Settled] = {}
        self._best: Mapping[str, Any] | None = None
        self._best_redundancy_reward = float("-inf")

    def on_batch(self, batch: BatchObservation) -> None:
        if self._session is None or self._scaler is None or not self._fresh:
            return  # the warm-up only fills the feature bank
        indices = batch.indices.cpu()
        columns = None if self._columns is None else self._columns[indices]
        self._session.decide(self._states(batch.features.cpu(), columns), indices)

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
        self._fresh = evidence is not self._evidence
        if self._fresh:
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
        self._columns = None
        if self._settings.state == "features+history":
            self._columns = history_columns(evidence).to(features.device)
        self._scaler = StateScaler.fit(
            features,
            self._projection(features.shape[1]),
            history=0 if self._columns is None else self._columns.shape[1],
            conditioned=self._settings.conditioned,
        )
        self._ready(features.device).merit = self._reward.merit(evidence).to(features.device)

    def _projection(self, size: int) -> Tensor | None:
        if self._scaler is not None:
            return self._scaler.projection
        return random_projection(size, torch_generator(self._seed, "policy", "projection"))

    def _ready(self, device: torch.device) -> PolicySession:
        """Returns the session, made when the size of the states is known."""
        if self._session is None:
            if self._scaler is None:
                raise ValueError("the features must be observed first")
            self._session = PolicySession(
                self._settings.policy.build(self._scaler.size, stream(self._seed, "policy", "parameters")),
                self._reward,
                size=self._size,
                ratio=self._settings.ratio,
                settings=self._settings.learning,
                history=self._scaler.history,
                conditioned=self._scaler.conditioned,
                generator=torch_generator(self._seed, "policy", "actions"),
                device=device,
            )
        return self._session

    @property
    def settled(self) -> bool:
        """Whether the policy has learned all that it will."""
        return self._reward in self._settled

    @property
    def settle_seconds(self) -> float:
        """Seconds that it took to settle for the rewards so far; 0 before."""
        return sum(settled.seconds for settled in self._settled.values())

    @property
    def evidence(self) -> Evidence:
        """What is known of the samples, after the policy has settled."""
        return self._now()[1]

    def settle(self, features: Tensor, behaviour: Behaviour | None) -> None:
        """Learns on the features at the end of the training.

        Args:
            features: (N, D) clean features of the trained target model, or the user's own.
            behaviour: What the training showed; None without one.
        """
        began = time.perf_counter()
        if self._session is not None:
            self._session.finish_rollout()
        self._take(features, self._collector.measured(features, behaviour))
        self._settle(features, self._settings.settle_passes, began)

    def adapt(self, stored: StoredPolicy, passes: int) -> None:
        """Starts from a stored policy and learns on the features that it was stored with.

        Args:
            stored: Of a run at another ratio.
            passes: Passes over the features.
        """
        began = time.perf_counter()
        self.warm_start(stored)
        self._settle(stored.features, passes, began)

    def warm_start(self, stored: StoredPolicy) -> None:
        """Takes the networks, the price and the evidence of a stored policy."""
        self._scaler = stored.scaler
        self._take(stored.features, stored.evidence)
        session = self._ready(stored.features.device)
        session.policy.load_parameters(stored.parameters)
        session.price = stored.price
        self._fresh = True

    def _settle(self, features: Tensor, passes: int, began: float) -> None:
        session = self._ready(features.device)
        if self._best is None:
            session.sweep(self._states(features, self._columns), passes)
        else:
            session.policy.load_state_dict(self._best)
        parameters = {name: value.clone() for name, value in session.policy.parameters_by_name().items()}
        self._settled[self._reward] = _Settled(
            session=session, features=features, parameters=parameters, seconds=time.perf_counter() - began
        )

    def turn_to(self, reward: Reward) -> None:
        """Lets the policy be that of a reward: one that has not settled for it yet learns anew on the same features."""
        settled, evidence = self._now()
        began = time.perf_counter()
        self._reward = reward
        self._session = self._settled[reward].session if reward in self._settled else None
        if self._session is None:
            self._best = None
            self._take(settled.features, evidence)
            self._settle(settled.features, self._settings.settle_passes, began)

    def _now(self) -> tuple[_Settled, Evidence]:
        """Returns what the policy settled with, and the evidence."""
        if self._evidence is None or not self.settled:
            raise ValueError("the policy must have settled first")
        return self._settled[self._reward], self._evidence

    def judge(self, ratio: float) -> Tensor:
        """Judges every sample with the policy as it settled.

        Args:
            ratio: The share to keep; only the threshold of the policy moves to it, unless it is conditioned on it.

        Returns:
            (N,) float32 keep logits, on the CPU; for a reward with a price, the share above 0 is the ratio, and they
            are as far apart as those at the optimum of the reward.
        """
        settled, evidence = self._now()
        session = settled.session
        session.policy.load_parameters(settled.parameters)  # a threshold that was moved for another ratio moves back
        states = self._states(settled.features, self._columns, ratio=ratio)
        if self._reward.priced:
            solve_price(session.policy, states, ratio)
        return self.calibration(self._reward, ratio).known(session.remember(states).cpu(), evidence)

    def calibration(self, reward: Reward, ratio: float) -> Calibration:
        """Returns how far apart the keep logits for a reward and a ratio should be."""
        return Calibration(
            reward=reward,
            entropy_weight=self._settings.policy.entropy_weight,
            ratio=ratio,
            num_classes=self._num_classes,
            size=self._size,
        )

    def _states(self, features: Tensor, columns: Tensor | None, *, ratio: float | None = None) -> Tensor:
        if self._scaler is None:
            raise ValueError("the features must be observed first")
        return self._scaler.states(features, columns, ratio=self._settings.ratio if ratio is None else ratio)

    def stored(self) -> StoredPolicy:
        """Returns the policy as it judged last, with the features that it settled on."""
        settled, evidence = self._now()
        if self._scaler is None:
            raise ValueError("the features must be observed first")
        return StoredPolicy(
            parameters=settled.session.policy.parameters_by_name(),
            scaler=self._scaler,
            price=settled.session.price,
            features=settled.features,
            evidence=evidence,
            variant=list(self._settings.reward.variants().values()).index(self._reward),
        )

    def state_dict(self) -> dict[str, Any]:
        if self._session is None or self._scaler is None or self._evidence is None:
            return {}
        return {
            "session": self._session.state_dict(),
            "scaler": {item.name: getattr(self._scaler, item.name) for item in fields(self._scaler)},
            "columns": self._columns,
            "fresh": self._fresh,
            "kept_before": self._kept_before,
            "best": self._best,
            "best_redundancy_reward": self._best_redundancy_reward,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if not state:
            return
        self._scaler = StateScaler(**state["scaler"])
        self._columns, self._fresh = state["columns"], state["fresh"]
        self._evidence = self._collector.evidence
        self._kept_before = state["kept_before"]
        self._best, self._best_redundancy_reward = state["best"], state["best_redundancy_reward"]
        self._ready(self._scaler.mean.device).load_state_dict(state["session"])


def _correlation(first: Tensor, second: Tensor) -> float:
    """Pearson correlation of two (N,) tensors; 0 where one of them is constant."""
    a, b = first.double() - first.double().mean(), second.double() - second.double().mean()
    norm = a.norm() * b.norm()
    return float(a @ b / norm) if norm > 0 else 0.0
