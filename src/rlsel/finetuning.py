"""A learned policy, adapted to another ratio (RL-Selector, section "Transfer fine-tuning")."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rlsel.applying import LearnedPolicy
from rlsel.data.dataset import Dataset
from rlsel.errors import CoresetError
from rlsel.models.target import TargetModel
from rlsel.randomness import Streams
from rlsel.runs.reader import Run
from rlsel.runs.settings import RunSettings
from rlsel.runs.target import TargetInput
from rlsel.selectors.base import Recording, Scores
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.evaluation import clean_pass
from rlsel.training.fabric import Fabric
from rlsel.training.loop import Progress, Training
from rlsel.training.observation import Callbacks, Observer
from rlsel.training.reporting import Reporter
from rlsel.training.resuming import Checkpointing

CONTINUED_RATE = 0.01
"""The share of the peak learning rate that a continued target training goes on with: it had come to its end."""

OnEpoch = Callable[[Mapping[str, float]], None]
"""Told what an epoch of the continued target training measured."""


@dataclass(frozen=True, kw_only=True)
class Finetuning:
    """How the policy of a run is adapted.

    Attributes:
        run: The finished run of the policy.
        settings: Data, model, training and seed.
        epochs: Passes of fine-tuning.
        features: `saved` uses the features that the run stored; `continued` goes on training its target model.
    """

    run: Run
    settings: RunSettings
    epochs: int
    features: Literal["saved", "continued"]

    def check(self) -> None:
        """Refuses a run without a policy, or without the target model whose features it was learned on.

        Raises:
            CoresetError: in those cases, if the policy learned on a part of the samples, and if the run is not finished
                or a file of it is damaged.
        """
        learned, candidates = len(self.run.finished_policy().features), len(self.run.finished_coreset().candidates)
        if learned != candidates:
            raise CoresetError(
                f"run must be one whose policy learned on all {candidates} samples, got one that learned on {learned} "
                "of them (dataset.learn_on): select at the other ratio too, ratio=[0.3,0.5] shares one training"
            )
        if self.features == "continued":
            _require_own_target(self.run)
            self.run.target_model(self.settings.model)  # read before anything is told

    def adapt(
        self,
        selector: RLSelector,
        dataset: Dataset,
        *,
        fabric: Fabric,
        reporter: Reporter,
        on_epoch: OnEpoch,
        checkpointing: Checkpointing,
    ) -> tuple[Scores, LearnedPolicy]:
        """Adapts the policy to the ratio of a selector.

        Args:
            selector: The method, for the new ratio.
            dataset: What the run selected from.
            fabric: The device and the precision.
            reporter: Told the progress.
            on_epoch: Told what each epoch of a continued training measured.
            checkpointing: Where interrupted work is taken up again.

        Returns:
            The keep logits of the candidates, and the adapted policy.
        """
        stored, model = self.run.finished_policy(), None
        recording = Recording(dataset.train.labels, dataset.num_classes)
        learner = selector.learner(len(dataset.train), self.settings.seed, recording)
        if self.features == "saved":
            learner.adapt(stored, self.epochs, checkpointing)
        else:
            learner.warm_start(stored)
            model = self._continue(dataset, [*recording.observers, learner], fabric, reporter, on_epoch, checkpointing)
            features = clean_pass(model, dataset, dataset.train, fabric=fabric).features
            learner.settle(features, stored.evidence.behaviour, checkpointing)
        if learner.warning is not None:
            reporter.note(learner.warning)
        logits, adapted = learner.judge(selector.ratio), learner.stored()
        return selector.scores(logits, adapted.features, dataset), LearnedPolicy(
            selector=selector,
            spec=self.settings.model,
            training=self.settings.training,
            stored=adapted,
            model=model,
            takes=None if model is None else TargetInput.of(dataset),
        )

    def _continue(
        self,
        dataset: Dataset,
        observers: Sequence[Observer],
        fabric: Fabric,
        reporter: Reporter,
        on_epoch: OnEpoch,
        checkpointing: Checkpointing,
    ) -> TargetModel:
        """Goes on training the run's target model at its final learning rate, watched by the learner."""
        source = self.settings
        progress = Progress(
            reporter=reporter,
            title=f"target {source.model.name}, continued",
            on_epoch=lambda record: on_epoch(record.row),
        )
        return Training(
            self.run.target_model(source.model),
            dataset,
            split=dataset.train,
            settings=replace(
                source.training,
                epochs=self.epochs,
                steps=None,
                learning_rate=CONTINUED_RATE * source.training.learning_rate,
                schedule="constant",
                warmup=0.0,
                weighting="none",
            ),
            fabric=fabric,
            streams=Streams(seed=source.seed, names=("target", "continued")),
            progress=progress,
            callbacks=Callbacks(observers=observers),
            checkpointing=checkpointing,
        ).run()


def _require_own_target(run: Run) -> None:
    provenance = run.finished_coreset().provenance
    features = provenance.selector.settings.get("features")
    if features == "saved":
        raise CoresetError(
            f"run must hold a target model for features=continued, got {str(run.folder)!r}, made with features=saved: "
            f"give the run that it began with, {provenance.parent}"
        )
    if features not in (None, "continued"):
        raise CoresetError(
            f"run must be learned on its target model's features for features=continued, got {str(run.folder)!r}, "
            "learned on features that the user brought: use features=saved"
        )
