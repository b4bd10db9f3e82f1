"""How the ε-sample cover is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlsel.checks import one_of, positive_int


@dataclass(frozen=True, kw_only=True)
class CoverSettings:
    """How the redundancy of a sample is measured: by its coverage E_c (RL-Selector, section "ε-sample cover"), or not.

    Attributes:
        distance: `euclidean` as in the paper, or `cosine` (one minus the cosine similarity).
        reduction: `sum` over the samples of the class as in the paper, or `mean` over the others, which ranks alike
            within a class and compares classes of different sizes; for `measure=cover` only.
        refresh_every: Epochs between two measurements while the features move, and before the first; fewer in a
            training that would be over by then.
        measure: `cover` for E_c; for the ablation `knn`, the mean distance to the nearest of the class; `prototype`,
            the distance to the mean of the class; or `density`, minus the logarithm of a kernel density of the class.
            High is not redundant for each of them.
        neighbours: How many of the nearest count, for `measure=knn`.
    """

    distance: Literal["euclidean", "cosine"] = "euclidean"
    reduction: Literal["mean", "sum"] = "mean"
    refresh_every: int = 3
    measure: Literal["cover", "knn", "prototype", "density"] = "cover"
    neighbours: int = 10

    def __post_init__(self) -> None:
        one_of("cover.distance", self.distance, ("euclidean", "cosine"))
        one_of("cover.reduction", self.reduction, ("mean", "sum"))
        positive_int("cover.refresh_every", self.refresh_every)
        one_of("cover.measure", self.measure, ("cover", "knn", "prototype", "density"))
        positive_int("cover.neighbours", self.neighbours)
