"""Memorization: how much better a model does on a sample for having been trained on it.

Feldman, Zhang, "What neural networks memorize and why: discovering the long tail via influence estimation", NeurIPS
2020, equation 1 and the subset estimator of section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.checks import int_at_least, number_between, positive_int
from rlsel.errors import DataError
from rlsel.export import ExportSettings
from rlsel.randomness import torch_generator
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.gradients import require_finite
from rlsel.selectors.target_training import kept_values, train_target
from rlsel.training.evaluation import clean_pass

_COLUMNS = 16384  # samples drawn for at a time: thousands of models would need gigabytes of random numbers at once


def draw_subsets(size: int, num_models: int, *, share: float, generator: torch.Generator) -> Tensor:
    """Draws on which samples each model is trained.

    Every sample is left out of the same number of models, round((1 - share) · T) but never none or all of them; which
    ones is drawn independently for each sample. Fully independent subsets would leave some samples without an
    estimate where there are few models.

    Args:
        size: N.
        num_models: T, at least 2.
        share: Share of the samples that a model is trained on, in (0, 1).
        generator: Draws them.

    Returns:
        (T, N) bool, True where the model is trained on the sample.
    """
    out = left_out_of(num_models, share)
    included = torch.ones(num_models, size, dtype=torch.bool)
    for first in range(0, size, _COLUMNS):
        columns = included[:, first : first + _COLUMNS]
        draws = torch.rand(columns.shape, generator=generator)
        columns.scatter_(0, draws.topk(out, dim=0).indices, False)
    return included


def left_out_of(num_models: int, share: float) -> int:
    """Returns of how many of the models each sample is left out."""
    return min(num_models - 1, max(1, round((1 - share) * num_models)))


def memorization_scores(outcomes: Iterable[Tensor], included: Tensor) -> Tensor:
    """Estimates mem_i = E[outcome on i | i in the subset] - E[outcome on i | i not in it].

    Args:
        outcomes: For each of T models, (N,) numbers in [0, 1]: whether it is right on each sample, or the probability
            that it gives the label. Taken one at a time.
        included: (T, N) bool, True where the model was trained on the sample; neither all True nor all False for any.

    Returns:
        (N,) float32 in [-1, 1].
    """
    size = included.shape[1]
    inside, outside = torch.zeros(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
    for outcome, member in zip(outcomes, included, strict=True):
        inside += outcome * member
        outside += outcome * ~member
    trained_on = included.sum(dim=0)
    return (inside / trained_on - outside / (len(included) - trained_on)).float()


def worst_deviation(num_models: int, left_out: int) -> float:
    """Returns the standard deviation of a score whose outcomes are fair coins, √(1/4 (1 / T_in + 1 / T_out))."""
    return math.sqrt((1 / (num_models - left_out) + 1 / left_out) / 4)


@dataclass(frozen=True, kw_only=True)
class Memorization:
    """Keeps the samples that models know only if they were trained on them.

    Attributes:
        num_models: Number of models, T. The paper trains 2000; what fewer say is noisy, and the run says how noisy.
        share: Share of the samples that each model is trained on.
        epochs: Epochs of each training; None for the budget of the target's.
        soft: Whether the outcome is the probability of the label, which tells more of few models and has no ties;
            without it, it is whether the model is right, as in the paper.
    """

    name: ClassVar[str] = "memorization"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk", class_balance="none")
    uses: ClassVar[Uses] = Uses(features=False)

    num_models: int = 20
    share: float = 0.7
    epochs: int | None = None
    soft: bool = True

    def __post_init__(self) -> None:
        int_at_least("selector.num_models", self.num_models, 2)
        number_between("selector.share", self.share, 0, 1, low_open=True, high_open=True)
        if self.epochs is not None:
            positive_int("selector.epochs", self.epochs)

    def needs(self, task: SelectionTask) -> Needs:
        if int(self._subsets(task).sum(dim=1).min()) < 2:
            raise DataError(
                f"memorization needs two samples in each subset, got {len(task)} samples in all: "
                "raise selector.share or take a larger data set"
            )
        return Needs()

    def _subsets(self, task: SelectionTask) -> Tensor:
        generator = torch_generator(task.seed, "memorization", "subsets")
        return draw_subsets(len(task), self.num_models, share=self.share, generator=generator)

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        included = self._subsets(task)
        out = left_out_of(self.num_models, self.share)
        task.reporter.note(
            f"memorization: {self.num_models} trainings on {self.share:.0%} of the samples; the standard deviation "
            f"of a score is up to {worst_deviation(self.num_models, out):.2f} (0.02 with the paper's 2000 trainings)"
        )
        return Scores(values=require_finite(memorization_scores(self._outcomes(task, included), included)))

    def _outcomes(self, task: SelectionTask, included: Tensor) -> Iterator[Tensor]:
        everyone = torch.arange(len(task))
        for number, member in enumerate(included):
            yield kept_values(task, self, number, partial(self._outcome, number=number, indices=everyone[member]))

    def _outcome(self, task: SelectionTask, *, number: int, indices: Tensor) -> Tensor:
        model = train_target(
            task,
            "memorization",
            number,
            indices=indices,
            epochs=self.epochs,
            title=f"memorization {number + 1} of {self.num_models}",
        )
        clean = clean_pass(model, task.dataset, task.dataset.train, fabric=task.fabric)
        if self.soft:
            return clean.probabilities.gather(1, task.labels[:, None])[:, 0]
        return (clean.logits.argmax(dim=1) == task.labels).float()
