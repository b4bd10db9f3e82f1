"""A learned policy with its target model: judges samples that neither has seen, as no score of a training could."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from rlsel.budget import kept_count
from rlsel.data.dataset import Dataset
from rlsel.errors import CoresetError, DataError
from rlsel.models.target import ModelSpec, TargetModel
from rlsel.policy.optimum import Calibration
from rlsel.runs.target import TargetInput, load_target, load_target_input, save_target
from rlsel.selection import Made
from rlsel.selectors.base import Scores, SelectionTask
from rlsel.selectors.policy_learner import PolicyLearner
from rlsel.selectors.policy_state import StoredPolicy
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.evaluation import clean_pass


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedPolicy:
    """What a selection by RL-Selector leaves behind.

    Attributes:
        selector: The method with its settings.
        spec: The architecture of the target model.
        stored: The networks, and what they were learned on.
        model: The trained target model; None where the user brought features.
        takes: What the target model takes; None without one.
    """

    selector: RLSelector
    spec: ModelSpec
    stored: StoredPolicy
    model: TargetModel | None
    takes: TargetInput | None

    def save(self, folder: Path) -> None:
        """Writes the policy, the features that it was learned on, and the target model.

        Raises:
            StorageError: if that is not possible.
        """
        self.stored.save(folder)
        if self.model is not None and self.takes is not None:
            save_target(folder, self.model, self.takes)

    @classmethod
    def load(cls, folder: Path, selector: RLSelector, spec: ModelSpec) -> LearnedPolicy:
        """Reads what `save` wrote, with a target model.

        Raises:
            CoresetError: if a file is missing or damaged.
        """
        takes, stored = load_target_input(folder), StoredPolicy.load(folder)
        return cls(
            selector=selector.as_learned(stored),
            spec=spec,
            stored=stored,
            model=load_target(folder, spec, takes),
            takes=takes,
        )

    def features_of(self, dataset: Dataset, fabric: Fabric) -> Tensor:
        """Returns the (M, D) clean features of the candidates of a data set.

        Raises:
            CoresetError: if the policy was learned on features that the user brought.
            DataError: for images that the target model does not take.
        """
        if self.model is None or self.takes is None:
            raise CoresetError(
                "the policy must be learned on the target model's features to judge other samples, got one with "
                "features=: select without them"
            )
        self.takes.check(dataset)
        self.model.to(fabric.device)
        # the model knows images as they were normalised when it was trained
        known = replace(dataset, mean=self.takes.mean, std=self.takes.std)
        features = clean_pass(self.model, known, known.train, fabric=fabric).features
        if not torch.isfinite(features).all():
            raise DataError(
                f"features must be finite numbers, got NaN or infinity for {dataset.name}: its pixels must be of the "
                "range of those that the run was trained on"
            )
        return features

    def scores(self, features: Tensor, dataset: Dataset, ratio: float) -> Scores:
        """Returns the keep logits of the candidates of a data set for a coreset of a ratio.

        Args:
            features: (M, D), as `features_of` gives them.
            dataset: Theirs. Without labels, it is taken to have the classes that the target model knows.
            ratio: The share to keep.
        """
        known = dataset.num_classes if dataset.labelled or self.takes is None else self.takes.num_classes
        calibration = Calibration(
            reward=self.selector.reward,
            entropy_weight=self.selector.policy.entropy_weight,
            ratio=ratio,
            num_classes=known,
            size=len(features),
        )
        logits = calibration.unseen(self._judge(features, ratio), self.stored.evidence)
        return self.selector.scores(logits, features, dataset)

    def share_unmoved(self, features: Tensor, ratio: float) -> float:
        """Returns the share of samples with these (M, D) features that the policy would keep at its own threshold.

        Args:
            features: Features of any samples.
            ratio: What the policy was learned for; its threshold is the one that keeps this share of its own samples.
        """
        own = self._judge(self.stored.features, ratio)
        threshold = own.topk(kept_count(ratio, len(own))).values[-1]
        return float((self._judge(features, ratio) >= threshold).float().mean())

    def _judge(self, features: Tensor, ratio: float) -> Tensor:
        return self.stored.networks.judge(features, self.selector.policy, ratio=ratio)


def policy_of(made: Made, task: SelectionTask) -> LearnedPolicy | None:
    """Returns the policy that a selection learned; None for any other method."""
    learner, selector = made.observed.observer, made.wanted.selector
    if not isinstance(learner, PolicyLearner) or not isinstance(selector, RLSelector):
        return None
    model, stored = made.observed.model, learner.stored()
    return LearnedPolicy(
        selector=selector.as_learned(stored),
        spec=task.model,
        stored=stored,
        model=model,
        takes=None if model is None else TargetInput.of(task.dataset),
    )
