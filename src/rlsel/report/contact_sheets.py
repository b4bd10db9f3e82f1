"""Which samples a page shows as pictures, because they say most about a selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rlsel.coreset import Coreset

MOST_SHOWN = 24
"""Samples of a sheet."""

MOST_GROUPS, MOST_MEMBERS = 12, 10
"""Groups of near-duplicates that are shown, and members of each."""

_DOUBTFUL = 0.5
"""Probability of a wrong label from which a sample is suspected."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A sample on a sheet.

    Attributes:
        place: Its place among the candidates.
        position: Its position in what the user gave.
        class_name: Its class.
        score: Its score.
        kept: Whether it is kept.
        value: What puts it on the sheet, as text; empty for nothing beside the score.
        instead: The class that the target model would give it; empty where none was asked.
        beside: What covers it, for a pair.
    """

    place: int
    position: int
    class_name: str
    score: float
    kept: bool
    value: str = ""
    instead: str = ""
    beside: Shown | None = None


@dataclass(frozen=True, kw_only=True)
class ContactSheet:
    """Samples that show one thing.

    Attributes:
        title: The thing.
        meaning: What to make of it, in a sentence or two.
        groups: Samples that belong together; a single group for a plain sheet.
        name: For links, a word.
    """

    name: str
    title: str
    meaning: str
    groups: tuple[tuple[Shown, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Material:
    """What the sheets are chosen from; each array is about the M candidates.

    Attributes:
        coreset: The selection.
        kept: (M,).
        distances: (M,) to the nearest kept sample of the class, NaN for kept ones; None where not measured.
        covering: (M,) places of these samples, -1 for none.
        coverage: (M,) E_c; None where unknown.
        label_error: (M,) probability of a wrong label; None where unknown.
        origin: What the distances are measured in.
        instead: By place of a sample whose label is suspected, the class that the target model gives it when the label
            is no choice; empty where no model was asked.
    """

    coreset: Coreset
    kept: NDArray[np.bool_]
    distances: NDArray[np.float32] | None
    covering: NDArray[np.int64] | None
    coverage: NDArray[np.float32] | None
    label_error: NDArray[np.float32] | None
    origin: str
    instead: Mapping[int, int] = field(default_factory=dict)

    @property
    def scores(self) -> NDArray[np.float32]:
        """(M,) scores."""
        return self.coreset.scores[self.coreset.candidates]

    def shown(self, place: int, value: str = "", beside: Shown | None = None, *, doubted: bool = False) -> Shown:
        """Returns a candidate as a sheet shows it; a doubted one with the class that the model would give it."""
        position = int(self.coreset.candidates[place])
        names = self.coreset.provenance.dataset.class_names
        return Shown(
            place=place,
            position=position,
            class_name=names[self.coreset.labels[position]],
            score=float(self.coreset.scores[position]),
            kept=bool(self.kept[place]),
            value=value,
            instead=names[self.instead[place]] if doubted and place in self.instead else "",
            beside=beside,
        )


def contact_sheets(material: Material) -> tuple[ContactSheet, ...]:
    """Returns the sheets that there is something to show on, the most telling first."""
    sheets = [
        *_by_distance(material),
        _near_the_cut(material),
        _least_redundant(material),
        _near_duplicates(material),
        _suspected(material),
    ]
    return tuple(sheet for sheet in sheets if sheet is not None and any(sheet.groups))


def _by_distance(material: Material) -> list[ContactSheet]:
    if material.distances is None or material.covering is None:
        return []
    # a kept sample has NaN and a lost class infinity: neither is covered by something that could be shown beside it
    covered = np.flatnonzero(np.isfinite(material.distances))
    order = covered[np.argsort(material.distances[covered], kind="stable")]
    pairs = {
        name: tuple(_pair(material, material.distances, material.covering, int(place)) for place in chosen)
        for name, chosen in (("nearest", order[:MOST_SHOWN]), ("farthest", order[::-1][:MOST_SHOWN]))
    }
    measured = f"Distances are measured in {material.origin}."
    return [
        ContactSheet(
            name="redundant",
            title="The most redundant of what is dropped",
            meaning=f"Each dropped sample stands beside the nearest kept one of its class, which covers it. {measured}",
            groups=(pairs["nearest"],),
        ),
        ContactSheet(
            name="uncovered",
            title="What is covered worst",
            meaning="The dropped samples farthest from any kept one of their class: what the selection gives up.",
            groups=(pairs["farthest"],),
        ),
    ]


def _pair(material: Material, distances: NDArray[np.float32], covering: NDArray[np.int64], place: int) -> Shown:
    beside = material.shown(int(covering[place]))
    return material.shown(place, f"distance {distances[place]:.3g}", beside)


def _near_the_cut(material: Material) -> ContactSheet | None:
    kept, scores = int(material.kept.sum()), material.scores
    if kept == len(scores):
        return None
    cut = np.sort(scores)[::-1][kept - 1]
    nearest = np.argsort(np.abs(scores - cut), kind="stable")[:MOST_SHOWN]
    ordered = nearest[np.argsort(-scores[nearest], kind="stable")]
    return ContactSheet(
        name="cut",
        title="Nearest to the cut",
        meaning=f"The samples whose score is closest to {cut:.4g}, which as many reach as are kept: the choice could "
        "have gone either way for them.",
        groups=(_plain(material, ordered),),
    )


def _plain(material: Material, places: NDArray[np.int64]) -> tuple[Shown, ...]:
    return tuple(material.shown(int(place), f"score {material.scores[place]:.3g}") for place in places)


def _least_redundant(material: Material) -> ContactSheet | None:
    if material.coverage is None:
        return None
    highest = np.argsort(-material.coverage, kind="stable")[:MOST_SHOWN]
    return ContactSheet(
        name="rare",
        title="The least redundant",
        meaning="The samples of the highest E_c: far from all others of their class, whether rare, hard or wrong.",
        groups=(tuple(material.shown(int(place), f"E_c {material.coverage[place]:.3g}") for place in highest),),
    )


def _near_duplicates(material: Material) -> ContactSheet | None:
    if material.coreset.near_duplicates is None:
        return None
    of = material.coreset.near_duplicates[material.coreset.candidates]
    groups, counts = np.unique(of, return_counts=True)
    largest = np.argsort(-counts, kind="stable")[:MOST_GROUPS]
    members = [np.flatnonzero(of == groups[number])[:MOST_MEMBERS] for number in largest if counts[number] > 1]
    repeated = int((counts[counts > 1] - 1).sum())
    return ContactSheet(
        name="duplicates",
        title="Near-duplicates",
        meaning=f"{int((counts > 1).sum()):,} groups hold {repeated:,} samples more than one each; the largest groups "
        "are shown.",
        groups=tuple(_plain(material, places) for places in members),
    )


def most_suspected(label_error: NDArray[np.float32]) -> NDArray[np.int64]:
    """Returns the places of the samples whose label is most likely wrong, the worst first, as many as a sheet shows."""
    doubtful = np.flatnonzero(label_error >= _DOUBTFUL)
    return doubtful[np.argsort(-label_error[doubtful], kind="stable")][:MOST_SHOWN]


def _suspected(material: Material) -> ContactSheet | None:
    if material.label_error is None:
        return None
    doubtful = material.label_error >= _DOUBTFUL
    told = " Behind the arrow stands what it calls them when the given label is no choice." if material.instead else ""
    return ContactSheet(
        name="labels",
        title="Suspected label errors",
        meaning=f"{doubtful.sum():,} labels are more likely wrong than right, by how the target model took them while "
        f"it trained; {(material.kept & doubtful).sum():,} of these samples are kept.{told}",
        groups=(
            tuple(
                material.shown(int(place), f"{100 * material.label_error[place]:.0f} % wrong", doubted=True)
                for place in most_suspected(material.label_error)
            ),
        ),
    )


def places_of(sheets: Sequence[ContactSheet]) -> list[int]:
    """Returns the places of all samples on some sheets, in their order."""
    found = []
    for sheet in sheets:
        for group in sheet.groups:
            for sample in group:
                found += [sample.place] if sample.beside is None else [sample.place, sample.beside.place]
    return found
