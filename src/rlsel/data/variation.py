"""What is changed in a data set after it is read: its size, its labels, its balance, its images."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.budget import class_budgets, with_minimum
from rlsel.checks import int_at_least, number_between, one_of, positive_int, refuse
from rlsel.data.classes import draw_from_classes, stratified_share
from rlsel.data.corruption import Damage, damage
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.errors import ConfigurationError, DataError
from rlsel.randomness import numpy_generator, torch_generator

_VALIDATION_SHARE = 0.2
"""Share of the training split that is measured on with `measure_on=validation`."""


@dataclass(frozen=True, kw_only=True)
class Variation:
    """Changes to a data set, drawn from the data set's own seed, so that every run sees the same ones.

    Attributes:
        holdout: Share of the samples that becomes the test split, class by class, of a data set that has none.
        part: `first` or `second` half of each class of the training split, before `train_size`; None for both.
        train_size: Class-stratified number of training samples; None for all.
        test_size: Class-stratified number of test samples; None for all.
        label_noise: Share of the training labels that becomes another class.
        long_tail: Class sizes fall exponentially to 1 / `long_tail` of the largest, after `train_size`; 1 is off.
        corruption: Share of the training images that is damaged.
        measure_on: `test`, or `validation`: a stratified fifth of the training split takes the place of the test
            split, for tuning without looking at it.
        variation_seed: Seed of these changes, the data set's own.
    """

    train_size: int | None = None
    test_size: int | None = None
    label_noise: float = 0.0
    long_tail: float = 1.0
    corruption: float = 0.0
    measure_on: Literal["test", "validation"] = "test"
    variation_seed: int = 0
    part: Literal["first", "second"] | None = None
    holdout: float = 0.0

    def __post_init__(self) -> None:
        number_between("dataset.holdout", self.holdout, 0, 1, high_open=True)
        if self.train_size is not None:
            positive_int("dataset.train_size", self.train_size)
        if self.test_size is not None:
            positive_int("dataset.test_size", self.test_size)
        number_between("dataset.label_noise", self.label_noise, 0, 1, high_open=True)
        number_between("dataset.long_tail", self.long_tail, 1)
        number_between("dataset.corruption", self.corruption, 0, 1)
        one_of("dataset.measure_on", self.measure_on, ("test", "validation"))
        int_at_least("dataset.variation_seed", self.variation_seed, 0)
        if self.part is not None:
            one_of("dataset.part", self.part, ("first", "second"))


def apply_variation(dataset: Dataset, variation: Variation) -> Dataset:
    """Changes a data set, in this order: holdout, validation split, half, sizes, long tail, label noise, corruption.

    All draws come from streams of `variation_seed`, one for each change, so that one change does not shift another.
    A smaller `train_size` is part of a larger one.

    Args:
        dataset: The data set as it was read.
        variation: What to change.

    Returns:
        The changed data set; `dataset` itself where nothing changes.

    Raises:
        ConfigurationError: if a size or a change does not fit the data set.
        DataError: if there are too few samples to hold some out.
    """
    seed = variation.variation_seed
    train, test, test_from_train = dataset.train, dataset.test, dataset.test_from_train
    if variation.holdout and not len(test):
        train, test = _set_aside(dataset.name, train, variation.holdout, seed, "the test split")
        test_from_train = True
    if variation.measure_on == "validation":
        train, test = _set_aside(dataset.name, train, _VALIDATION_SHARE, seed, "a validation split")
        test_from_train = True
    if variation.part is not None:
        train = _half(train, variation.part, dataset, seed)
    train = _resize(train, "train_size", variation.train_size, dataset, seed, least=2)
    test = _resize(test, "test_size", variation.test_size, dataset, seed, least=1)
    train = _thin_out(train, dataset, variation)
    train = _mislabel(train, dataset, variation)
    train = _corrupt(train, dataset, variation)
    if train is dataset.train and test is dataset.test:
        return dataset
    return replace(dataset, train=train, test=test, given=dataset.source, test_from_train=test_from_train)


def _set_aside(dataset: str, split: Split, share: float, seed: int, what: str) -> tuple[Split, Split]:
    """Returns what stays of a split, and a stratified share of it."""
    division = stratified_share(split.labels, share, seed)
    if not len(division.test):
        raise DataError(
            f"{dataset}: {len(split)} samples are too few to set {what} aside, as two of each class stay: add some"
        )
    return split.subset(division.train), split.subset(division.test)


def _half(split: Split, part: Literal["first", "second"], dataset: Dataset, seed: int) -> Split:
    """Returns one of two class-stratified halves; of an odd number, the first has one more."""
    budgets = class_budgets(len(split) - len(split) // 2, _class_sizes(split.labels, dataset))
    chosen = torch.zeros(len(split), dtype=torch.bool)
    chosen[draw_from_classes(split.labels, budgets, numpy_generator(seed, "variation", "part"))] = True
    return split.subset(torch.nonzero(chosen if part == "first" else ~chosen).flatten())


def _resize(split: Split, key: str, size: int | None, dataset: Dataset, seed: int, *, least: int) -> Split:
    """Draws a class-stratified subset with at least `least` samples of each class that has them."""
    if size is None or size == len(split):
        return split
    if not len(split):
        raise ConfigurationError(
            f"dataset.{key} must not be given for {dataset.name}, which has no test split: give dataset.holdout= too"
        )
    sizes = _class_sizes(split.labels, dataset)
    minimum = np.minimum(sizes, least)
    if not minimum.sum() <= size <= len(split):
        allowed = f"an integer in [{minimum.sum()}, {len(split)}] for {dataset.name}"
        raise refuse(f"dataset.{key}", allowed, size, f"{least} of each class are the least, all samples the most")
    budgets = with_minimum(class_budgets(size, sizes), minimum)
    return split.subset(draw_from_classes(split.labels, budgets, numpy_generator(seed, "variation", key)))


def _class_sizes(labels: Tensor, dataset: Dataset) -> NDArray[np.int64]:
    return np.bincount(labels.numpy(), minlength=dataset.num_classes).astype(np.int64)


def long_tail_sizes(sizes: NDArray[np.int64], ratio: float) -> NDArray[np.int64]:
    """Returns class sizes that fall exponentially from the largest class to 1 / `ratio` of it (Cui et al. 2019, 5.1).

    Args:
        sizes: (C,) samples in each class; the classes are ranked by them, equal ones in their order.
        ratio: Largest over smallest, at least 1.

    Returns:
        (C,) at most `sizes`, and at least two where a class has them.
    """
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    falling = sizes.max() * np.power(ratio, -rank / max(len(sizes) - 1, 1))
    wanted: NDArray[np.int64] = np.maximum(np.floor(falling + 0.5).astype(np.int64), 2)
    return np.minimum(sizes, wanted)


def _thin_out(split: Split, dataset: Dataset, variation: Variation) -> Split:
    sizes = _class_sizes(split.labels, dataset)
    wanted = long_tail_sizes(sizes, variation.long_tail)
    if variation.long_tail == 1 or (wanted == sizes).all():
        return split
    generator = numpy_generator(variation.variation_seed, "variation", "long_tail")
    return split.subset(draw_from_classes(split.labels, wanted, generator))


def _mislabel(split: Split, dataset: Dataset, variation: Variation) -> Split:
    count = _share(variation.label_noise, split)
    if not count:
        return split
    if dataset.num_classes < 2:
        raise refuse("dataset.label_noise", "0 for a data set with one class", variation.label_noise)
    generator = numpy_generator(variation.variation_seed, "variation", "label_noise")
    chosen = torch.from_numpy(np.argsort(generator.random(len(split)), kind="stable")[:count])
    steps = torch.from_numpy(np.floor(generator.random(count) * (dataset.num_classes - 1)).astype(np.int64))
    labels, mislabelled = split.labels.clone(), torch.zeros(len(split), dtype=torch.bool)
    labels[chosen] = (labels[chosen] + 1 + steps) % dataset.num_classes
    mislabelled[chosen] = True
    return replace(split, labels=labels, mislabelled=mislabelled)


def _corrupt(split: Split, dataset: Dataset, variation: Variation) -> Split:
    """Damages a share of the images, a third of them in each way."""
    count = _share(variation.corruption, split)
    if not count:
        return split
    if not isinstance(split.images, MemoryImages):
        raise ConfigurationError(
            f"dataset.corruption must be 0 for images that stay in their files, got {variation.corruption!r}: "
            "take a data set that is held in memory (imagefolder: dataset.storage=memory)"
        )
    generator = torch_generator(variation.variation_seed, "variation", "corruption")
    order = numpy_generator(variation.variation_seed, "variation", "corruption").random(len(split))
    chosen = torch.from_numpy(np.argsort(order, kind="stable")[:count])
    pixels = split.images.pixels.clone()
    largest = 1.0 if pixels.is_floating_point() else 255.0
    mean, std = largest * torch.tensor(dataset.mean), largest * torch.tensor(dataset.std)
    kinds = list(Damage) if min(pixels.shape[2:]) > 1 else [Damage.NOISE]
    for number, kind in enumerate(kinds):
        for positions in torch.split(chosen[number :: len(kinds)], 1024):
            pixels[positions] = damage(pixels[positions], kind, mean=mean, std=std, generator=generator)
    corrupted = torch.zeros(len(split), dtype=torch.bool)
    corrupted[chosen] = True
    return replace(split, images=MemoryImages(pixels), corrupted=corrupted)


def _share(share: float, split: Split) -> int:
    return math.floor(share * len(split) + 0.5)
