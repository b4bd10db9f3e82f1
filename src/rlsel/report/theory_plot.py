"""`verify.png`: the figures of a verification, each with a sentence below it."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rlsel.theory.measured import InfluenceResult, NetResult, PairResult, Points, Verification
from rlsel.theory.propositions import Envelope

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS, _WIDTH = 2, 80


def theory_png(found: Verification, said: Mapping[str, str]) -> bytes:
    """Draws all figures and returns the picture as a PNG file.

    Args:
        found: What was measured.
        said: The figures, each with its sentence.
    """
    from matplotlib.figure import Figure

    rows = -(-len(said) // _COLUMNS)
    figure = Figure(figsize=(13, 5 * rows), dpi=100, layout="constrained")
    panels = dict(zip(said, figure.subplots(rows, _COLUMNS).flat, strict=True))
    across = "distance ε of the features"
    labels = dict.fromkeys(said, across) | {"influence": "estimated change of the loss", "group effect": "group"}
    for result in found.propositions:
        _draw_pairs(panels, result)
    _draw_cover(panels["cover"], found.net)
    _draw_influence(panels["influence"], found.influence)
    effects = {group.name: group.effect.share or 0.0 for group in found.groups if group.effect is not None}
    panels["group effect"].bar(list(effects), list(effects.values()))
    panels["group effect"].tick_params("x", rotation=20)
    for name, panel in panels.items():
        panel.set(title=name, xlabel=f"{labels[name]}\n\n{textwrap.fill(said[name], _WIDTH)}")
        panel.grid(alpha=0.3)
        if panel.get_legend_handles_labels()[0]:
            panel.legend()
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw_pairs(panels: Mapping[str, Axes], result: PairResult) -> None:
    points = result.points
    _cloud(panels["output"], points, points.output, result.output, result.kind)
    _cloud(panels["loss"], points, points.loss, result.loss, result.kind)
    _cloud(panels["gradient"], points, points.gradient, result.gradient, result.kind)
    _cloud(panels["cosine"], points, points.cosine, None, result.kind)
    panels["full gradient"].plot(result.full.distances, result.full.gradient, "o", ms=4, label=result.kind)


def _cloud(panel: Axes, points: Points, heights: tuple[float, ...], envelope: Envelope | None, label: str) -> None:
    (dots,) = panel.plot(points.distances, heights, ".", ms=3, alpha=0.5, label=label)
    if envelope is not None:
        ends = (0.0, envelope.edges[-1])
        panel.plot(ends, [envelope.slope * end for end in ends], color=dots.get_color())
        low, high = ([slope * end for end in ends] for slope in (envelope.slope_low, envelope.slope_high))
        panel.fill_between(ends, low, high, color=dots.get_color(), alpha=0.2)


def _draw_cover(panel: Axes, net: NetResult) -> None:
    panel.plot(net.epsilons, net.shares, label="points of the ε-nets over the samples")
    panel.axhline(net.bend_ratio, color="black", linestyle="--", label="where they bend")


def _draw_influence(panel: Axes, influence: InfluenceResult) -> None:
    for removals in (influence.single, influence.grouped):
        panel.plot(removals.estimated, removals.exact, ".", label=f"{removals.size} removed")
    panel.axline((0, 0), slope=1, color="black", linewidth=0.8)
    panel.set_ylabel("change of the loss by a refit")
