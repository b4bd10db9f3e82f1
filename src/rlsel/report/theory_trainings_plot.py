"""The panels of `verify.png` that show measurements which train again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rlsel.theory.envelopes import Envelope
from rlsel.theory.measured import Verification
from rlsel.theory.measured_trainings import EpochResult, GroupRemovals, SetValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_trainings(panels: Mapping[str, Axes], found: Verification) -> None:
    """Draws what was asked for of epochs, groups that were left out, and subsets.

    Args:
        panels: One for each figure.
        found: What was measured.
    """
    if found.epochs:
        _draw_epochs(panels["epochs"], found.epochs)
    if found.left_out is not None:
        _draw_left_out(panels["left out"], found.left_out)
    if found.subsets is not None:
        _draw_proxies(panels["subsets"], found.subsets)


def _draw_epochs(panel: Axes, epochs: Sequence[EpochResult]) -> None:
    """Draws the constant of each law over the epochs, with its band."""
    laws: dict[str, Callable[[EpochResult], Envelope | None]] = {
        "output": lambda result: result.output,
        "loss": lambda result: result.loss,
        "gradient": lambda result: result.gradient,
    }
    for name, envelope_of in laws.items():
        known = [(result.epoch, found) for result in epochs if (found := envelope_of(result)) is not None]
        across = [epoch for epoch, _ in known]
        (line,) = panel.plot(across, [found.slope for _, found in known], "o-", label=name)
        low, high = [found.slope_low for _, found in known], [found.slope_high for _, found in known]
        panel.fill_between(across, low, high, color=line.get_color(), alpha=0.2)
    panel.set(yscale="log", xlabel="epoch of the target training", ylabel="slope of the envelope, same class")


def _draw_left_out(panel: Axes, found: GroupRemovals) -> None:
    for kind in dict.fromkeys(found.kinds):
        own = [place for place, other in enumerate(found.kinds) if other == kind]
        estimated, exact = ([side[place] for place in own] for side in (found.estimated, found.exact))
        panel.plot(estimated, exact, "o", alpha=0.7, label=f"{kind}, {found.sizes[own[0]]} samples")
    panel.axhline(0, color="black", linewidth=0.8)
    panel.set(xlabel="change of the loss, estimated for the network", ylabel="change of the loss by training again")


def _draw_proxies(panel: Axes, found: SetValue) -> None:
    """Draws the rank correlation of each proxy, with its interval."""
    for number, proxy in enumerate(found.proxies):
        if proxy.low is not None and proxy.high is not None:
            panel.plot([proxy.low, proxy.high], [number, number], color="tab:blue", linewidth=3, alpha=0.4)
        if proxy.loss is not None:
            panel.plot(proxy.loss, number, "o", color="tab:blue", label="all subsets" if not number else None)
        if proxy.within_ratio is not None:
            panel.plot(proxy.within_ratio, number, "x", color="black", label=None if number else "of one ratio each")
    panel.set_yticks(range(len(found.proxies)), [proxy.name for proxy in found.proxies])
    panel.invert_yaxis()
    if found.repeated is not None:
        panel.axvline(found.repeated, color="gray", linestyle="--", label="a second training")
    panel.set(xlabel="rank correlation with the loss of a real training", xlim=(-1.05, 1.05))
