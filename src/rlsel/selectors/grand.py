"""GraNd: the norm of a sample's gradient early in training.

Paul, Ganguli, Dziugaite, "Deep learning on a data diet: finding important examples early in training", NeurIPS 2021,
definition 2.1. At initialisation the score is no better than chance (Kirsch, "Does deep learning on a data diet
reproduce?", 2023), so that epoch 0 is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.checks import positive_int
from rlsel.export import ExportSettings
from rlsel.models.target import TargetModel
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.epochs import check_epoch, early_epoch
from rlsel.selectors.gradients import gradient_norms, last_layer_gradients, require_finite
from rlsel.selectors.target_training import kept_values, train_target
from rlsel.training.evaluation import clean_pass
from rlsel.training.snapshots import SnapshotRecorder


@dataclass(frozen=True, kw_only=True)
class GraNd:
    """Keeps the samples with the largest gradients ‖∇_θ ℓ(x_i, y_i)‖, on clean images and in evaluation mode.

    Attributes:
        num_models: Over how many trainings the norm is averaged. The first is the shared one; the paper takes 10, and
            each further one costs `epoch` epochs of training.
        epoch: After how many epochs to look; None for a tenth of the training, at least one.
        fast: Whether only the last layer's gradient is measured, ‖p - y‖ √(1 + ‖h‖²). An approximation, which DeepCore
            takes too, that costs no more than one clean pass.
    """

    name: ClassVar[str] = "grand"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk", class_balance="none")
    uses: ClassVar[Uses] = Uses(features=False)

    num_models: int = 1
    epoch: int | None = None
    fast: bool = False

    def __post_init__(self) -> None:
        positive_int("selector.num_models", self.num_models)
        check_epoch(self.epoch, reason="at initialisation the norms say nothing of the samples")

    def needs(self, task: SelectionTask) -> Needs:
        epoch = early_epoch(task, self.epoch)
        if self.fast:
            return Needs(training=True, clean_epochs=frozenset({epoch}))
        return Needs(training=True, watch=lambda _: SnapshotRecorder({epoch}))

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        epoch = early_epoch(task, self.epoch)
        further = self.num_models - 1
        if further:
            total = task.training.total_epochs(len(task))
            task.reporter.note(
                f"grand: {further} further trainings of {epoch} of {total} epochs, the cost of "
                f"{further * epoch / total:.1f} full ones"
            )
        norms = self._shared_norms(task, observed, epoch)
        for number in range(1, self.num_models):
            norms += kept_values(task, self, number, partial(self._further_norms, number=number, epoch=epoch))
        return Scores(values=require_finite(norms / self.num_models))

    def _shared_norms(self, task: SelectionTask, observed: Observed, epoch: int) -> Tensor:
        if self.fast:
            return last_layer_gradients(observed.clean[epoch], task.labels).norms()
        if observed.model is None or not isinstance(observed.observer, SnapshotRecorder):
            raise TypeError("GraNd needs the training that it asks for")
        return self._norms(task, observed.observer.restore(observed.model, epoch))

    def _further_norms(self, task: SelectionTask, *, number: int, epoch: int) -> Tensor:
        title = f"grand {number + 1} of {self.num_models}"
        return self._norms(task, train_target(task, "grand", number, stop_after=epoch, title=title))

    def _norms(self, task: SelectionTask, model: TargetModel) -> Tensor:
        dataset = task.dataset
        if self.fast:
            clean = clean_pass(model, dataset, dataset.train, fabric=task.fabric)
            return last_layer_gradients(clean, task.labels).norms()
        return gradient_norms(
            model, dataset, dataset.train, device=torch.device(task.fabric.device), reporter=task.reporter
        )
