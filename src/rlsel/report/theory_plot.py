"""`verify.png`: the figures of a verification, each with a sentence below it."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rlsel.report.theory_trainings_plot import draw_trainings
from rlsel.theory.envelopes import Envelope
from rlsel.theory.measured import InfluenceResult, NamedGroup, NetResult, PairResult, Verification

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS, _WIDTH = 2, 80
_COLORS = {"same class": "tab:blue", "other class": "tab:orange", "random": "tab:gray"}
_LEGENDS = {"output": "lower right", "loss": "lower left", "gradient": "lower left", "full gradient": "lower left"}
_ACROSS = "distance ε of the features"


def theory_png(found: Verification, said: Mapping[str, str]) -> bytes:
    """Draws all figures and returns the picture as a PNG file.

    Args:
        found: What was measured.
        said: The figures, each with its sentence.
    """
    from matplotlib.figure import Figure

    rows = -(-len(said) // _COLUMNS)
    figure = Figure(figsize=(15, 5.5 * rows), dpi=100, layout="constrained")
    places = figure.subplots(rows, _COLUMNS).flat
    panels = dict(zip(said, places, strict=False))
    for empty in places[len(said) :]:
        empty.set_axis_off()
    _draw_pairs(panels, found.propositions)
    _draw_cover(panels["cover"], found.net)
    _draw_influence(panels["influence"], found.influence)
    _draw_groups(panels["group effect"], found.groups)
    draw_trainings(panels, found)
    for name, panel in panels.items():
        panel.set_title(name, fontsize=13, fontweight="bold")
        panel.set_xlabel(f"{panel.get_xlabel()}\n\n{textwrap.fill(said[name], _WIDTH)}")
        panel.grid(alpha=0.3)
        if panel.get_legend_handles_labels()[0]:
            panel.legend(fontsize=8, framealpha=0.6, loc=_LEGENDS.get(name, "best"))
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw_pairs(panels: Mapping[str, Axes], results: Sequence[PairResult]) -> None:
    """Draws the clouds, those of one class last and so on top.

    Both axes are logarithmic: a law difference ∝ ε is a straight line of slope 1 there, and few large differences do
    not press all others to the ground.
    """
    for result in reversed(results):
        points, full = result.points, result.full
        for name, across, heights, envelope in (
            ("output", points.distances, points.output, result.output),
            ("loss", points.distances, points.loss, result.loss),
            ("gradient", points.distances, points.gradient, result.gradient),
            ("full gradient", full.distances, full.gradient, result.full_gradient),
        ):
            _draw_cloud(panels[name], across, heights, result.kind)
            _draw_envelope(panels[name], envelope, result.kind)
            panels[name].set(xscale="log", yscale="log", xlabel=_ACROSS, ylabel=f"difference of {name}")
        _draw_cloud(panels["cosine"], points.distances, points.cosine, result.kind)
    panels["cosine"].set(xlabel=_ACROSS, ylabel="cosine of the gradients of the last layer")


def _draw_cloud(panel: Axes, across: Sequence[float], heights: Sequence[float], kind: str) -> None:
    panel.plot(across, heights, ".", ms=4, alpha=0.45, color=_COLORS[kind], label=kind)


def _draw_envelope(panel: Axes, envelope: Envelope | None, kind: str) -> None:
    """Draws the line with its band, and the 95 % quantile of each bin, which leaves the line where the law bends."""
    if envelope is None or envelope.slope <= 0:
        return
    ends = (envelope.edges[0], envelope.edges[-1])
    middles = [(low * high) ** 0.5 for low, high in zip(envelope.edges[:-1], envelope.edges[1:], strict=True)]
    bins = [rate * middle for rate, middle in zip(envelope.rates, middles, strict=True)]
    name = "95 % of each bin, same class" if kind == "same class" else None
    panel.plot(middles, bins, "s-", ms=5, lw=0.8, mec="white", color=_COLORS[kind], label=name)
    if kind != "same class":
        return
    low, high = ([slope * end for end in ends] for slope in (envelope.slope_low, envelope.slope_high))
    panel.fill_between(ends, low, high, color=_COLORS[kind], alpha=0.2)
    panel.plot(ends, [envelope.slope * end for end in ends], color=_COLORS[kind], label="slope · ε, same class")
    if 0 < envelope.holds_up_to < ends[1]:
        panel.axvline(envelope.holds_up_to, color="black", linestyle=":", label="linear up to here")
    # the largest differences and the envelope are what is looked at, not differences that are nearly 0
    panel.set_ylim(bottom=max(min(bins) / 1e3, panel.get_ylim()[0]))


def _draw_cover(panel: Axes, net: NetResult) -> None:
    panel.plot(net.epsilons, [100 * share for share in net.shares], label="points of the ε-nets over the samples")
    panel.axhline(100 * net.bend_ratio, color="black", linestyle="--", label="where they bend")
    panel.set(xlabel=_ACROSS, ylabel="% of the samples")


def _draw_influence(panel: Axes, influence: InfluenceResult) -> None:
    """Draws estimates against refits, on axes that are linear near 0 and logarithmic beyond."""
    values: list[float] = []
    for removals in (influence.grouped, influence.single):
        panel.plot(removals.estimated, removals.exact, "o", ms=5, alpha=0.6, label=f"{removals.size} removed")
        values += [*removals.estimated, *removals.exact]
    sizes = sorted(abs(value) for value in values if value)
    if sizes:
        panel.set_xscale("symlog", linthresh=sizes[len(sizes) // 2])
        panel.set_yscale("symlog", linthresh=sizes[len(sizes) // 2])
        ends = (-1.3 * sizes[-1], 1.3 * sizes[-1])
        panel.plot(ends, ends, color="black", linewidth=0.8, label="equal")
        panel.tick_params("x", rotation=45)
    panel.set(xlabel="estimated change of the loss", ylabel="change of the loss by a refit")


def _draw_groups(panel: Axes, groups: Sequence[NamedGroup]) -> None:
    shares = {group.name: 100 * (group.effect.share or 0.0) for group in groups if group.effect is not None}
    bars = panel.barh(list(shares), list(shares.values()))
    panel.bar_label(bars, fmt="%.1f %%", padding=3)
    panel.invert_yaxis()
    panel.margins(x=0.12)
    panel.set(xlabel="% by which the removal of two differs from the sum of the removals of each", ylabel="group")
