"""Training a model on a part of the training split and measuring it on the test split."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from rlsel.data.dataset import Dataset
from rlsel.models.target import ModelSpec, TargetModel
from rlsel.training.evaluation import Accuracy, accuracy, clean_pass
from rlsel.training.loop import Checkpointing, EpochRecord, Inspection, Training, build_model
from rlsel.training.reporting import Reporter
from rlsel.training.settings import TrainingSettings

TAIL_LOOKS = 3
"""Looks at the test split over which the reported accuracy is the mean."""


@dataclass(frozen=True, kw_only=True)
class SubsetResult:
    """What a model trained on a subset is worth; accuracies are fractions of the test split.

    Attributes:
        top1_last: Mean over the last looks, 2.5 % of the training apart: what to report.
        top1_best: Highest of all looks; the test split chose it, so that it flatters.
        top5_last: As `top1_last`, with the label among the first five.
        worst_class_last: As `top1_last`, of the class with the lowest accuracy.
        num_train: Samples trained on.
        epochs: Passes over them.
        steps: Optimiser steps.
        seconds: Of the training, looks included.
        images_per_second: Images trained on in each of them.
        model: The architecture's name.
        seed: The run's seed.
        indices_sha256: Of the bytes of the indices.
    """

    top1_last: float
    top1_best: float
    top5_last: float
    worst_class_last: float
    num_train: int
    epochs: int
    steps: int
    seconds: float
    images_per_second: float
    model: str
    seed: int
    indices_sha256: str


def tail_steps(total: int) -> tuple[int, ...]:
    """Returns the numbers of steps after which the test split is looked at: the end, and 2.5 and 5 % before it."""
    apart = max(1, total // 40)
    return tuple(total - apart * back for back in range(TAIL_LOOKS) if total > apart * back)[::-1]


def train_on(
    dataset: Dataset,
    indices: NDArray[np.int64],
    *,
    model: ModelSpec,
    settings: TrainingSettings,
    fabric: Fabric,
    seed: int,
    reporter: Reporter,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    checkpointing: Checkpointing | None = None,
) -> tuple[SubsetResult, TargetModel]:
    """Trains a fresh model on the training samples at `indices` and measures it on the test split.

    The random streams of this training are its own: a coreset chosen with the same seed shares none with it.

    Args:
        dataset: Its training split is trained on, its test split measured on.
        indices: (K,) positions in the training split.
        model: The architecture.
        settings: The recipe.
        fabric: The device and the precision.
        seed: The run's seed.
        reporter: Told the progress.
        on_epoch: Receives each epoch's measurements.
        checkpointing: Where an interrupted training is taken up again.

    Returns:
        The result, and the trained model in evaluation mode.
    """
    split = dataset.train.subset(torch.from_numpy(indices))
    total = settings.total_steps(len(split))
    looks: dict[int, Accuracy] = {}

    def look(step: int, now: TargetModel) -> None:
        looks[step] = accuracy(clean_pass(now, dataset, dataset.test, fabric=fabric).logits, dataset.test.labels)

    start = time.monotonic()
    trained = Training(
        build_model(model, dataset, "evaluation", seed=seed),
        dataset,
        split=split,
        settings=settings,
        fabric=fabric,
        seed=seed,
        names=("evaluation",),
        reporter=reporter,
        title=f"{model.name} on {len(split)} of {len(dataset.train)}",
        inspection=Inspection(steps=tail_steps(total), look=look),
        on_epoch=on_epoch,
        checkpointing=checkpointing,
    ).run()
    seconds = time.monotonic() - start
    last = [looks[step] for step in tail_steps(total)]
    return (
        SubsetResult(
            top1_last=statistics.fmean(item.top1 for item in last),
            top1_best=max(item.top1 for item in looks.values()),
            top5_last=statistics.fmean(item.top5 for item in last),
            worst_class_last=statistics.fmean(np.nanmin(item.by_class) for item in last),
            num_train=len(split),
            epochs=settings.total_epochs(len(split)),
            steps=total,
            seconds=seconds,
            images_per_second=total * min(settings.batch_size, len(split)) / seconds,
            model=model.name,
            seed=seed,
            indices_sha256=hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest(),
        ),
        trained,
    )
