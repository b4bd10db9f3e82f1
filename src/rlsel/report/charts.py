"""Geometry of the charts of a page: from values to places in an SVG picture, without a charting library.

A library that can be inlined weighs from 200 kB (uPlot with its styles) to 5 MB (Plotly); what a page needs are bars,
lines, bands and ticks, which are the few lines here and the macros in `templates/charts.html`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 24
"""Bars of a histogram."""


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How kept and dropped samples spread over the same bins.

    Attributes:
        low: Lower end of the first bin.
        high: Upper end of the last bin.
        kept: Samples in each bin.
        dropped: Samples in each bin.
    """

    low: float
    high: float
    kept: tuple[int, ...]
    dropped: tuple[int, ...]

    @property
    def most(self) -> int:
        """The highest count, at least 1."""
        return max(1, *self.kept, *self.dropped)


def histogram(values: NDArray[np.float32], kept: NDArray[np.bool_], ends: tuple[float, float]) -> Histogram:
    """Counts kept and dropped values in equal bins.

    Args:
        values: (N,) finite.
        kept: (N,).
        ends: Where the first bin begins and the last one ends; values beyond count in these.
    """
    inside = values.clip(*ends)
    counts = [np.histogram(inside[chosen], bins=BINS, range=ends)[0] for chosen in (kept, ~kept)]
    return Histogram(low=ends[0], high=ends[1], kept=tuple(counts[0].tolist()), dropped=tuple(counts[1].tolist()))


def ends_of(values: NDArray[np.float32]) -> tuple[float, float]:
    """Returns the ends of a histogram: all but the outermost 0.1 % on each side, which may lie far out."""
    low, high = (float(end) for end in np.quantile(values, (0.001, 0.999)))
    return (low, high) if low < high else (low - 0.5, high + 0.5)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """From values to places along one side of a picture.

    Attributes:
        low: The value at `start`.
        high: The value at `end`, above `low`.
        start: Its place.
        end: Its place; below `start` for an axis that goes up.
    """

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> Scale:
        """Fits the finite ones of some values, of which there is at least one, with round numbers at both ends."""
        finite = [value for value in values if math.isfinite(value)]
        low, high = min(finite), max(finite)
        if low == high:
            low, high = low - 0.5, high + 0.5
        step = _round_step(high - low)
        return cls(low=math.floor(low / step) * step, high=math.ceil(high / step) * step, start=start, end=end)

    def at(self, value: float) -> float:
        """Returns the place of a value, in tenths of a pixel."""
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[float]:
        """Round values from end to end, about five."""
        step = _round_step(self.high - self.low)
        first = math.ceil(self.low / step - 1e-9)
        return [round(number * step, 10) for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _round_step(length: float) -> float:
    """Returns the step of 1, 2 or 5 times a power of ten that parts a length into four to nine."""
    power: float = 10.0 ** math.floor(math.log10(length))
    for step in (0.1, 0.2, 0.5, 1.0):
        if length / (step * power) <= 8:
            return step * power
    return power


Point = tuple[float, float]


def path(points: Sequence[Point], across: Scale, up: Scale) -> str:
    """Returns the line through points, as the attribute `d` of an SVG path."""
    places = (f"{across.at(x)} {up.at(y)}" for x, y in points)
    return "M" + "L".join(places)


def band(lower: Sequence[Point], upper: Sequence[Point], across: Scale, up: Scale) -> str:
    """Returns the area between two lines, as the attribute `d` of an SVG path."""
    return path([*lower, *reversed(upper)], across, up) + "Z"


def outline(counts: Sequence[int], most: int, width: float, height: float) -> str:
    """Returns the outline of bars as the attribute `d` of an SVG path, closed along the ground.

    Args:
        counts: The heights, in samples.
        most: What the whole height stands for.
        width: Of all bars together.
        height: Of the picture.
    """
    step, parts = width / len(counts), [f"M0 {height:g}"]
    for number, count in enumerate(counts):
        top = height * (1 - count / most)
        parts.append(f"L{number * step:.1f} {top:.1f}L{(number + 1) * step:.1f} {top:.1f}")
    return "".join([*parts, f"L{width:g} {height:g}Z"])


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A line over an axis.

    Attributes:
        title: What it shows.
        points: From left to right; at least one.
    """

    title: str
    points: tuple[Point, ...]
