"""A learned policy with its target model: judges samples that neither has seen, as no score of a training could."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from rlsel.budget import kept_count
from rlsel.data.dataset import Dataset
from rlsel.errors import ConfigurationError, CoresetError, DataError
from rlsel.models.target import ModelSpec, TargetModel
from rlsel.policy.optimum import Calibration
from rlsel.provenance import Provenance
from rlsel.runs.reader import Run
from rlsel.runs.settings import RunSettings
from rlsel.runs.target import TargetInput, save_target
from rlsel.selection import Made
from rlsel.selectors.base import Scores, SelectionTask, Selector
from rlsel.selectors.policy_learner import PolicyLearner
from rlsel.selectors.policy_state import StoredPolicy
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.evaluation import clean_pass
from rlsel.training.fabric import Fabric
from rlsel.training.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedPolicy:
    """What a selection by RL-Selector leaves behind.

    Attributes:
        selector: The method with its settings.
        spec: The architecture of the target model.
        training: How the target model was trained.
        stored: The networks, and what they were learned on.
        model: The trained target model; None where the user brought features.
        takes: What the target model takes; None without one.
    """

    selector: RLSelector
    spec: ModelSpec
    training: TrainingSettings
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
    def load(cls, run: Run, selector: RLSelector, settings: RunSettings) -> LearnedPolicy:
        """Reads what `save` wrote, with a target model.

        Args:
            run: The finished run.
            selector: The method, as it was run.
            settings: The model and the training, as they were run.

        Raises:
            CoresetError: if a file is missing or damaged.
        """
        stored = run.finished_policy()
        return cls(
            selector=selector.as_learned(stored),
            spec=settings.model,
            training=settings.training,
            stored=stored,
            model=run.target_model(settings.model),
            takes=run.target,
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
            dataset: What they were computed of. Without labels, it is taken to have the classes that the target model
                knows.
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


def judging_selector(run: Run, selector: Selector) -> tuple[RLSelector, Provenance]:
    """Checks that a run holds a policy that can judge other samples.

    Args:
        run: The run.
        selector: The method of its settings.

    Returns:
        The method, and where the coreset of the run comes from.

    Raises:
        ConfigurationError: if the method has no policy.
        CoresetError: if the run is not finished, or its policy was adapted, or learned on features that the user
            brought.
    """
    if not isinstance(selector, RLSelector):
        raise ConfigurationError(
            f"run must be a select run of a policy, got one of selector={selector.name}: a score says nothing of "
            "samples that it was not made for, score the new data anew"
        )
    recorded = run.finished_coreset().provenance
    if recorded.parent is not None:
        raise CoresetError(
            f"run must be a select run, got {str(run.folder)!r}: give the one that it began with, {recorded.parent}"
        )
    if recorded.selector.settings.get("features") is not None:
        raise CoresetError(
            "run must be a select run on the target model's features, got one with features=: its policy cannot "
            "compute those of other samples, select without features="
        )
    return selector, recorded


def policy_of(made: Made, task: SelectionTask) -> LearnedPolicy | None:
    """Returns the policy that a selection learned; None for any other method."""
    learner, selector = made.observed.observer, made.wanted.selector
    if not isinstance(learner, PolicyLearner) or not isinstance(selector, RLSelector):
        return None
    model, stored = made.observed.model, learner.stored()
    return LearnedPolicy(
        selector=selector.as_learned(stored),
        spec=task.model,
        training=task.training,
        stored=stored,
        model=model,
        takes=None if model is None else TargetInput.of(task.dataset),
    )
