"""How alike the selectors of a comparison choose, as a square of shares for each ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from rlsel.budget import format_ratio
from rlsel.evaluation.comparison import Likeness


@dataclass(frozen=True, kw_only=True)
class LikenessMap:
    """The selectors of a comparison at a ratio, each against each.

    Attributes:
        ratio: The keep ratio, as it is written.
        chance: What two random choices of this size share, of what either keeps.
        names: The selectors, those beside each other that choose alike.
        rows: Of each selector, its Jaccard index with each, itself included; None where no seed has both.
    """

    ratio: str
    chance: float
    names: tuple[str, ...]
    rows: tuple[tuple[float | None, ...], ...]


def likeness_maps(likenesses: Sequence[Likeness]) -> tuple[LikenessMap, ...]:
    """Lays out what was recorded, by ratio."""
    by_ratio: dict[float, list[Likeness]] = {}
    for one in likenesses:
        by_ratio.setdefault(one.ratio, []).append(one)
    return tuple(_map(ratio, found) for ratio, found in sorted(by_ratio.items()))


def _map(ratio: float, found: Sequence[Likeness]) -> LikenessMap:
    names = sorted({name for one in found for name in (one.selector, one.other)})
    known = {(name, name): 1.0 for name in names}
    for one in found:
        known[one.selector, one.other] = known[one.other, one.selector] = one.jaccard
    ordered = _alike_together(names, known)
    return LikenessMap(
        ratio=format_ratio(ratio),
        # r² N of the samples are in both of two random choices, and (2 r - r²) N in either
        chance=ratio / (2 - ratio),
        names=tuple(ordered),
        rows=tuple(tuple(known.get((name, other)) for other in ordered) for name in ordered),
    )


def _alike_together(names: Sequence[str], known: dict[tuple[str, str], float]) -> list[str]:
    """Orders names so that the sum of the differences of neighbours is small (Bar-Joseph et al. 2001)."""
    if len(names) < 3:
        return list(names)
    differences = np.array([[1 - known.get((name, other), 0.0) for other in names] for name in names])
    tree = linkage(squareform(differences), "average", optimal_ordering=True)
    return [names[place] for place in leaves_list(tree)]
