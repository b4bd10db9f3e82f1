"""RL-Selector (Yang et al., ICCV 2025, arXiv 2506.21037): a policy learns which samples to keep.

While a target model trains, its penultimate features give each sample its ε-sample cover E_c; a light actor-critic
policy sees the features and is rewarded for the share that it keeps and for the redundancy that it avoids. The choices
that the paper leaves open are listed in `rlsel/policy/README.md` under "Where we had to choose".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from torch import Tensor

from rlsel.checks import int_at_least, number_between, one_of, positive_int, refuse
from rlsel.cover.duplicates import near_duplicate_groups
from rlsel.cover.neighbours import Rows
from rlsel.cover.settings import CoverSettings
from rlsel.data.dataset import Dataset
from rlsel.errors import ConfigurationError
from rlsel.export import ExportSettings
from rlsel.models.target import TargetModel
from rlsel.policy.a2c import A2C
from rlsel.policy.label_errors import label_error_probability
from rlsel.policy.learning import LearningSettings
from rlsel.policy.mdp import PolicySpec
from rlsel.policy.rewards import Dynamics, Reward
from rlsel.provenance import Outcome
from rlsel.randomness import Streams
from rlsel.selectors.base import FINAL, Needs, Observed, Recording, Scores, SelectionTask, Uses, recording_to_use
from rlsel.selectors.evidence import behaviour_of
from rlsel.selectors.features import ModelRows, selection_features
from rlsel.selectors.policy_learner import PolicyLearner
from rlsel.selectors.policy_state import StoredPolicy
from rlsel.selectors.trials import try_variants
from rlsel.selectors.whole import evidence_of_all
from rlsel.training.loop import build_model

_ANY_RATIO = 0.5
"""What a conditioned policy is measured at while it learns, the same for every ratio that it will serve."""

_LEAST_LEARNED_RATIO = 0.5
"""A policy with a price learns for no smaller share. Where it keeps few samples, the keep probability of most is close
to 0, and there neither reward nor entropy moves a logit: those of easy samples end anywhere, while `sample` draws by
them. At the optimum the price moves all logits by the same amount, so that the threshold can move afterwards."""


@dataclass(frozen=True, kw_only=True)
class RLSelector:
    """A policy that learns which samples to keep while the target model trains.

    Attributes:
        policy: The learner.
        reward: What a decision earns.
        cover: How E_c is measured.
        ratio: The share to keep; set for each coreset by whoever runs the selector.
        state: What the policy sees: `features` as in the paper, or `features+history`, which adds the sample's mean
            cover and behaviour in training so far; concealed from half of the samples that it learns from, so that it
            can judge unseen ones too.
        rollout: Samples decided on between two updates; at most a tenth of the data set, so that a small one gives
            enough updates.
        price_rate: How far the price on keeping moves in an update for each unit of (share kept − ratio).
        warmup_epochs: Target epochs before the policy acts, at least 1: they fill the feature bank.
        settle_passes: Passes over the clean features after the target training.
        conditioned: Whether one policy learns for all ratios at once: it sees the ratio as a part of the state, and
            serves every ratio of a run.
        checkpoint: `last`, or `best_r2` as in the paper: the epoch of the highest redundancy reward among those whose
            share is within 0.01 of the ratio; without such an epoch, the last.
        trials: How often each variant of the reward is tried on the training to come, where `for_model`, `for_steps` or
            `for_epochs` names it; 0 for never.
        trial_share: Share of its steps that each try takes, in (0, 1].
    """

    name: ClassVar[str] = "rl_selector"
    gives_keep_logits: ClassVar[bool] = True
    export: ClassVar[ExportSettings] = ExportSettings(mode="sample", temperature=1.0, near_duplicates="last")
    uses: ClassVar[Uses] = Uses(target_beside_features=False)

    policy: PolicySpec = field(default_factory=A2C)
    reward: Reward = field(default_factory=Dynamics)
    cover: CoverSettings = field(default_factory=CoverSettings)
    ratio: float = 0.7
    state: Literal["features", "features+history"] = "features+history"
    rollout: int = 512
    price_rate: float = 0.05
    warmup_epochs: int = 1
    settle_passes: int = 3
    conditioned: bool = False
    checkpoint: Literal["last", "best_r2"] = "last"
    trials: int = 2
    trial_share: float = 0.25

    def __post_init__(self) -> None:
        one_of("selector.state", self.state, ("features", "features+history"))
        positive_int("selector.rollout", self.rollout)
        number_between("selector.price_rate", self.price_rate, 0)
        positive_int("selector.warmup_epochs", self.warmup_epochs)
        int_at_least("selector.settle_passes", self.settle_passes, 0)
        one_of("selector.checkpoint", self.checkpoint, ("last", "best_r2"))
        int_at_least("selector.trials", self.trials, 0)
        number_between("selector.trial_share", self.trial_share, 0, 1, low_open=True)
        if self.conditioned and not self.reward.priced:
            raise ConfigurationError(
                f"selector.conditioned=true must go with a reward that has a price, got reward={self.reward.name}: use "
                "reward=cover or reward=dynamics"
            )
        if self.conditioned and self.checkpoint != "last":
            raise ConfigurationError(
                f"selector.conditioned=true must go with selector.checkpoint=last, got {self.checkpoint}: a policy for "
                "all ratios has no epoch that meets the ratio"
            )

    def needs(self, task: SelectionTask) -> Needs:
        most = task.dataset.learn_on
        if most is not None and len(task) > most and self.cover.measure != "cover":
            remedy = f"{len(task)} samples are more than dataset.learn_on={most}"
            raise refuse("cover.measure", "cover where a policy learns on a part", self.cover.measure, remedy)
        if task.purpose is not None and self.trials:
            # a model that does not take the images is refused before any work is done
            build_model(task.purpose.model, task.dataset, Streams(seed=task.seed, names=("trial", 0)))
        own_features = task.features is not None
        return Needs(
            training=not own_features,
            clean_epochs=frozenset() if own_features else frozenset({FINAL}),
            watch=lambda recording: self._watch(task, recording),
            weighs=True,
            on_part=True,
        )

    def _watch(self, task: SelectionTask, recording: Recording) -> PolicyLearner:
        learned = replace(self, ratio=self._learned_ratio)
        return recording.shared(
            learned, lambda: learned.learner(len(task), task.seed, recording_to_use(task, recording))
        )

    @property
    def _learned_ratio(self) -> float:
        """The share that is learned for; ratios with the same one share a policy and differ in its threshold."""
        if self.conditioned:
            return _ANY_RATIO
        return max(self.ratio, _LEAST_LEARNED_RATIO) if self.reward.priced else self.ratio

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        learner = observed.observer
        if not isinstance(learner, PolicyLearner):
            raise TypeError("RL-Selector scores with the learner that its needs() asked for")
        spent_before = learner.settle_seconds
        features = selection_features(task, observed)
        if not learner.settled:
            # a training that only another selector of the run asked for must not change what this one sees
            behaviour = None
            if task.features is None and observed.dynamics is not None:
                behaviour = behaviour_of(observed.dynamics, task.labels, task.dataset.num_classes)
            learner.settle(features, behaviour, task.checkpointing)
        learner.turn_to(self.reward, task.checkpointing)
        outcome = self._try(task, learner)
        if outcome is not None:
            learner.turn_to(self.reward.variants()[outcome.chosen], task.checkpointing)
        if learner.warning is not None:
            task.reporter.note(learner.warning)
        scores = self.scores(learner.judge(self.ratio), features, task.dataset)
        return replace(scores, outcome=outcome, shared_seconds=spent_before)

    def score_all(self, task: SelectionTask, part: SelectionTask, observed: Observed) -> Scores:
        """Scores every sample by a policy that learned on a part of them.

        All are judged alike, with what can be measured of every sample at the end of the training; what is known of
        those of the part from their training would set them apart from the others.
        """
        learned = self.score(part, observed)
        learner, model = observed.observer, observed.model
        if not isinstance(learner, PolicyLearner):
            raise TypeError("RL-Selector scores with the learner that its needs() asked for")
        rows: Rows | None = task.features
        if rows is None:
            rows = ModelRows(_trained(observed), task.dataset, task.fabric)
        own = None if task.features is not None or model is None else model.head
        evidence = evidence_of_all(task, part, rows, own, self.cover)
        scores = self.scores(learner.judge_others(rows, evidence, self.ratio), rows, task.dataset)
        return replace(scores, outcome=learned.outcome, shared_seconds=learned.shared_seconds)

    def scores(self, logits: Tensor, features: Rows, dataset: Dataset) -> Scores:
        """Returns what a set is drawn by.

        Args:
            logits: (N,) keep logits of the candidates of `dataset`.
            features: (N, D) theirs, which tell near-duplicates.
            dataset: What is selected from.
        """
        groups = near_duplicate_groups(
            features, dataset.train.labels, num_classes=dataset.num_classes, distance=self.cover.distance
        )
        return Scores(values=logits, kind="logit", policy=True, groups=groups)

    def _try(self, task: SelectionTask, learner: PolicyLearner) -> Outcome | None:
        """Tries the variants of the reward on the training to come; None where the user named none."""
        if task.purpose is None or self.trials == 0 or not self.reward.priced or self.policy.entropy_weight == 0:
            return None
        evidence = learner.evidence
        logits = {
            name: learner.calibration(variant, self.ratio).optimum(evidence)
            for name, variant in self.reward.variants().items()
        }
        known = evidence.behaviour
        label_error = None if known is None else label_error_probability(known.label_p_value)
        return try_variants(
            task,
            task.purpose,
            logits,
            ratio=self.ratio,
            rounds=self.trials,
            step_share=self.trial_share,
            label_error=label_error,
        )

    def as_learned(self, stored: StoredPolicy) -> RLSelector:
        """Returns the method with the variant of its reward that a policy of it was learned for."""
        return replace(self, reward=list(self.reward.variants().values())[stored.variant])

    def learner(self, size: int, seed: int, recording: Recording) -> PolicyLearner:
        """Makes the learner of this method for `size` samples.

        Args:
            size: N.
            seed: The run's seed.
            recording: Sees each batch before the learner.
        """
        learning = LearningSettings(rollout=min(self.rollout, max(1, size // 10)), price_rate=self.price_rate)
        method = replace(self, ratio=self._learned_ratio)
        return PolicyLearner(method, learning, size=size, seed=seed, recording=recording)


def _trained(observed: Observed) -> TargetModel:
    if observed.model is None:
        raise ValueError("the selector asked for a training, but none was observed")
    return observed.model
