"""Cells of a large class: groups of samples that lie together, within which neighbours are looked for.

Each cut is across the line through two samples that lie far apart, at the median (a random projection tree; Dasgupta &
Freund, STOC 2008). Near-duplicates are hardly ever cut apart; of other neighbours many are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlsel.randomness import torch_generator


def cells(features: Tensor, largest: int, *, seed: int = 0) -> list[Tensor]:
    """Parts samples into cells of nearly equal size.

    Args:
        features: (n, D).
        largest: Most samples of a cell, at least 2.
        seed: Draws the samples that lines start from.

    Returns:
        (m,) ascending positions of each cell; every position is in one of them.
    """
    generator = torch_generator(seed, "cover", "cells")
    parts, done = [torch.arange(len(features))], []
    while parts:
        part = parts.pop()
        if len(part) <= largest:
            done.append(part)
            continue
        own = features[part]
        start = own[int(torch.randint(len(part), (1,), generator=generator))]
        far = own[int((own - start).square().sum(dim=1).argmax())]
        order = (own @ (far - start)).argsort(stable=True)
        half = len(part) // 2
        parts += [part[order[half:]].sort().values, part[order[:half]].sort().values]
    return done
