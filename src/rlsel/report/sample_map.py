"""The map of a page: samples in the plane, with all that it can be coloured and filtered by, as binary columns."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rlsel.budget import class_budgets
from rlsel.coreset import Coreset
from rlsel.randomness import numpy_generator
from rlsel.report.contact_sheets import Material
from rlsel.report.plane import lay_out

MOST_SAMPLES = 50_000
"""Samples of a map; of more, each class shows its share."""

_STOPS = tuple(number / 50 for number in range(1, 51))
"""Ratios at which the slider replays the selection."""

MOST_FOR_ALL_STOPS = 200_000
"""Candidates of a map with all stops; a cut of a million takes two seconds, and every fifth is made."""


@dataclass(frozen=True, kw_only=True)
class SampleMap:
    """The S samples of a map.

    Attributes:
        places: (S,) places among the candidates, ascending.
        across: (S,) places to the right.
        up: (S,) places upwards.
        method: How they were laid out, to follow a colon.
        stops: Ratios that the slider goes to, ascending; empty where the recorded scores cannot be cut again.
        kept_at: (T, S) which samples are kept at each stop.
        of: M, the candidates.
    """

    places: NDArray[np.int64]
    across: NDArray[np.float32]
    up: NDArray[np.float32]
    method: str
    stops: tuple[float, ...]
    kept_at: NDArray[np.bool_]
    of: int


def sample_map(
    coreset: Coreset, features: Tensor, *, distance: Literal["euclidean", "cosine"] = "euclidean"
) -> SampleMap:
    """Lays candidates out in the plane.

    Args:
        coreset: The selection.
        features: (M, D) of its candidates.
        distance: How they are compared.
    """
    places = _stratified(coreset)
    plane = lay_out(features, places, distance=distance, seed=coreset.provenance.seed)
    stops, kept_at = _replay(coreset, places)
    return SampleMap(
        places=places,
        across=plane.places[:, 0],
        up=plane.places[:, 1],
        method=plane.method,
        stops=stops,
        kept_at=kept_at,
        of=len(features),
    )


def _stratified(coreset: Coreset) -> NDArray[np.int64]:
    """Returns the places of all candidates, or a share of each class where there are too many."""
    labels = coreset.labels[coreset.candidates]
    if len(labels) <= MOST_SAMPLES:
        return np.arange(len(labels), dtype=np.int64)
    generator = numpy_generator(coreset.provenance.seed, "report", "map")
    shuffled = generator.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels, minlength=coreset.provenance.dataset.num_classes)
    starts = np.cumsum(sizes) - sizes
    budgets = class_budgets(MOST_SAMPLES, sizes)
    chosen = [by_class[start : start + count] for start, count in zip(starts, budgets, strict=True)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _replay(coreset: Coreset, places: NDArray[np.int64]) -> tuple[tuple[float, ...], NDArray[np.bool_]]:
    """Cuts the recorded scores at each stop; the run's own ratio shows what it really kept."""
    recorded = coreset.provenance
    if recorded.export.mode == "threshold":
        return (), np.zeros((0, len(places)), dtype=np.bool_)
    own = recorded.ratio.requested
    positions = coreset.candidates[places]
    stops, rows = [], []
    replayed = _STOPS if recorded.dataset.candidates <= MOST_FOR_ALL_STOPS else _STOPS[4::5]
    for ratio in sorted({*replayed, own}):
        if ratio * recorded.dataset.candidates < 0.5:
            continue  # keeps nothing
        cut = coreset if ratio == own else coreset.at_ratio(ratio)
        stops.append(ratio)
        rows.append(np.isin(positions, cut.indices, assume_unique=True))
    return tuple(stops), np.stack(rows)


def payload(
    shown: SampleMap, material: Material, *, cells: Mapping[int, int], other: NDArray[np.bool_] | None
) -> Mapping[str, Any]:
    """Returns what the page's program reads: plain values, and columns of S numbers in base64, little-endian.

    Args:
        shown: The map.
        material: What is known of the candidates.
        cells: Places among the candidates, to cells of the sheet of pictures.
        other: (M,) what the other selection keeps; None without one.
    """
    coreset, places = material.coreset, shown.places
    positions = coreset.candidates[places]
    columns: dict[str, NDArray[Any]] = {
        "across": shown.across,
        "up": shown.up,
        "position": positions.astype("<i4"),
        "label": coreset.labels[positions].astype("<u2"),
        "kept": material.kept[places].astype("<u1"),
        "score": coreset.scores[positions].astype("<f4"),
        "cell": np.array([cells.get(place, -1) for place in places.tolist()], dtype="<i4"),
        "keptAt": np.packbits(shown.kept_at, axis=0, bitorder="little").T,
    }
    for name, known in (
        ("distance", material.distances),
        ("coverage", material.coverage),
        ("doubt", material.label_error),
        ("other", other),
    ):
        if known is not None:
            columns[name] = known[places].astype("<u1" if name == "other" else "<f4")
    own = coreset.provenance.ratio.requested
    return {
        "classes": list(coreset.provenance.dataset.class_names),
        "stops": list(shown.stops),
        "own": shown.stops.index(own) if own in shown.stops else -1,
        "bytesPerSample": columns["keptAt"].shape[1] if shown.stops else 0,
        "columns": {name: _encoded(values) for name, values in columns.items()},
    }


def _encoded(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
