"""Differences to a random choice in several comparisons, a row for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rlsel.budget import format_ratio
from rlsel.evaluation.comparison import RANDOM, Summary
from rlsel.evaluation.statistics import PairedDifference
from rlsel.report.charts import Scale
from rlsel.runs.comparison_files import RecordedComparison

STRIP = 132.0
"""Width of the picture of a difference, in the units of its view box."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A difference to a random choice, in points.

    Attributes:
        mean: Over the seeds.
        low: Lower end of the 95 % interval; the mean where there is a single seed.
        high: Upper end.
        told: Whether the interval leaves zero out.
    """

    mean: float
    low: float
    high: float
    told: bool

    @classmethod
    def of(cls, difference: PairedDifference) -> Effect:
        """Returns a paired difference of fractions in points."""
        mean, low, high = difference.mean, difference.low, difference.high
        if low is None or high is None:
            return cls(mean=100 * mean, low=100 * mean, high=100 * mean, told=False)
        return cls(mean=100 * mean, low=100 * low, high=100 * high, told=low > 0 or high < 0)


@dataclass(frozen=True, kw_only=True)
class RegimeRow:
    """A model and a ratio of a comparison.

    Attributes:
        name: The comparison, and the model and the ratio where it has several.
        own: Whether it is the comparison that the page is about.
        effects: One for each method of the table; None for one that it lacks.
    """

    name: str
    own: bool
    effects: tuple[Effect | None, ...]


@dataclass(frozen=True, kw_only=True)
class Regimes:
    """The table of the differences.

    Attributes:
        methods: Its columns.
        rows: Its rows.
        scale: Places of the differences in their pictures.
    """

    methods: tuple[str, ...]
    rows: tuple[RegimeRow, ...]
    scale: Scale


def regimes_of(comparisons: Mapping[str, RecordedComparison], *, own: str) -> Regimes | None:
    """Lays the differences out.

    Args:
        comparisons: By name.
        own: The name of the one that the page is about.

    Returns:
        The table; None where nothing is compared with a random choice.
    """
    found: dict[tuple[str, str, float], dict[str, Effect]] = {}
    for name, comparison in comparisons.items():
        for row in comparison.summaries:
            if row.to_random is not None and row.selector != RANDOM:
                found.setdefault((name, row.model, row.ratio), {})[row.selector] = Effect.of(row.to_random)
    if not found:
        return None
    methods = tuple(dict.fromkeys(method for effects in found.values() for method in effects))
    # an interval of two seeds may be ten times as wide as all means together: it runs out of its picture
    most = max(1.0, *(2 * abs(one.mean) for effects in found.values() for one in effects.values()))
    ends = [
        max(-most, min(most, end))
        for effects in found.values()
        for one in effects.values()
        for end in (one.low, one.high)
    ]
    return Regimes(
        methods=methods,
        rows=tuple(
            RegimeRow(
                name=_name(key, comparisons[key[0]].summaries),
                own=key[0] == own,
                effects=tuple(effects.get(method) for method in methods),
            )
            for key, effects in found.items()
        ),
        scale=Scale.around([0.0, *ends], 4.0, STRIP - 4.0),
    )


def _name(key: tuple[str, str, float], summaries: tuple[Summary, ...]) -> str:
    name, model, ratio = key
    compared = [row for row in summaries if row.to_random is not None]
    parts = [name]
    if len({row.model for row in compared}) > 1:
        parts.append(model)
    if len({row.ratio for row in compared}) > 1:
        parts.append(format_ratio(ratio))
    return ", ".join(parts)
