"""From a greedy order to scores: one run of a greedy method serves every ratio, since its choices are nested."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rlsel.cover.coverage import class_members


def rank_scores(order: Tensor) -> Tensor:
    """Turns an order into scores that compare fairly between classes of different sizes.

    The score of the sample at position p of n is 1 - (p + 1/2) / n. The highest K of the scores of several classes
    therefore share K between the classes in proportion to their sizes (the divisor method of Sainte-Laguë), and hold
    the first samples of each.

    Args:
        order: (n,) int64 permutation, the first choice first.

    Returns:
        (n,) float32 in (0, 1).
    """
    size = len(order)
    scores = torch.empty(size, dtype=torch.float64)
    scores[order] = 1 - (torch.arange(size, dtype=torch.float64) + 0.5) / size
    return scores.float()


def order_within_classes(
    features: Tensor, labels: Tensor, order: Callable[[Tensor], Tensor], *, num_classes: int
) -> Tensor:
    """Orders each class on its own.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        order: Maps (n, D) features of a class to an (n,) order.
        num_classes: C.

    Returns:
        (N,) float32 `rank_scores`.
    """
    return order_within_blocks(features, class_members(labels, num_classes), order)


def order_within_blocks(features: Tensor, blocks: list[Tensor], order: Callable[[Tensor], Tensor]) -> Tensor:
    """Orders each block of positions on its own, as `order_within_classes` does; the blocks cover all N samples."""
    scores = torch.empty(len(features), dtype=torch.float32)
    for members in blocks:
        if len(members):
            scores[members] = rank_scores(order(features[members]))
    return scores


def random_blocks(members: Tensor, largest: int, generator: torch.Generator) -> list[Tensor]:
    """Splits positions at random into blocks of nearly equal size, as few as have at most `largest` each.

    Args:
        members: (n,) positions.
        largest: Most positions in a block.
        generator: Draws the split; not used where one block is enough.

    Returns:
        The blocks, each ascending where `members` is.
    """
    if len(members) <= largest:
        return [members]
    shuffled = torch.randperm(len(members), generator=generator)
    parts = torch.tensor_split(shuffled, math.ceil(len(members) / largest))
    return [members[part.sort().values] for part in parts]
