"""EL2N (Paul et al., "Deep Learning on a Data Diet", NeurIPS 2021, arXiv 2107.07075): the error early in training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.checks import positive_int
from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.epochs import check_epoch, early_epoch
from rlsel.selectors.observed import clean_logits
from rlsel.selectors.target_training import kept_values, train_target
from rlsel.training.evaluation import clean_pass
from rlsel.training.settings import TrainingSettings


def error_norm(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns ‖softmax(logits) − one-hot(label)‖₂ (Paul et al. 2021, Definition 2.2).

    Args:
        logits: (N, C).
        labels: (N,) int64.

    Returns:
        (N,) float32 in [0, √2].
    """
    probabilities = torch.softmax(logits.double(), dim=1)
    # the error of the label is the sum of the others: one minus a probability near one has no digits left
    others = probabilities.scatter(1, labels[:, None], 0.0)
    return (others.sum(dim=1).square() + others.square().sum(dim=1)).sqrt().float()


def beginning(settings: TrainingSettings, *, epochs: int, size: int) -> TrainingSettings:
    """Returns the recipe of only the first epochs of a training.

    The learning rate rises as in the whole training and then stays at its peak, where the schedules still are near
    their start. Shortening the whole schedule instead would score models at the end of a training.
    """
    share = settings.total_steps(size) / (epochs * settings.steps_per_epoch(size))
    warmup = settings.warmup * share
    return replace(settings, epochs=epochs, steps=None, schedule="constant", warmup=warmup if warmup < 1 else 0.99)


@dataclass(frozen=True, kw_only=True)
class EL2N:
    """Keeps the samples with the largest error early in training, averaged over models.

    The paper averages ten models; the scores of one depend on its seed. Below a third of the data the hardest samples
    alone teach badly, and with wrong labels they are the wrong ones: see `export.trim_hardest`.

    Attributes:
        epoch: After how many epochs the error is measured; None for a tenth of the target training.
        num_models: Models that the score is averaged over. The first is the shared target model; each further one is
            trained as far as `epoch`, from other initial weights and in another order.
    """

    name: ClassVar[str] = "el2n"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")
    uses: ClassVar[Uses] = Uses(features=False)

    epoch: int | None = None
    num_models: int = 1

    def __post_init__(self) -> None:
        check_epoch(self.epoch, reason="a model that has learned nothing errs on all samples alike")
        positive_int("selector.num_models", self.num_models)

    def needs(self, task: SelectionTask) -> Needs:
        return Needs(training=True, clean_epochs=frozenset({early_epoch(task, self.epoch)}))

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        epoch = early_epoch(task, self.epoch)
        total = error_norm(clean_logits(observed, epoch), task.labels)
        early = replace(task, training=beginning(task.training, epochs=epoch, size=len(task)))
        for number in range(1, self.num_models):
            total += kept_values(early, self, number, partial(self._further_errors, number=number))
        return Scores(values=total / self.num_models)

    def _further_errors(self, task: SelectionTask, *, number: int) -> Tensor:
        model = train_target(task, self.name, number, title=f"el2n model {number + 1} of {self.num_models}")
        seen = clean_pass(model, task.dataset, task.dataset.train, fabric=task.fabric)
        return error_norm(seen.logits, task.labels)
