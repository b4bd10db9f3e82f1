"""MoSo: how much the loss on the rest would rise without a sample.

Tan, Wu, Du, Chen, Wang, Wang, Qi, "Data pruning via moving-one-sample-out", NeurIPS 2023. The score of z in S is
M(z) = L(S - z; w of S - z) - L(S - z; w of S), where S - z is S without z, estimated along one training on S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from rlsel.checks import int_at_least, positive_int, refuse
from rlsel.cover.coverage import class_members
from rlsel.data.dataset import Split
from rlsel.export import ExportSettings
from rlsel.models.target import TargetModel
from rlsel.randomness import torch_generator
from rlsel.selectors.base import Needs, Observed, Scores, SelectionTask, Uses
from rlsel.selectors.gradients import (
    gradient_norms_and_products,
    last_layer_gradients,
    mean_gradient,
    require_finite,
)
from rlsel.selectors.target_training import kept_values, train_target
from rlsel.training.evaluation import clean_pass
from rlsel.training.optimisation import learning_rate_factor
from rlsel.training.settings import TrainingSettings
from rlsel.training.snapshots import SnapshotRecorder

_FEWEST_IN_FOLD = 2


def moso_estimate(norms: Tensor, products: Tensor, *, mean_norm: float) -> Tensor:
    """Estimates at one checkpoint how the loss on the rest would change without each sample.

    With n samples, g the gradient of the sample and ḡ the mean gradient (the full form of the paper's estimator, of
    which the last term leads):

        (2n - 3) / (n - 1)² ‖ḡ‖² - ‖g‖² / (n - 1)² + (2n - 4) / (n - 1)² (ḡ - g / n)·g

    Args:
        norms: (n,) ‖g‖.
        products: (n,) ḡ·g.
        mean_norm: ‖ḡ‖.

    Returns:
        (n,) float64; to be multiplied with the learning rate and summed over checkpoints. High = keep.
    """
    size = len(norms)
    squares = norms.double().square()
    left = (2 * size - 3) * mean_norm**2 - squares + (2 * size - 4) * (products.double() - squares / size)
    return left / (size - 1) ** 2


def stratified_folds(labels: Tensor, folds: int, *, num_classes: int, generator: torch.Generator) -> list[Tensor]:
    """Splits samples at random into disjoint folds that differ by at most one sample, overall and in each class.

    Args:
        labels: (N,) int64 in [0, `num_classes`).
        folds: At most N.
        num_classes: C.
        generator: Draws the folds.

    Returns:
        The positions in each fold, ascending.
    """
    members = class_members(labels, num_classes)
    shuffled = [positions[torch.randperm(len(positions), generator=generator)] for positions in members]
    # dealt out like cards, one class after the other: the next class goes on where the last one stopped
    dealt = torch.cat(shuffled)
    return [dealt[fold::folds].sort().values for fold in range(folds)]


def spread_epochs(epochs: int, count: int) -> list[int]:
    """Returns up to `count` epochs in [1, `epochs`], in the middle of as many equal parts of a training."""
    count = min(count, epochs)
    return [int((part + 0.5) * epochs / count) + 1 for part in range(count)]


def rate_after(epochs: int, size: int, settings: TrainingSettings) -> float:
    """Returns the learning rate after so many epochs of a training on `size` samples; the last one at the end."""
    total = settings.total_steps(size)
    step = min(epochs * settings.steps_per_epoch(size), total - 1)
    return settings.learning_rate * learning_rate_factor(step, total, settings)


def standardise(values: Tensor) -> Tensor:
    """Returns values less their mean, divided by their standard deviation; zeros where all are equal."""
    centred = values - values.mean()
    return centred / centred.square().mean().sqrt().clamp_min(torch.finfo(values.dtype).tiny)


@dataclass(frozen=True, kw_only=True)
class MoSo:
    """Keeps the samples whose gradients agree with the mean gradient of their fold.

    The training split is cut into folds; a surrogate model is trained on each alone and scores the samples of that
    fold. Scores of two surrogates have no common scale, so that those of each fold are standardised. The paper chooses
    its random checkpoints; here they are spread evenly, which tells the same with less noise.

    Attributes:
        folds: How many surrogates; together they cost as much as one training.
        epochs: Epochs of a surrogate on its fold; None for as many as the target's (the paper takes a quarter).
        checkpoints: At how many epochs gradients are measured; the paper takes 10.
        fast: Whether only the last layer's gradients are measured: an approximation that costs little.
    """

    name: ClassVar[str] = "moso"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk", class_balance="proportional")
    uses: ClassVar[Uses] = Uses(features=False)

    folds: int = 8
    epochs: int | None = None
    checkpoints: int = 4
    fast: bool = False

    def __post_init__(self) -> None:
        positive_int("selector.folds", self.folds)
        if self.epochs is not None:
            positive_int("selector.epochs", self.epochs)
        int_at_least("selector.checkpoints", self.checkpoints, 1)

    def needs(self, task: SelectionTask) -> Needs:
        most = len(task) // _FEWEST_IN_FOLD
        if self.folds > most:
            allowed = f"at most {most}, so that each fold has {_FEWEST_IN_FOLD} of {len(task)} samples"
            raise refuse("selector.folds", allowed, self.folds)
        return Needs()

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        settings = self._settings(task)
        chosen = spread_epochs(settings.epochs, self.checkpoints)
        kind = "last-layer" if self.fast else "full"
        task.reporter.note(
            f"moso: {self.folds} trainings of {settings.epochs} epochs on 1/{self.folds} of the samples each, and "
            f"{2 * len(chosen)} passes over all samples for their {kind} gradients"
        )
        generator = torch_generator(task.seed, "moso", "folds")
        num_classes = task.dataset.num_classes
        values = torch.zeros(len(task))
        for fold, members in enumerate(
            stratified_folds(task.labels, self.folds, num_classes=num_classes, generator=generator)
        ):
            make = partial(self._fold_scores, fold=fold, members=members, chosen=chosen, settings=settings)
            values[members] = standardise(kept_values(task, self, fold, make)).float()
        return Scores(values=values)

    def _settings(self, task: SelectionTask) -> TrainingSettings:
        epochs = task.training.total_epochs(len(task)) if self.epochs is None else self.epochs
        return replace(task.training, epochs=epochs, steps=None)

    def _fold_scores(
        self, task: SelectionTask, *, fold: int, members: Tensor, chosen: Sequence[int], settings: TrainingSettings
    ) -> Tensor:
        recorder = SnapshotRecorder(chosen)
        model = train_target(
            task,
            "moso",
            fold,
            indices=members,
            epochs=settings.epochs,
            observers=[recorder],
            title=f"moso {fold + 1} of {self.folds}",
        )
        split = task.dataset.train.subset(members)
        total = torch.zeros(len(members), dtype=torch.float64)
        for epoch in chosen:
            estimate = self._estimate(
                task, recorder.restore(model, epoch), split, tell=fold == 0 and epoch == chosen[0]
            )
            total += rate_after(epoch, len(members), settings) * estimate
        return require_finite(total)

    def _estimate(self, task: SelectionTask, model: TargetModel, split: Split, *, tell: bool) -> Tensor:
        if self.fast:
            gradients = last_layer_gradients(clean_pass(model, task.dataset, split, fabric=task.fabric), split.labels)
            mean = gradients.mean()
            return moso_estimate(gradients.norms(), gradients.products(mean), mean_norm=float(mean.norm()))
        device = torch.device(task.fabric.device)
        direction = mean_gradient(model, task.dataset, split, device=device)
        norms, products = gradient_norms_and_products(
            model,
            task.dataset,
            split,
            direction=direction,
            device=device,
            reporter=task.reporter if tell else None,
        )
        mean_norm = float(torch.stack([part.norm() for part in direction]).norm())
        return moso_estimate(norms, products, mean_norm=mean_norm)
