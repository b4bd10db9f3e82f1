"""What the page of a selection shows, computed from its run: no HTML, no file, nothing that grows with N x N."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from rlsel.coreset import Coreset
from rlsel.cover.nearest_kept import nearest_kept
from rlsel.randomness import numpy_generator
from rlsel.report.against import Against, against
from rlsel.report.charts import Curve, Histogram, ends_of, histogram
from rlsel.report.contact_sheets import ContactSheet, Material, contact_sheets
from rlsel.report.sample_map import SampleMap, sample_map
from rlsel.report.seen import Seen
from rlsel.report.verdict import Verdict, class_sizes, verdict

QUANTILES = (0.1, 0.5, 0.9)
"""Of the distances of a class's dropped samples to what covers them; the farthest stands beside them."""

MOST_PAIRS = 2_000_000_000
"""Of a dropped and a kept sample of a class, whose distances are measured: half a minute on a CPU."""

_CURVE_POINTS = 60

_CPU = torch.device("cpu")

_TITLES = {
    "loss": "Training loss",
    "accuracy": "Training accuracy",
    "share_kept": "Share kept by the policy's own threshold",
    "reward": "Reward",
    "price": "Price on keeping",
    "coverage_correlation": "Correlation of keep probability and E_c",
    "jaccard_previous": "Overlap with the choice of the epoch before",
}
"""What the epochs measured, in words and in the order of the page; what else they measured is for developers."""


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A class of the data set.

    Attributes:
        name: Its name.
        size: Its candidates, at least one.
        kept: Those that are kept.
        scores: Their scores.
        distances: Quantiles of the distances of the dropped ones to what covers them, and the farthest; None where
            nothing is dropped, nothing is kept, or nothing was measured.
    """

    name: str
    size: int
    kept: int
    scores: Histogram
    distances: tuple[float, ...] | None

    @property
    def share(self) -> float:
        """Share of the candidates that is kept."""
        return self.kept / self.size


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A histogram of all candidates, with its title."""

    title: str
    counts: Histogram


@dataclass(frozen=True, kw_only=True)
class SelectionPage:
    """The page of a selection.

    Attributes:
        coreset: The selection.
        verdict: The head.
        classes: Those that have candidates.
        spreads: Of the scores, and of E_c where that is known.
        sheets: Samples as pictures.
        covered: Share of the dropped samples within a distance of a kept one of their class, over that distance; None
            where no distances were measured.
        curves: What the epochs measured.
        map: Samples in the plane; None without features.
        material: What is known of the candidates.
        against: The comparison with another selection; None without one.
    """

    coreset: Coreset
    verdict: Verdict
    classes: tuple[ClassRow, ...]
    spreads: tuple[Spread, ...]
    sheets: tuple[ContactSheet, ...]
    covered: Curve | None
    curves: tuple[Curve, ...]
    map: SampleMap | None
    material: Material
    against: Against | None


def selection_page(
    coreset: Coreset,
    seen: Seen,
    *,
    metrics: Sequence[Mapping[str, float | None]] = (),
    other: Coreset | None = None,
    device: torch.device = _CPU,
) -> SelectionPage:
    """Computes what the page of a selection shows.

    Args:
        coreset: The selection.
        seen: What is known of its candidates.
        metrics: What each epoch measured.
        other: Another selection of the same candidates; None for none.
        device: Where distances are computed.

    Raises:
        CoresetError: if the other one is of other data.
    """
    material = _material(coreset, seen, device)
    unmeasured = 0 if material.distances is None else np.isnan(material.distances[~material.kept]).sum()
    if unmeasured:
        dropped = np.count_nonzero(~material.kept)
        note = f"Distances are those of {dropped - unmeasured:,} of the {dropped:,} dropped samples, drawn evenly."
        seen = replace(seen, notes=(*seen.notes, note))
    return SelectionPage(
        coreset=coreset,
        verdict=verdict(coreset, seen),
        classes=tuple(_classes(material)),
        spreads=tuple(_spreads(material)),
        sheets=contact_sheets(material),
        covered=_covered(material),
        curves=tuple(_curves(metrics)),
        map=None if seen.features is None else sample_map(coreset, seen.features, distance=seen.distance),
        material=material,
        against=None if other is None else against(material, other),
    )


def _material(coreset: Coreset, seen: Seen, device: torch.device) -> Material:
    candidates = coreset.candidates
    kept = np.isin(candidates, coreset.indices, assume_unique=True)
    distances = covering = None
    if seen.features is not None:
        measured = _to_measure(coreset, kept)
        found = nearest_kept(
            seen.features[torch.from_numpy(measured)].to(device),
            torch.from_numpy(coreset.labels[candidates[measured]]),
            torch.from_numpy(kept[measured]),
            num_classes=coreset.provenance.dataset.num_classes,
            distance=seen.distance,
        )
        distances, covering = np.full(len(kept), np.nan, dtype=np.float32), np.full(len(kept), -1, dtype=np.int64)
        distances[measured], places = found.distances.cpu().numpy(), found.positions.cpu().numpy()
        covering[measured] = np.where(places < 0, -1, measured[places])
    return Material(
        coreset=coreset,
        kept=kept,
        distances=distances,
        covering=covering,
        coverage=None if seen.coverage is None else seen.coverage.numpy(),
        label_error=None if seen.label_error is None else seen.label_error.numpy(),
        origin=seen.origin,
        instead=seen.instead,
    )


def _to_measure(coreset: Coreset, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Returns the places of the samples between which distances are measured: all kept ones, and all dropped ones.

    Of more than `MOST_PAIRS`, a share of the dropped ones, drawn evenly.
    """
    labels, classes = coreset.labels[coreset.candidates], coreset.provenance.dataset.num_classes
    inside, outside = (np.bincount(labels[chosen], minlength=classes) for chosen in (kept, ~kept))
    pairs = int((inside * outside).sum())
    if pairs <= MOST_PAIRS:
        return np.arange(len(kept), dtype=np.int64)
    dropped = np.flatnonzero(~kept)
    generator = numpy_generator(coreset.provenance.seed, "report", "distances")
    drawn = generator.permutation(dropped)[: max(1, int(len(dropped) * MOST_PAIRS / pairs))]
    return np.sort(np.concatenate([np.flatnonzero(kept), drawn])).astype(np.int64)


def _classes(material: Material) -> list[ClassRow]:
    coreset, scores = material.coreset, material.scores
    labels = coreset.labels[coreset.candidates]
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(class_sizes(coreset))[:-1])
    ends = ends_of(scores)
    rows = []
    for name, members in zip(coreset.provenance.dataset.class_names, by_class, strict=True):
        if len(members):
            inside = material.kept[members]
            rows.append(
                ClassRow(
                    name=name,
                    size=len(members),
                    kept=int(inside.sum()),
                    scores=histogram(scores[members], inside, ends),
                    distances=_quantiles(material.distances, members),
                )
            )
    return rows


def _quantiles(distances: NDArray[np.float32] | None, members: NDArray[np.int64]) -> tuple[float, ...] | None:
    if distances is None:
        return None
    measured = distances[members][np.isfinite(distances[members])]
    return tuple(float(value) for value in np.quantile(measured, (*QUANTILES, 1.0))) if len(measured) else None


def _spreads(material: Material) -> list[Spread]:
    of_scores = histogram(material.scores, material.kept, ends_of(material.scores))
    name = "Keep logit" if material.coreset.provenance.score.policy else "Score"
    spreads = [Spread(title=name, counts=of_scores)]
    if material.coverage is not None:
        of_coverage = histogram(material.coverage, material.kept, ends_of(material.coverage))
        spreads.append(Spread(title="E_c, the distance to the rest of the class", counts=of_coverage))
    return spreads


def _covered(material: Material) -> Curve | None:
    if material.distances is None:
        return None
    measured = np.sort(material.distances[np.isfinite(material.distances)])
    if not len(measured):
        return None
    shares = np.linspace(0, 1, _CURVE_POINTS)
    asked = np.count_nonzero(~np.isnan(material.distances))  # infinite where nothing of the class is kept
    points = [(float(np.quantile(measured, share)), float(share) * len(measured) / asked) for share in shares]
    return Curve(title="Share of the dropped samples within a distance of a kept one", points=tuple(points))


def _curves(metrics: Sequence[Mapping[str, float | None]]) -> list[Curve]:
    curves = []
    for name, title in _TITLES.items():
        points = tuple(
            (float(epoch), float(value))
            for row in metrics
            if (epoch := row.get("epoch")) is not None and (value := row.get(name)) is not None
        )
        if len(points) > 1:
            curves.append(Curve(title=title, points=points))
    return curves
