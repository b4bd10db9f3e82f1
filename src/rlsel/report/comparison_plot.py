"""`comparison.png`: accuracy against the ratio, and against what it costs to get there."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rlsel.evaluation.comparison import FULL, RANDOM, Summary

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_MARKERS = "osD^vP<>Xp*h"
_COLORS = (0, 1, 2, 3, 4, 5, 6, 8, 9)
"""Positions in the palette tab10, without the gray of `full`."""


def comparison_png(summaries: Sequence[Summary]) -> bytes:
    """Draws two panels for each model and returns the picture as a PNG file.

    Left, the mean accuracy with a band of one standard error on each side, over the ratio; right, over the seconds of
    selection and training together. A training on all of the data is a dashed line and a star.

    Args:
        summaries: At least one.
    """
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(row.model for row in summaries))
    names = dict.fromkeys(row.selector for row in summaries if row.selector != FULL)
    selectors = sorted(names, key=lambda name: (name != RANDOM, name))
    figure = Figure(figsize=(12, 1 + 4 * len(models)), dpi=110, layout="constrained")
    panels = figure.subplots(len(models), 2, squeeze=False)
    for model, (by_ratio, by_cost) in zip(models, panels, strict=True):
        rows = [row for row in summaries if row.model == model]
        for place, selector in enumerate(selectors):
            own = sorted((row for row in rows if row.selector == selector), key=lambda row: row.ratio)
            if own:
                _draw(own, by_ratio, by_cost, style=_Style(place, selector))
        _draw_full([row for row in rows if row.selector == FULL], by_ratio, by_cost)
        by_ratio.set(title=f"{model}: accuracy against the ratio", xlabel="share of the data kept")
        by_cost.set(title=f"{model}: accuracy against the cost", xlabel="selection and training, seconds")
        for panel in (by_ratio, by_cost):
            panel.set(ylabel="accuracy, %")
            panel.grid(alpha=0.3)
    # a single panel may lack a selector that failed there
    labelled: dict[str, Artist] = {}
    for panel in panels[:, 0]:
        handles, labels = panel.get_legend_handles_labels()
        labelled |= dict(zip(labels, handles, strict=True))
    figure.legend(labelled.values(), labelled.keys(), loc="outside right center")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


class _Style:
    """The look of a selector, the same in every panel: random is black, the others differ in colour and marker."""

    def __init__(self, place: int, selector: str) -> None:
        from matplotlib import colormaps

        self.label = selector
        self.color = "black" if selector == RANDOM else colormaps["tab10"](_COLORS[place % len(_COLORS)])
        self.marker = _MARKERS[place % len(_MARKERS)]
        self.line = "-" if place < len(_COLORS) else "--"
        self.width = 2.2 if selector == RANDOM else 1.4


def _draw(rows: Sequence[Summary], by_ratio: Axes, by_cost: Axes, *, style: _Style) -> None:
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
    low = [mean - error for mean, error in zip(means, errors, strict=True)]
    high = [mean + error for mean, error in zip(means, errors, strict=True)]
    by_ratio.fill_between(ratios, low, high, color=style.color, alpha=0.12, linewidth=0)


def _draw_full(rows: Sequence[Summary], by_ratio: Axes, by_cost: Axes) -> None:
    for row in rows:
        mean, error = 100 * row.accuracy.mean, 100 * (row.accuracy.standard_error or 0)
        by_ratio.axhline(mean, color="gray", linestyle="--", label=FULL)
        by_ratio.axhspan(mean - error, mean + error, color="gray", alpha=0.15, linewidth=0)
        by_cost.errorbar([row.train_seconds], [mean], yerr=[error], color="gray", marker="*", markersize=14)
