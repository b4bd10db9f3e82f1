"""Small data with a known pattern, on which a selection method can be tried in seconds on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.target import ModelSpec
from rlsel.selectors.base import SelectionTask
from rlsel.training.fabric import OneProcess
from rlsel.training.reporting import SilentReporter
from rlsel.training.settings import TrainingSettings

PLANTED_SIZE = 48
"""Samples, unless another number is asked for."""

_CLASSES = 3


def planted_task(
    size: int = PLANTED_SIZE,
    *,
    seed: int = 0,
    with_features: bool = False,
    order: Tensor | None = None,
    model: ModelSpec | None = None,
) -> SelectionTask:
    """Makes noisy 8 x 8 images of three classes, each brighter in columns of its own, and three epochs of training.

    Args:
        size: N.
        seed: The seed of the run; the data is always the same.
        with_features: Whether the user brings (N, 6) features, in which the classes are as far apart.
        order: (N,) permutation of the samples; None for the order in which they are made.
        model: The target model; None for a small network of four channels.
    """
    labels = torch.arange(size) % _CLASSES
    generator = torch.Generator().manual_seed(0)
    images = 0.5 * torch.randn(size, 1, 8, 8, generator=generator)
    features = torch.randn(size, 6, generator=generator)
    for label in range(_CLASSES):
        images[labels == label, :, :, 2 * label + 1 : 2 * label + 3] += 1.0
        features[labels == label, label] += 3.0
    if order is not None:
        images, labels, features = images[order], labels[order], features[order]
    train = Split(images=MemoryImages(images), labels=labels)
    return SelectionTask(
        dataset=Dataset(
            name="planted",
            train=train,
            test=train.subset(torch.arange(1)),
            class_names=tuple(f"class {label}" for label in range(_CLASSES)),
            mean=(0.0,),
            std=(1.0,),
        ),
        model=SmallCNN(width=4) if model is None else model,
        training=TrainingSettings(epochs=3, batch_size=16),
        fabric=OneProcess(device=torch.device("cpu")),
        seed=seed,
        features=features if with_features else None,
        reporter=SilentReporter(),
    )
