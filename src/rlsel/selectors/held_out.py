"""Short or whole trainings on parts of the training split, measured on samples of it that are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlsel.data.classes import Division, stratified_share
from rlsel.randomness import Streams, stream
from rlsel.selectors.base import Purpose, SelectionTask
from rlsel.training.evaluation import clean_pass
from rlsel.training.loop import Progress, Training, build_model
from rlsel.training.resuming import Checkpointing, kept, working_time

_MEASURED, _LEAST_SHARE, _MOST_SHARE = 2000, 0.1, 0.2
"""Samples that are measured on, and the bounds of their share."""

_TEMPERATURES = torch.logspace(-1, 1.5, 51)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one model does on V samples: (V,) float64 losses and right guesses (0 or 1)."""

    losses: Tensor
    right: Tensor


@dataclass(frozen=True, kw_only=True)
class MeanDifference:
    """A mean over V samples and over rounds, and its standard error."""

    mean: float
    error: float


class HeldOut:
    """A part of the training split that is measured on; the test split is never looked at.

    Trainings of one round start from the same parameters and shuffle alike, so that what is compared are differences of
    pairs.

    Attributes:
        train: (T,) positions in the training split that may be trained on, ascending.
        measured: (V,) positions that are measured on, ascending.
        seconds: How long all trainings took so far.
    """

    def __init__(self, task: SelectionTask, purpose: Purpose, label_error: Tensor | None = None) -> None:
        """Sets samples to measure on aside, class by class.

        Args:
            task: What is selected from.
            purpose: The training to come.
            label_error: (N,) probability that each label is wrong, by which a measured sample counts less; None where
                nothing is known.
        """
        self._task, self._purpose = task, purpose
        size = len(task)
        parts: Division = stratified_share(
            task.labels, min(_MOST_SHARE, max(_LEAST_SHARE, _MEASURED / size)), stream(task.seed, "trial", "measured")
        )
        self.train, self.measured = parts.train, parts.test
        weights = torch.ones(size) if label_error is None else 1 - label_error
        chosen = weights[self.measured].double()
        self._weights = chosen / chosen.sum().clamp_min(1e-9)
        self.seconds = 0.0

    def try_on(self, places: Tensor, *, steps: int, number: int, title: str) -> Measured:
        """Trains the model to come, and measures it.

        Args:
            places: (K,) positions in the training split, none of them measured on.
            steps: Optimiser steps.
            number: The round, from 0; those of one round share their random numbers.
            title: What the reporter calls the training.
        """
        place = self._task.part("trial", self._purpose, steps, number, places)
        began = working_time(place)
        measured = kept(place, lambda: self._losses_and_hits(places, steps, number, title, place))
        self.seconds += working_time(place) - began
        return Measured(losses=measured["losses"], right=measured["right"])

    def _losses_and_hits(
        self, places: Tensor, steps: int, number: int, title: str, place: Checkpointing | None
    ) -> dict[str, Tensor]:
        task, purpose = self._task, self._purpose
        streams = Streams(seed=task.seed, names=("trial", number))
        model = Training(
            build_model(purpose.model, task.dataset, streams),
            task.dataset,
            split=task.dataset.train.subset(places),
            settings=replace(purpose.training, steps=steps, weighting="none"),
            fabric=task.fabric,
            streams=streams,
            progress=Progress(reporter=task.reporter, title=title),
            checkpointing=None if place is None else place.part("training"),
        ).run()
        split = task.dataset.train.subset(self.measured)
        logits = clean_pass(model, task.dataset, split, fabric=task.fabric).logits.double()
        return {
            "losses": calibrated_losses(logits, split.labels, self._weights),
            "right": (logits.argmax(dim=1) == split.labels).double(),
        }

    def mean(self, differences: Sequence[Tensor]) -> MeanDifference:
        """Returns the weighted mean of (V,) differences of R rounds; its error is over samples and over rounds."""
        stacked = torch.stack(list(differences))
        by_round = stacked @ self._weights
        mean = by_round.mean()
        from_samples = (self._weights.square() * (stacked.mean(dim=0) - mean).square()).sum()
        from_rounds = by_round.var() / len(by_round) if len(by_round) > 1 else torch.zeros(())
        return MeanDifference(mean=float(mean), error=float((from_samples + from_rounds).sqrt()))


def calibrated_losses(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Computes cross-entropies at the one temperature that makes their weighted mean the lowest (Guo et al. 2017).

    Args:
        logits: (V, C) float64.
        labels: (V,) int64.
        weights: (V,), sum 1.

    Returns:
        (V,) float64.
    """
    losses = torch.stack(
        [
            torch.nn.functional.cross_entropy(logits / temperature, labels, reduction="none")
            for temperature in _TEMPERATURES.tolist()
        ]
    )
    return losses[(losses @ weights).argmin()]
