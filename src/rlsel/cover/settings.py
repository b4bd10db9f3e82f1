"""How the ε-sample cover is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlsel.checks import one_of, positive_int


@dataclass(frozen=True, kw_only=True)
class CoverSettings:
    """How the coverage E_c of a sample is measured (RL-Selector, section "ε-sample cover").

    Attributes:
        distance: `euclidean` as in the paper, or `cosine` (one minus the cosine similarity).
        reduction: `sum` over the samples of the class as in the paper, or `mean` over the others, which ranks alike
            within a class and compares classes of different sizes.
        refresh_every: Epochs between two measurements while the features move.
    """

    distance: Literal["euclidean", "cosine"] = "euclidean"
    reduction: Literal["mean", "sum"] = "mean"
    refresh_every: int = 2

    def __post_init__(self) -> None:
        one_of("cover.distance", self.distance, ("euclidean", "cosine"))
        one_of("cover.reduction", self.reduction, ("mean", "sum"))
        positive_int("cover.refresh_every", self.refresh_every)
