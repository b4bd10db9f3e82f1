"""Training a model on a part of the training split and measuring it on the test split."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rlsel.coreset import indices_sha256
from rlsel.data.dataset import Dataset
from rlsel.dynamic.settings import DynamicSettings
from rlsel.evaluation.robustness import FurtherAccuracy, FurtherDataset, measure
from rlsel.models.target import ModelSpec, TargetModel
from rlsel.randomness import Streams
from rlsel.training.evaluation import Accuracy, accuracy, clean_pass
from rlsel.training.fabric import Fabric
from rlsel.training.loop import EpochRecord, Progress, Training, build_model
from rlsel.training.observation import Callbacks
from rlsel.training.reporting import Reporter
from rlsel.training.resuming import Checkpointing, working_time
from rlsel.training.settings import TrainingSettings

TAIL_LOOKS = 3
"""Looks at the test split over which the reported accuracy is the mean."""


@dataclass(frozen=True, kw_only=True)
class SubsetResult:
    """What a model trained on a subset is worth; accuracies are fractions of the test split, None where it is empty.

    Attributes:
        top1_last: Mean top-1 over the last looks, 2.5 % of the training apart: what to report.
        top1_best: Highest top-1 of all looks; the test split chose it, so that it flatters.
        top5_last: Mean top-5 over the same looks.
        worst_class_last: Mean over the same looks of the top-1 of the class with the lowest.
        num_train: Samples trained on.
        epochs: Passes over them.
        steps: Optimiser steps.
        seconds: Seconds of the training, looks included.
        images_per_second: Images trained on in a second.
        model: The architecture's name.
        seed: The run's seed.
        indices_sha256: SHA-256 of the file `indices.npy`, as in `coreset.json`.
        ood: Accuracy of the model at the end, by further data set; empty where none was asked for.
    """

    top1_last: float | None
    top1_best: float | None
    top5_last: float | None
    worst_class_last: float | None
    num_train: int
    epochs: int
    steps: int
    seconds: float
    images_per_second: float
    model: str
    seed: int
    indices_sha256: str
    ood: Mapping[str, FurtherAccuracy] = field(default_factory=dict)


def tail_steps(total: int) -> tuple[int, ...]:
    """Returns the numbers of steps after which the test split is looked at: the end, and 2.5 and 5 % before it."""
    apart = max(1, total // 40)
    return tuple(total - apart * back for back in range(TAIL_LOOKS) if total > apart * back)[::-1]


class _TestLooks:
    """Measures the accuracy on the test split after the last steps of a training.

    Attributes:
        steps: Numbers of steps done.
        seen: What was measured, by the steps done.
    """

    def __init__(self, dataset: Dataset, *, steps: tuple[int, ...], fabric: Fabric) -> None:
        self._dataset, self._fabric = dataset, fabric
        self.steps = steps
        self.seen: dict[int, Accuracy] = {}

    def look(self, step: int, model: TargetModel) -> None:
        test = self._dataset.test
        self.seen[step] = accuracy(clean_pass(model, self._dataset, test, fabric=self._fabric).logits, test.labels)

    def state_dict(self) -> dict[str, Any]:
        return {"seen": {step: asdict(measured) for step, measured in self.seen.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen = {step: Accuracy(**measured) for step, measured in state["seen"].items()}


def train_on(
    dataset: Dataset,
    indices: NDArray[np.int64],
    *,
    model: ModelSpec,
    settings: TrainingSettings,
    fabric: Fabric,
    seed: int,
    reporter: Reporter,
    dynamic: DynamicSettings | None = None,
    further: Sequence[FurtherDataset] = (),
    on_epoch: Callable[[EpochRecord], None] | None = None,
    checkpointing: Checkpointing | None = None,
) -> tuple[SubsetResult, TargetModel]:
    """Trains a fresh model on the training samples at `indices` and measures it on the test split.

    The random streams of this training are its own: a coreset chosen with the same seed shares none with it.

    Args:
        dataset: Its training split is trained on, its test split measured on.
        indices: (K,) places in the training split.
        model: The architecture.
        settings: The recipe.
        fabric: The device and the precision.
        seed: The run's seed.
        reporter: Told the progress.
        dynamic: What each pass is over, where that is chosen while the model trains; None for all of it.
        further: What the model is measured on at the end, besides the test split.
        on_epoch: Receives each epoch's measurements.
        checkpointing: Where an interrupted training is taken up again.

    Returns:
        The result, and the trained model in evaluation mode.
    """
    split = dataset.train.subset(torch.from_numpy(indices))
    rule = None if dynamic is None else dynamic.build(split.labels)
    size = len(split) if rule is None else rule.pass_size
    total = settings.total_steps(size)
    looks = _TestLooks(dataset, steps=tail_steps(total) if len(dataset.test) else (), fabric=fabric)
    start = working_time(checkpointing)
    streams = Streams(seed=seed, names=("evaluation",))
    title = f"{model.name} on {len(split)} of {len(dataset.train)}"
    trained = Training(
        build_model(model, dataset, streams),
        dataset,
        split=split,
        settings=settings,
        fabric=fabric,
        streams=streams,
        progress=Progress(reporter=reporter, title=title, on_epoch=on_epoch),
        callbacks=Callbacks(inspection=looks, passes=rule),
        checkpointing=checkpointing,
    ).run()
    seconds = working_time(checkpointing) - start
    last = [looks.seen[step] for step in looks.steps]
    return (
        SubsetResult(
            top1_last=_mean([item.top1 for item in last]),
            top1_best=max((item.top1 for item in looks.seen.values()), default=None),
            top5_last=_mean([item.top5 for item in last]),
            worst_class_last=_mean([float(np.nanmin(item.by_class)) for item in last]),
            num_train=len(split),
            epochs=settings.total_epochs(size),
            steps=total,
            seconds=seconds,
            images_per_second=total * min(settings.batch_size, len(split)) / seconds,
            model=model.name,
            seed=seed,
            indices_sha256=indices_sha256(split.in_source().numpy()),
            ood=measure(trained, dataset, further, fabric=fabric, checkpointing=checkpointing),
        ),
        trained,
    )


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
