"""Two selections of the same data: what both keep, and what each keeps alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlsel.coreset import Coreset
from rlsel.errors import CoresetError
from rlsel.report.contact_sheets import MOST_SHOWN, ContactSheet, Material


@dataclass(frozen=True, kw_only=True)
class ClassOverlap:
    """How two selections share a class; counts of samples."""

    name: str
    both: int
    only_this: int
    only_other: int


@dataclass(frozen=True, kw_only=True)
class Against:
    """Two selections side by side.

    Attributes:
        other: What the other one is, in words.
        kept: (M,) what the other one keeps of the candidates.
        classes: The classes of which either keeps something.
        sheets: What each keeps alone.
    """

    other: str
    kept: NDArray[np.bool_]
    classes: tuple[ClassOverlap, ...]
    sheets: tuple[ContactSheet, ...]

    @property
    def both(self) -> int:
        """Samples that both keep."""
        return sum(row.both for row in self.classes)

    @property
    def only_this(self) -> int:
        """Samples that this one keeps alone."""
        return sum(row.only_this for row in self.classes)

    @property
    def only_other(self) -> int:
        """Samples that the other one keeps alone."""
        return sum(row.only_other for row in self.classes)

    @property
    def jaccard(self) -> float:
        """Share of what either keeps that both keep."""
        return self.both / (self.both + self.only_this + self.only_other)


def against(material: Material, other: Coreset) -> Against:
    """Compares a selection with another one.

    Args:
        material: The selection.
        other: The other one.

    Raises:
        CoresetError: if it is of other data, or of another part of it.
    """
    require_same_data(material.coreset, other)
    coreset = material.coreset
    kept = np.isin(coreset.candidates, other.indices, assume_unique=True)
    labels, names = coreset.labels[coreset.candidates], coreset.provenance.dataset.class_names
    both, only_this, only_other = (
        np.bincount(labels[chosen], minlength=len(names)).tolist()
        for chosen in (kept & material.kept, ~kept & material.kept, kept & ~material.kept)
    )
    rows = [
        ClassOverlap(name=name, both=together, only_this=this, only_other=that)
        for name, together, this, that in zip(names, both, only_this, only_other, strict=True)
        if together + this + that
    ]
    recorded = other.provenance
    sheets = [
        _alone(material, material.kept & ~kept, name="this", title="What only this selection keeps"),
        _alone(material, ~material.kept & kept, name="other", title="What only the other one keeps"),
    ]
    return Against(
        other=f"{recorded.selector.name} at {recorded.ratio.requested:g}, seed {recorded.seed}",
        kept=kept,
        classes=tuple(rows),
        sheets=tuple(sheet for sheet in sheets if any(sheet.groups)),
    )


def require_same_data(coreset: Coreset, other: Coreset) -> None:
    """Refuses a selection of other data.

    Raises:
        CoresetError: if the data set or the candidates differ.
    """
    own, others = coreset.provenance.dataset, other.provenance.dataset
    if (own.size, own.fingerprint) != (others.size, others.fingerprint):
        raise CoresetError(
            f"against must be a selection of the same data as run, {own.size} samples of {own.name}, got one of "
            f"{others.size} samples of {others.name} with other images or labels: give two selections of one data set"
        )
    if not np.array_equal(coreset.candidates, other.candidates):
        raise CoresetError(
            f"against must be a selection from the same {len(coreset.candidates)} candidates as run, got one from "
            f"{len(other.candidates)}, or others: give two selections of the same part of the data"
        )


def _alone(material: Material, chosen: NDArray[np.bool_], *, name: str, title: str) -> ContactSheet:
    places = np.flatnonzero(chosen)
    best = places[np.argsort(-material.scores[places], kind="stable")][:MOST_SHOWN]
    return ContactSheet(
        name=name,
        title=title,
        meaning=f"Those of {len(places):,} that score highest here.",
        groups=(tuple(material.shown(int(place), f"score {material.scores[place]:.3g}") for place in best),),
    )
