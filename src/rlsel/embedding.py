"""Frozen features: what a network that nobody trains here makes of every sample of a data set."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.data.dataset import Dataset, Split
from rlsel.data.scale import describe_range, on_one_scale
from rlsel.errors import DataError
from rlsel.models.target import ModelSpec, Pretrained, TargetModel, TrainedInput
from rlsel.randomness import Streams
from rlsel.training.evaluation import clean_pass
from rlsel.training.fabric import Fabric
from rlsel.training.loop import build_model

_UNIT = (0.0, 1.0)
"""The range of pixels that pretrained networks take."""

_FAR = 2
"""The sides of two images whose quotient is no smaller are of different scales."""

_SAME = 1e-3
"""Relative to their norm: features that differ by less come from the same weights, and were rounded differently."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedding:
    """The features of a data set.

    Attributes:
        features: (N, D) float32, C-contiguous: a row for each sample that the user gave, in its order.
        notes: What the user should know of how they were made, a line each.
    """

    features: NDArray[np.float32]
    notes: tuple[str, ...]


def embed(dataset: Dataset, spec: ModelSpec, *, fabric: Fabric, seed: int) -> Embedding:
    """Computes the penultimate features of the candidates and of what is held out; the other rows are zeros.

    Images are not augmented. For pretrained weights they are normalised as in their training, for others as the data
    set says.

    Args:
        dataset: Images, with or without labels.
        spec: The network.
        fabric: The device and the precision.
        seed: Of parameters that are not pretrained; those are the ones that a target model begins with.

    Raises:
        ConfigurationError: if the network does not take such images, or its weights cannot be had.
        DataError: for rows of features in place of images, and for features that are no finite numbers.
    """
    if dataset.image_shape[1:] == (1, 1):
        raise DataError(f"{dataset.name}: the samples must be images, got features: give the file itself as features=")
    model = build_model(spec, dataset, Streams(seed=seed, names=("target",)))
    trained = spec.trained_on() if isinstance(spec, Pretrained) else None
    known = dataset if trained is None else _normalised_as(trained, dataset)
    splits = [dataset.train, dataset.test] if dataset.test_from_train else [dataset.train]
    features = torch.cat([_pass(model, known, split, fabric) for split in splits if len(split)])
    if not torch.isfinite(features).all():
        raise DataError(
            f"features must be finite numbers, got NaN or infinity of {spec.name} for {dataset.name}: use another "
            "network, or device.precision=32-true"
        )
    rows = np.zeros((len(dataset.source), features.shape[1]), np.float32)
    rows[torch.cat([split.in_source() for split in splits]).numpy()] = features.numpy()
    notes = [] if trained is None else _of_training(trained, dataset, spec.name)
    if trained is None:
        other = build_model(spec, dataset, Streams(seed=seed, names=("features", "another draw")))
        notes += _of_random_weights(model, other, dataset, fabric, name=spec.name)
    if missing := len(rows) - len(features):
        notes.append(
            f"note: {missing:,} of {len(rows):,} rows are zeros, those of samples that are not read or that the "
            "settings of dataset. leave out: select with the same settings"
        )
    return Embedding(features=rows, notes=tuple(notes))


def _pass(model: TargetModel, dataset: Dataset, split: Split, fabric: Fabric) -> Tensor:
    """Returns the (M, D) features of a split, float32 on the CPU."""
    model.to(fabric.device)
    with torch.inference_mode():
        return clean_pass(model, dataset, split, fabric=fabric).features


def _normalised_as(trained: TrainedInput, dataset: Dataset) -> Dataset:
    """Returns the data set with means and deviations that fit weights from elsewhere.

    Pixels on another scale than 0 to 1 are brought to it. A network for three channels takes one channel with the sum
    of their weights, so that the averages fit, and more channels with its own three in turn.
    """
    channels = dataset.image_shape[0]
    low, high = dataset.pixel_range if _is_scaled(dataset) else _UNIT
    return replace(
        dataset,
        mean=tuple(low + (high - low) * value for value in _of_channels(trained.mean, channels)),
        std=tuple((high - low) * value for value in _of_channels(trained.std, channels)),
    )


def _is_scaled(dataset: Dataset) -> bool:
    """Returns whether the pixels must be brought to 0 to 1."""
    return not on_one_scale(_UNIT, dataset.pixel_range)


def _of_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if channels == 1:
        return (sum(values) / len(values),)
    return tuple(values[channel % len(values)] for channel in range(channels))


def _of_training(trained: TrainedInput, dataset: Dataset, name: str) -> list[str]:
    """Says what sets a data set apart from the images that weights were trained on."""
    notes = []
    if _is_scaled(dataset):
        notes.append(
            f"note: the pixels, {describe_range(dataset.pixel_range)}, are brought to 0 to 1, which {name} was trained "
            "on"
        )
    _, height, width = dataset.image_shape
    if trained.side >= _FAR * min(height, width) or max(height, width) >= _FAR * trained.side:
        notes.append(
            f"note: {name} was trained on images of {trained.side} x {trained.side} pixels, these have {height} x "
            f"{width}, which gives poorer features: bring them nearer to that size (of imagefolder: "
            f"dataset.image_size={trained.side})"
        )
    return notes


def _of_random_weights(
    model: TargetModel, other: TargetModel, dataset: Dataset, fabric: Fabric, *, name: str
) -> list[str]:
    """Says whether two draws of fresh parameters give other features; a module of the user may load its own."""
    few = dataset.train.subset(torch.arange(min(2, len(dataset.train))))
    first, second = (_pass(drawn, dataset, few, fabric) for drawn in (model, other))
    # relative to their size: fresh parameters of a deep network can give features of any
    if (first - second).norm() <= _SAME * first.norm():
        return []
    return [
        f"note: the weights of {name} are random: pretrained ones give better features, as those of model=timm "
        "model.name=NAME model.pretrained=true"
    ]
