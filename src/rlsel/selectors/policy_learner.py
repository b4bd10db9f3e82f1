"""The observer that learns a keep policy while the target model trains."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rlsel.budget import kept_count
from rlsel.cover.neighbours import Rows
from rlsel.policy.learning import LearningSettings, PolicySession, solve_price
from rlsel.policy.optimum import Calibration
from rlsel.policy.rewards import Behaviour, Evidence, Reward
from rlsel.policy.settling import Sweep, collapse_of
from rlsel.randomness import stream, torch_generator
from rlsel.selectors.base import Recording
from rlsel.selectors.policy_state import StateScaler, StoredPolicy, history_columns, random_projection
from rlsel.selectors.whole import TOGETHER
from rlsel.training.observation import BatchObservation, EpochEnd
from rlsel.training.resuming import Checkpointing, carry_on, working_time

if TYPE_CHECKING:
    from rlsel.selectors.rl_selector import RLSelector


@dataclass(frozen=True, kw_only=True)
class _Agent:
    """A policy that has begun to learn, and what it last saw.

    Attributes:
        session: The policy itself, which goes on learning.
        scaler: How features become states.
        columns: (N, H) history of the samples in a state; None where the policy sees features only.
        evidence: What is known of the N samples.
    """

    session: PolicySession
    scaler: StateScaler
    columns: Tensor | None
    evidence: Evidence

    def states(self, features: Tensor, indices: Tensor | slice = slice(None), *, ratio: float) -> Tensor:
        """Returns the (B, S) states of the samples at (B,) positions with these (B, D) features; all N by default."""
        columns = None if self.columns is None else self.columns[indices]
        return self.scaler.states(features, columns, ratio=ratio)


@dataclass(frozen=True, kw_only=True)
class _Settled:
    """A policy that has learned all that it will, before any threshold was moved.

    Attributes:
        agent: The policy, and what it last saw of the samples.
        features: (N, D), which it settled on.
        parameters: The parameters of its networks.
        collapse: How the policy says nothing of single samples; None where it does.
        seconds: How long it took to settle.
    """

    agent: _Agent
    features: Tensor
    parameters: Mapping[str, Tensor]
    collapse: str | None
    seconds: float


class PolicyLearner:
    """Learns which samples to keep, first beside the target training, then on the features at its end.

    It does so on the CPU wherever the target trains: its networks are small, and it ends on features kept there.
    While the target trains, the policy acts in the epochs that follow a measurement of the evidence.
    """

    def __init__(
        self,
        method: RLSelector,
        learning: LearningSettings,
        *,
        size: int,
        seed: int,
        recording: Recording,
    ) -> None:
        """Prepares a learner for `size` samples.

        Args:
            method: The method, at the ratio that is learned for.
            learning: How the policy is fed.
            size: N.
            seed: The run's seed.
            recording: Sees each batch before this observer.
        """
        self._method, self._learning, self._size, self._seed = method, learning, size, seed
        self._num_classes = recording.num_classes
        self._bank, self._collector = recording.bank, recording.evidence(method.cover)
        self._agent: _Agent | None = None
        self._reward = method.reward
        self._settled: dict[Reward, _Settled] = {}
        self._fresh = False
        self._kept_before: Tensor | None = None
        self._best: Mapping[str, Any] | None = None
        self._best_redundancy_reward = float("-inf")

    def on_batch(self, batch: BatchObservation) -> None:
        agent = self._agent
        if agent is None or not self._fresh:
            return  # the warm-up only fills the feature bank
        indices = batch.indices.cpu()
        agent.session.decide(agent.states(batch.features.cpu(), indices, ratio=self._method.ratio), indices)

    def actions(self, indices: Tensor) -> Tensor:
        """Returns the (B,) newest actions at (B,) positions, on the CPU, for `training.weighting=policy`."""
        if self._agent is None:
            return torch.ones(len(indices))
        return self._agent.session.actions[indices.cpu()]

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        evidence = self._collector.evidence
        if evidence is None or end.epoch + 1 < self._method.warmup_epochs:
            return {}
        agent = self._agent
        measured = {} if agent is None else self._measure(agent, end)
        self._fresh = agent is None or evidence is not agent.evidence
        if agent is None or self._fresh:
            agent = self._take(self._bank.features.cpu(), evidence)
        remaining = 1 - (end.epoch + 1) / end.epochs
        agent.session.policy.scale_learning_rate(0.1 + 0.9 * remaining)
        return measured

    def _measure(self, agent: _Agent, end: EpochEnd) -> dict[str, float]:
        session = agent.session
        kept = kept_count(self._method.ratio, self._size)
        before = self._kept_before
        now = torch.zeros(self._size, dtype=torch.bool)
        now[session.keep_probability.topk(kept).indices.cpu()] = True
        self._kept_before = now
        measured = {"share_kept": session.share, "price": session.price, **session.meter.read()}
        measured["coverage_correlation"] = _correlation(agent.evidence.coverage, session.keep_probability.cpu())
        if before is not None:
            measured["jaccard_previous"] = float((now & before).sum() / (now | before).sum())
        inside = abs(session.share - self._method.ratio) <= 0.01
        earned = measured.get("redundancy_reward", float("-inf"))
        if self._method.checkpoint == "best_r2" and inside and earned > self._best_redundancy_reward:
            self._best_redundancy_reward = earned
            self._best = copy.deepcopy(session.policy.state_dict())  # which learning goes on to change in place
        return measured

    def _take(self, features: Tensor, evidence: Evidence, *, like: StateScaler | None = None) -> _Agent:
        """Sets what the policy sees and what it is rewarded for; an agent is made where there is none.

        Args:
            features: (N, D).
            evidence: What is known of the N samples.
            like: Gives the projection of the features; None for the one so far, or a new one.
        """
        agent = self._agent
        if like is None and agent is not None:
            like = agent.scaler
        columns = None
        if self._method.state == "features+history":
            columns = history_columns(evidence).to(features.device)
        scaler = StateScaler.fit(
            features,
            self._new_projection(features.shape[1]) if like is None else like.projection,
            history=0 if columns is None else columns.shape[1],
            conditioned=self._method.conditioned,
        )
        session = self._new_session(scaler, features.device) if agent is None else agent.session
        session.merit = self._reward.merit(evidence).to(features.device)
        self._agent = _Agent(session=session, scaler=scaler, columns=columns, evidence=evidence)
        return self._agent

    def _new_projection(self, size: int) -> Tensor | None:
        return random_projection(size, torch_generator(self._seed, "policy", "projection"))

    def _new_session(self, scaler: StateScaler, device: torch.device) -> PolicySession:
        return PolicySession(
            self._method.policy.build(scaler.size, stream(self._seed, "policy", "parameters")),
            self._reward,
            size=self._size,
            ratio=self._method.ratio,
            settings=self._learning,
            history=scaler.history,
            conditioned=scaler.conditioned,
            generator=torch_generator(self._seed, "policy", "actions"),
            device=device,
        )

    @property
    def settled(self) -> bool:
        """Whether the policy has learned all that it will."""
        return self._reward in self._settled

    @property
    def settle_seconds(self) -> float:
        """Seconds that it took to settle for the rewards so far; 0 before."""
        return sum(settled.seconds for settled in self._settled.values())

    @property
    def warning(self) -> str | None:
        """What the user should know of a policy that has settled and says nothing of single samples; None else."""
        collapse = self._as_settled().collapse
        if collapse is None:
            return None
        return (
            f"warning: the policy collapsed: {collapse}: more selector.settle_passes or training.epochs, or another "
            "policy.learning_rate may help"
        )

    @property
    def evidence(self) -> Evidence:
        """What is known of the samples, after the policy has settled."""
        return self._as_settled().agent.evidence

    def settle(self, features: Tensor, behaviour: Behaviour | None, checkpointing: Checkpointing | None = None) -> None:
        """Learns on the features at the end of the training.

        Args:
            features: (N, D) clean features of the trained target model, or the user's own.
            behaviour: What the training showed; None without one.
            checkpointing: Where interrupted work is taken up again; None for nowhere.
        """
        began = working_time(checkpointing)
        if self._agent is not None:
            self._agent.session.finish_rollout()
        agent = self._take(features, self._collector.measured(features, behaviour))
        self._settle(agent, features, self._method.settle_passes, began, checkpointing)

    def adapt(self, stored: StoredPolicy, passes: int, checkpointing: Checkpointing | None = None) -> None:
        """Starts from a stored policy and learns on the features that it was stored with.

        Args:
            stored: A policy that was learned at another ratio.
            passes: Passes over the features.
            checkpointing: Where interrupted work is taken up again; None for nowhere.
        """
        began = working_time(checkpointing)
        self._settle(self._start_from(stored), stored.features, passes, began, checkpointing)

    def warm_start(self, stored: StoredPolicy) -> None:
        """Takes the networks, the price and the evidence of a stored policy."""
        self._start_from(stored)

    def _start_from(self, stored: StoredPolicy) -> _Agent:
        agent = self._take(stored.features, stored.evidence, like=stored.scaler)
        agent.session.policy.load_parameters(stored.parameters)
        agent.session.price = stored.price
        self._fresh = True
        return agent

    def _settle(
        self, agent: _Agent, features: Tensor, passes: int, began: float, checkpointing: Checkpointing | None
    ) -> None:
        policy = agent.session.policy
        states = agent.states(features, ratio=self._method.ratio)
        if self._best is None:
            place = None
            if checkpointing is not None:
                place = checkpointing.part("settling", self._method, self._reward, self._learning, passes)
            carry_on(Sweep(agent.session, states, passes), place)
        else:
            policy.load_state_dict(self._best)
        self._settled[self._reward] = _Settled(
            agent=agent,
            features=features,
            parameters={name: value.clone() for name, value in policy.parameters_by_name().items()},
            collapse=collapse_of(
                policy.keep_logit(states), ratio=self._method.ratio, unsure=self._method.policy.entropy_weight > 0
            ),
            seconds=working_time(checkpointing) - began,
        )

    def turn_to(self, reward: Reward, checkpointing: Checkpointing | None = None) -> None:
        """Turns the settled policy to another reward: to the one that it has learned before, or learns on its features.

        Args:
            reward: One of the variants of the method's reward.
            checkpointing: Where interrupted work is taken up again; None for nowhere.
        """
        settled = self._as_settled()
        self._reward = reward
        if not self.settled:
            began = working_time(checkpointing)
            self._agent, self._best = None, None
            agent = self._take(settled.features, settled.agent.evidence, like=settled.agent.scaler)
            self._settle(agent, settled.features, self._method.settle_passes, began, checkpointing)

    def judge(self, ratio: float) -> Tensor:
        """Judges every sample with the policy as it settled.

        Args:
            ratio: The share to keep; only the threshold of the policy moves to it, unless it is conditioned on it.

        Returns:
            (N,) float32 keep logits, on the CPU; for a reward with a price, the share above 0 is the ratio, and they
            are as far apart as those at the optimum of the reward.
        """
        settled = self._as_settled()
        session = settled.agent.session
        session.policy.load_parameters(settled.parameters)  # a threshold that was moved for another ratio moves back
        states = settled.agent.states(settled.features, ratio=ratio)
        if self._reward.priced:
            solve_price(session.policy, states, ratio)
        logits = session.remember(states).cpu()
        return self.calibration(self._reward, ratio).known(logits, settled.agent.evidence)

    def judge_others(self, rows: Rows, evidence: Evidence, ratio: float) -> Tensor:
        """Judges samples of which some were learned on, with the policy as it settled.

        Args:
            rows: (M, D) features, as those that it settled on.
            evidence: What is known of the M samples.
            ratio: The share to keep.

        Returns:
            (M,) float32 keep logits, as `judge` gives them.
        """
        settled = self._as_settled()
        session = settled.agent.session
        session.policy.load_parameters(settled.parameters)
        columns = None if settled.agent.columns is None else history_columns(evidence)
        logits = torch.empty(len(rows))
        for places in torch.split(torch.arange(len(rows)), TOGETHER):
            history = None if columns is None else columns[places]
            logits[places] = session.policy.keep_logit(settled.agent.scaler.states(rows[places], history, ratio=ratio))
        if self._reward.priced:
            ordered = logits.sort(descending=True).values
            count = kept_count(ratio, len(logits))
            below = ordered[count] if count < len(ordered) else ordered[-1] - 1.0
            logits -= (ordered[count - 1] + below) / 2
        calibration = replace(self.calibration(self._reward, ratio), size=len(rows))
        return calibration.known(logits, evidence)

    def calibration(self, reward: Reward, ratio: float) -> Calibration:
        """Returns how far apart the keep logits for a reward and a ratio should be."""
        return Calibration(
            reward=reward,
            entropy_weight=self._method.policy.entropy_weight,
            ratio=ratio,
            num_classes=self._num_classes,
            size=self._size,
        )

    def stored(self) -> StoredPolicy:
        """Returns the policy as it judged last, with the features that it settled on."""
        settled = self._as_settled()
        return StoredPolicy(
            parameters=settled.agent.session.policy.parameters_by_name(),
            scaler=settled.agent.scaler,
            price=settled.agent.session.price,
            features=settled.features,
            evidence=settled.agent.evidence,
            variant=list(self._method.reward.variants().values()).index(self._reward),
        )

    def _as_settled(self) -> _Settled:
        if not self.settled:
            raise ValueError("the policy must have settled first")
        return self._settled[self._reward]

    def state_dict(self) -> dict[str, Any]:
        agent = self._agent
        if agent is None:
            return {}
        return {
            "session": agent.session.state_dict(),
            "scaler": {item.name: getattr(agent.scaler, item.name) for item in fields(agent.scaler)},
            "columns": agent.columns,
            "fresh": self._fresh,
            "kept_before": self._kept_before,
            "best": self._best,
            "best_redundancy_reward": self._best_redundancy_reward,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        evidence = self._collector.evidence
        if evidence is None and self._agent is not None:  # one that began with that of a stored policy
            evidence = self._agent.evidence
        if not state or evidence is None:  # an agent is made of the first evidence
            return
        scaler = StateScaler(**state["scaler"])
        session = self._new_session(scaler, scaler.mean.device)
        session.load_state_dict(state["session"])
        self._agent = _Agent(session=session, scaler=scaler, columns=state["columns"], evidence=evidence)
        self._fresh, self._kept_before = state["fresh"], state["kept_before"]
        self._best, self._best_redundancy_reward = state["best"], state["best_redundancy_reward"]


def _correlation(first: Tensor, second: Tensor) -> float:
    """Pearson correlation of two (N,) tensors; 0 where one of them is constant."""
    a, b = first.double() - first.double().mean(), second.double() - second.double().mean()
    norm = a.norm() * b.norm()
    return float(a @ b / norm) if norm > 0 else 0.0
