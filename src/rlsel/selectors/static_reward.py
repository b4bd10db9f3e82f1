"""The control for the learning: RL-Selector's own reward, sampled in closed form.

This selector takes the keep logits at the optimum of the reward (`rlsel.policy.optimum`) without learning anything; a
learned policy is worth its cost only where it does better.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from rlsel.checks import number_between
from rlsel.cover.duplicates import near_duplicate_groups
from rlsel.cover.settings import CoverSettings
from rlsel.errors import ConfigurationError
from rlsel.export import ExportSettings
from rlsel.policy.optimum import Calibration
from rlsel.policy.rewards import Dynamics, Reward
from rlsel.selectors.base import FINAL, Needs, Observed, Scores, SelectionTask, Uses, recording_to_use
from rlsel.selectors.evidence import EvidenceCollector, behaviour_of
from rlsel.selectors.features import selection_features


@dataclass(frozen=True, kw_only=True)
class StaticReward:
    """Samples in proportion to exp(merit / temperature); what the reward demotes comes last.

    Attributes:
        reward: The reward whose merit is taken; one with a price.
        cover: How E_c is measured.
        ratio: The share to keep; set for each coreset by whoever runs the selector.
        temperature: τ, the entropy weight of the policy that it stands for.
    """

    name: ClassVar[str] = "static_reward"
    export: ClassVar[ExportSettings] = ExportSettings(mode="sample", temperature=1.0, near_duplicates="last")
    uses: ClassVar[Uses] = Uses(target_beside_features=False)

    reward: Reward = field(default_factory=Dynamics)
    cover: CoverSettings = field(default_factory=CoverSettings)
    ratio: float = 0.7
    temperature: float = 0.5

    def __post_init__(self) -> None:
        number_between("selector.temperature", self.temperature, 0, low_open=True)
        if not self.reward.priced:
            raise ConfigurationError(
                f"selector=static_reward must go with a reward that gives credit to each sample, got reward="
                f"{self.reward.name}: use reward=cover or reward=dynamics"
            )

    def needs(self, task: SelectionTask) -> Needs:
        own_features = task.features is not None
        return Needs(
            training=not own_features,
            clean_epochs=frozenset() if own_features else frozenset({FINAL}),
            watch=lambda recording: recording_to_use(task, recording).evidence(self.cover),
        )

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        collector = observed.observer
        if not isinstance(collector, EvidenceCollector):
            raise TypeError("static_reward scores with the evidence that its needs() asked for")
        behaviour = None
        # a training that only another selector of the run asked for must not change what this one sees
        if task.features is None and observed.dynamics is not None:
            behaviour = behaviour_of(observed.dynamics, task.labels, task.dataset.num_classes)
        features = selection_features(task, observed)
        evidence = collector.measured(features, behaviour)
        calibration = Calibration(
            reward=self.reward,
            entropy_weight=self.temperature,
            ratio=self.ratio,
            num_classes=task.dataset.num_classes,
            size=len(task),
        )
        groups = near_duplicate_groups(
            features, task.labels, num_classes=task.dataset.num_classes, distance=self.cover.distance
        )
        return Scores(values=calibration.optimum(evidence), kind="logit", groups=groups)
