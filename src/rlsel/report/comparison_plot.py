"""`comparison.png` and `comparison.svg`: accuracy against the ratio, and against what it costs to get there."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rlsel.budget import format_ratio
from rlsel.evaluation.comparison import FULL, RANDOM, Summary

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "osD^vP<>Xp*h"
_COLORS = (0, 1, 2, 3, 4, 5, 6, 8, 9)
"""Positions in the palette tab10, without the gray of `full`."""


_LEAST_ROOM = 5.0
"""Points below the worst of `random` and `full` that are always shown."""

_MARGIN = 0.1
"""Room below the points that are shown, as a share of their height."""

FORMATS = ("png", "svg")
"""The forms of the picture, as matplotlib calls them and as the files end."""


def comparison_pictures(summaries: Sequence[Summary]) -> dict[str, bytes]:
    """Draws two panels for each model and returns the picture in each of the `FORMATS`.

    Left, the mean accuracy with a band of one standard error on each side, over the ratio; right, over the seconds of
    selection and training together, each point with its ratio. A training on all of the data is a dashed line and a
    star. A point far below `random` is a mark at the lower edge that says how low it lies, so that the others can be
    told apart.

    Args:
        summaries: At least one.
    """
    from matplotlib import rc_context

    figure = _draw_all(summaries)
    pictures = {}
    for name in FORMATS:
        file = io.BytesIO()
        # the same rows give the same bytes
        with rc_context({"svg.hashsalt": "rlsel"}):
            figure.savefig(file, format=name, metadata={"Date": None} if name == "svg" else None)
        pictures[name] = file.getvalue()
    return pictures


def _draw_all(summaries: Sequence[Summary]) -> Figure:
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(row.model for row in summaries))
    names = dict.fromkeys(row.selector for row in summaries if row.selector != FULL)
    selectors = sorted(names, key=lambda name: (name != RANDOM, name))
    figure = Figure(figsize=(12, 1 + 4 * len(models)), dpi=110, layout="constrained")
    panels = figure.subplots(len(models), 2, squeeze=False)
    for model, (by_ratio, by_cost) in zip(models, panels, strict=True):
        rows = [row for row in summaries if row.model == model]
        floor = _floor(rows)
        for place, selector in enumerate(selectors):
            own = sorted((row for row in rows if row.selector == selector), key=lambda row: row.ratio)
            if own:
                _draw(own, by_ratio, by_cost, style=_Style(place, selector), floor=floor)
        _draw_full([row for row in rows if row.selector == FULL], by_ratio, by_cost)
        by_ratio.set(title=f"{model}: accuracy against the ratio", xlabel="share of the data kept")
        by_cost.set(title=f"{model}: accuracy against the cost", xlabel="selection and training, seconds")
        for panel in (by_ratio, by_cost):
            panel.set(ylabel="accuracy, %")
            panel.grid(alpha=0.3)
            if floor is not None:
                panel.set_ylim(bottom=floor)
    # a single panel may lack a selector that failed there
    labelled: dict[str, Artist] = {}
    for panel in panels[:, 0]:
        handles, labels = panel.get_legend_handles_labels()
        labelled |= dict(zip(labels, handles, strict=True))
    figure.legend(labelled.values(), labelled.keys(), loc="outside right center")
    return figure


def _floor(rows: Sequence[Summary]) -> float | None:
    """Returns the lowest accuracy that is shown, in percent, a little below the points that are; None for all.

    A point is shown unless it lies farther below the worst of `random` and `full` than their best lies above it.
    """
    usual = [100 * row.accuracy.mean for row in rows if row.selector in (FULL, RANDOM)]
    if not usual:
        return None
    least = min(usual) - max(_LEAST_ROOM, max(usual) - min(usual))
    shown = [100 * row.accuracy.mean for row in rows if 100 * row.accuracy.mean >= least]
    return min(shown) - _MARGIN * (max(shown) - min(shown)) if len(shown) < len(rows) else None


class _Style:
    """The look of a selector, the same in every panel: random is black, the others differ in colour and marker."""

    def __init__(self, place: int, selector: str) -> None:
        from matplotlib import colormaps

        self.label = selector
        self.color = "black" if selector == RANDOM else colormaps["tab10"](_COLORS[place % len(_COLORS)])
        self.marker = _MARKERS[place % len(_MARKERS)]
        self.line = "-" if place < len(_COLORS) else "--"
        self.width = 2.2 if selector == RANDOM else 1.4


def _draw(rows: Sequence[Summary], by_ratio: Axes, by_cost: Axes, *, style: _Style, floor: float | None) -> None:
    means = [100 * row.accuracy.mean for row in rows]
    errors = [100 * (row.accuracy.standard_error or 0) for row in rows]
    ratios = [row.ratio for row in rows]
    costs = [row.train_seconds + (row.select_seconds or 0) for row in rows]
    for panel, places in ((by_ratio, ratios), (by_cost, costs)):
        panel.plot(
            places,
            means,
            label=style.label,
            color=style.color,
            marker=style.marker,
            linestyle=style.line,
            linewidth=style.width,
            markersize=6,
        )
        panel.errorbar(places, means, yerr=errors, fmt="none", ecolor=style.color, alpha=0.5)
        for place, mean, ratio in zip(places, means, ratios, strict=True):
            if floor is not None and mean < floor:
                _mark_below(panel, place, mean, floor=floor, style=style)
            elif panel is by_cost:
                _write(panel, format_ratio(ratio), (place, mean), style=style)
    low = [mean - error for mean, error in zip(means, errors, strict=True)]
    high = [mean + error for mean, error in zip(means, errors, strict=True)]
    by_ratio.fill_between(ratios, low, high, color=style.color, alpha=0.12, linewidth=0)


def _mark_below(panel: Axes, place: float, mean: float, *, floor: float, style: _Style) -> None:
    """Draws an arrow at the lower edge, with the accuracy that lies below it."""
    panel.plot([place], [floor], marker="v", markersize=9, color=style.color, linestyle="none", clip_on=False)
    _write(panel, f"{mean:.1f}", (place, floor), style=style)


def _write(panel: Axes, text: str, place: tuple[float, float], *, style: _Style) -> None:
    panel.annotate(text, place, xytext=(4, 4), textcoords="offset points", fontsize=7, color=style.color)


def _draw_full(rows: Sequence[Summary], by_ratio: Axes, by_cost: Axes) -> None:
    for row in rows:
        mean, error = 100 * row.accuracy.mean, 100 * (row.accuracy.standard_error or 0)
        by_ratio.axhline(mean, color="gray", linestyle="--", label=FULL)
        by_ratio.axhspan(mean - error, mean + error, color="gray", alpha=0.15, linewidth=0)
        by_cost.errorbar([row.train_seconds], [mean], yerr=[error], color="gray", marker="*", markersize=14)
