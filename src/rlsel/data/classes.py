"""Labels, classes, and draws that keep the classes' shares."""

from __future__ import annotations

import math
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


def stratified_share(labels: Tensor, share: float, seed: int) -> Division:
    """Sets a share of the samples aside, rounded up and class by class; two of each class always stay.

    Args:
        labels: (N,) int64 in [0, C).
        share: The share, in [0, 1).
        seed: The data set's own; the same division on every machine.
    """
    sizes = np.bincount(labels.numpy())
    # what a share is off a round number by rounding must not count as a sample more
    budgets = class_budgets(math.ceil(round(share * len(labels), 6)), sizes)
    budgets = np.minimum(budgets, np.maximum(sizes - 2, 0))
    test = draw_from_classes(labels, budgets, numpy_generator(seed, "data", "stratified fifth"))
    stays = torch.ones(len(labels), dtype=torch.bool)
    stays[test] = False
    return Division(torch.nonzero(stays).flatten(), test)
