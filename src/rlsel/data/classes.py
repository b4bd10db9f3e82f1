"""Labels, classes, and draws that keep the classes' shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.budget import class_budgets
from rlsel.errors import DataError
from rlsel.randomness import numpy_generator


class Division(NamedTuple):
    """Positions of a split in two; each (K,) int64 and ascending."""

    train: Tensor
    test: Tensor


class NamedLabels(NamedTuple):
    """Labels from 0 to C - 1, (N,) int64, and the C names they had."""

    labels: Tensor
    names: tuple[str, ...]


def number_classes(given: NDArray[np.integer]) -> NamedLabels:
    """Numbers the classes from 0 without a gap, in the order of the (N,) labels given; the names are the originals."""
    originals, labels = np.unique(given, return_inverse=True)
    return NamedLabels(torch.from_numpy(labels.astype(np.int64)), tuple(str(label) for label in originals))


def require_two_samples(dataset: str, labels: Tensor, class_names: Sequence[str]) -> None:
    """Checks that each class has a neighbour for each of its samples.

    Raises:
        DataError: for the first class with fewer than two training samples.
    """
    counts = torch.bincount(labels, minlength=len(class_names))
    few = torch.nonzero(counts < 2).flatten().tolist()
    if few:
        raise DataError(
            f"{dataset}: each class must have at least two training samples, got {int(counts[few[0]])} of class "
            f"{class_names[few[0]]!r}: add samples or leave the class out"
        )


def draw_from_classes(labels: Tensor, budgets: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
    """Draws from each class without replacement.

    Args:
        labels: (N,) int64 in [0, C).
        budgets: (C,) how many of each class; a larger budget draws what a smaller one drew, and more.
        generator: Gives N numbers.

    Returns:
        (K,) int64 positions, ascending.
    """
    classes = labels.numpy()
    order = np.lexsort((generator.random(len(classes)), classes))
    sizes = np.bincount(classes, minlength=len(budgets))
    rank_in_class = np.arange(len(classes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return torch.from_numpy(np.sort(order[rank_in_class < budgets[classes[order]]]))


def stratified_fifth(labels: Tensor, seed: int) -> Division:
    """Sets a fifth of the samples aside, rounded up and class by class; two of each class always stay.

    Args:
        labels: (N,) int64 in [0, C).
        seed: The data set's own; the same division on every machine.
    """
    sizes = np.bincount(labels.numpy())
    budgets = class_budgets(-(-len(labels) // 5), sizes)
    budgets = np.minimum(budgets, np.maximum(sizes - 2, 0))
    test = draw_from_classes(labels, budgets, numpy_generator(seed, "data", "stratified fifth"))
    stays = torch.ones(len(labels), dtype=torch.bool)
    stays[test] = False
    return Division(torch.nonzero(stays).flatten(), test)


def divide(dataset: str, labels: Tensor, class_names: Sequence[str]) -> Division:
    """Makes the test split of a data set that has none: `stratified_fifth`, the same for every run.

    Raises:
        DataError: if a class has too few samples, or all have too few for a test split.
    """
    require_two_samples(dataset, labels, class_names)
    division = stratified_fifth(labels, 0)
    if not len(division.test):
        raise DataError(f"{dataset}: {len(labels)} samples are too few to set a test split aside: add samples")
    return division
