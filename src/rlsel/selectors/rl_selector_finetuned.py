"""RL-Selector, learned at one ratio and adapted to another (RL-Selector, section "Transfer Fine-Tuning").

The coreset is that of `rlsel finetune-ratio` on a run of `rl_selector` at the first ratio. As a selector of its own it
stands in a comparison beside the policy that is learned at each ratio from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from rlsel.checks import number_between, positive_int
from rlsel.cover.settings import CoverSettings
from rlsel.export import ExportSettings
from rlsel.policy.a2c import A2C
from rlsel.policy.mdp import PolicySpec
from rlsel.policy.rewards import Dynamics, Reward
from rlsel.selectors.base import Needs, Observed, Recording, Scores, SelectionTask, Uses, recording_to_use
from rlsel.selectors.policy_learner import PolicyLearner
from rlsel.selectors.rl_selector import RLSelector


@dataclass(frozen=True, kw_only=True)
class RLSelectorFinetuned:
    """Learns as `rl_selector` does by default, and then adapts to the ratio on the features at the end.

    Attributes:
        policy: The learner.
        reward: What a decision earns.
        cover: How E_c is measured.
        ratio: The share to keep; set for each coreset by whoever runs the selector.
        from_ratio: The share that the policy is learned for.
        epochs: Passes of fine-tuning over the features (15 in the paper).
    """

    name: ClassVar[str] = "rl_selector_finetuned"
    gives_keep_logits: ClassVar[bool] = True
    export: ClassVar[ExportSettings] = RLSelector.export
    uses: ClassVar[Uses] = Uses(target_beside_features=False)

    policy: PolicySpec = field(default_factory=A2C)
    reward: Reward = field(default_factory=Dynamics)
    cover: CoverSettings = field(default_factory=CoverSettings)
    ratio: float = 0.7
    from_ratio: float = 0.7
    epochs: int = 15

    def __post_init__(self) -> None:
        number_between("selector.from_ratio", self.from_ratio, 0, 1, low_open=True)
        positive_int("selector.epochs", self.epochs)

    def needs(self, task: SelectionTask) -> Needs:
        source = self._at(self.from_ratio)
        for_all_ratios = replace(self, ratio=self.from_ratio)

        def watch(recording: Recording) -> PolicyLearner:
            return recording.shared(
                for_all_ratios, lambda: source.learner(len(task), task.seed, recording_to_use(task, recording))
            )

        # the target's loss is weighted by a policy for the ratio of the run, not for another
        return replace(source.needs(task), watch=watch, weighs=False)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        learner = observed.observer
        if not isinstance(learner, PolicyLearner):
            raise TypeError("rl_selector_finetuned scores with the learner that its needs() asked for")
        source = self._at(self.from_ratio).score(task, observed)
        stored = learner.stored()
        # a stored price has the precision of a file, so that a fine-tuned run comes out the same
        stored = replace(stored, price=float(torch.tensor(stored.price)))
        empty = Recording(task.labels, task.dataset.num_classes)
        adapted = self._at(self.ratio).as_learned(stored).learner(len(task), task.seed, empty)
        adapted.adapt(stored, self.epochs, task.part("adapting", self))
        if adapted.warning is not None:
            task.reporter.note(adapted.warning)
        values = adapted.judge(self.ratio)
        scores = self._at(self.ratio).scores(values, stored.features, task.dataset)
        return replace(scores, shared_seconds=source.shared_seconds)

    def _at(self, ratio: float) -> RLSelector:
        return RLSelector(policy=self.policy, reward=self.reward, cover=self.cover, ratio=ratio, trials=0)
