"""The sums of the distances within a class, in square blocks that stay in the caches of a processor.

The distance of two samples counts for both, so that only the blocks on and above the diagonal are computed. A block is
one matrix product: with the squares of the lengths as two further columns, |x|² - 2xy + |y|² comes of it as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

_SIDE, _SIDE_ELSEWHERE = 1024, 4096
"""Samples in a side of a block on a CPU, whose caches hold it, and on other devices, which want larger ones."""


def sums_of_distances(
    features: Tensor, members: Tensor, distance: Literal["euclidean", "cosine"], *, every: tuple[int, int] = (0, 1)
) -> Tensor:
    """Sums the distances of each sample of a class to the others.

    Args:
        features: (N, D).
        members: (n,) positions of the class.
        distance: See `rlsel.cover.distances.pairwise_distances`.
        every: (first, step): only these of the blocks, as in `range`; the sums over all `first` below `step` are whole.

    Returns:
        (n,) of the features' dtype. The extra memory does not grow with n but for this.
    """
    side = _SIDE if features.device.type == "cpu" else _SIDE_ELSEWHERE
    parts = torch.split(members, side)
    # the rounding of matrix products grows with the distance from zero
    centre = sum((features[part].sum(dim=0) for part in parts), features.new_zeros(features.shape[1])) / max(
        1, len(members)
    )
    sums = torch.zeros(len(members), dtype=features.dtype, device=features.device)
    for first, second in _own_pairs(len(parts), every):
        rows, columns = (features[parts[place]] for place in (first, second))
        if distance == "cosine":
            block = torch.mm(normalize(rows), normalize(columns).T).neg_().add_(1).clamp_min_(0)
        else:
            block = torch.mm(_left(rows - centre), _right(columns - centre).T).clamp_min_(0).sqrt_()
        if first == second:
            block.fill_diagonal_(0.0)
        else:
            sums[second * side : (second + 1) * side] += block.sum(dim=0)
        sums[first * side : (first + 1) * side] += block.sum(dim=1)
    return sums


def _own_pairs(parts: int, every: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yields the places of the two parts of each own block."""
    first_block, step = every
    pairs = [(first, second) for first in range(parts) for second in range(first, parts)]
    yield from pairs[first_block::step]


def _left(rows: Tensor) -> Tensor:
    lengths = rows.square().sum(dim=1, keepdim=True)
    return torch.cat([rows * -2, lengths, torch.ones_like(lengths)], dim=1)


def _right(columns: Tensor) -> Tensor:
    lengths = columns.square().sum(dim=1, keepdim=True)
    return torch.cat([columns, torch.ones_like(lengths), lengths], dim=1)
