"""The numbers of a verification, as a page for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlsel.report.terminal_page import Page, Table
from rlsel.theory.measured import Verification
from rlsel.theory.measured_trainings import EpochResult, SetValue


def theory_page(found: Verification, said: Mapping[str, str]) -> Page:
    """Lays out the constants of the propositions, the group effects, and a sentence for each figure.

    Args:
        found: What was measured.
        said: The sentences.
    """
    return Page(
        title=f"verified on {found.samples} samples, loss measured on the {found.measured_on} split",
        lines=tuple(said.values()),
        tables=(
            _propositions(found),
            _groups(found),
            *((_epochs(found.epochs),) if found.epochs else ()),
            *(() if found.subsets is None else (_proxies(found.subsets),)),
        ),
    )


def _propositions(found: Verification) -> Table:
    rows = []
    for result in found.propositions:
        for name, envelope in (
            ("output", result.output),
            ("loss", result.loss),
            ("gradient", result.gradient),
            ("full gradient", result.full_gradient),
        ):
            if envelope is not None:
                numbers = (envelope.slope, envelope.slope_low, envelope.slope_high, envelope.holds_up_to)
                power = "" if envelope.power is None else f"{envelope.power.exponent:.2f}"
                rows.append((result.kind, name, *(f"{number:.3g}" for number in numbers), power))
    columns = ("pairs", "difference", "slope", "low", "high", "up to ε", "exponent")
    return Table(
        title="Envelopes: 95 % of the pairs differ by at most slope · ε",
        columns=columns,
        numbers=frozenset(columns[2:]),
        rows=tuple(rows),
    )


def _groups(found: Verification) -> Table:
    columns = ("group", "pairs", "together", "apart", "share")
    return Table(
        title="Group effect: the loss without two samples, against the sum of single removals",
        columns=columns,
        numbers=frozenset(columns[1:]),
        rows=tuple(
            (
                group.name,
                str(group.effect.pairs),
                f"{group.effect.together:+.2g}",
                f"{group.effect.apart:+.2g}",
                "" if group.effect.share is None else f"{100 * group.effect.share:.1f} %",
            )
            for group in found.groups
            if group.effect is not None
        ),
    )


def _epochs(epochs: Sequence[EpochResult]) -> Table:
    columns = ("epoch", "accuracy", "median ε", "output", "loss", "gradient", "cosine near", "cosine far")
    return Table(
        title="Pairs of one class over the epochs of the target training: the slopes of the envelopes",
        columns=columns,
        numbers=frozenset(columns),
        rows=tuple(
            (
                str(result.epoch),
                f"{100 * result.accuracy:.1f} %",
                _number(result.median_distance),
                *(_number(None if law is None else law.slope) for law in (result.output, result.loss, result.gradient)),
                _number(result.cosine_near),
                _number(result.cosine_far),
            )
            for result in epochs
        ),
    )


def _proxies(found: SetValue) -> Table:
    columns = ("proxy", "loss", "low", "high", "accuracy", "within a ratio")
    return Table(
        title=f"Rank correlations with trainings of {found.steps} steps on {found.subsets} drawn subsets",
        columns=columns,
        numbers=frozenset(columns[1:]),
        rows=tuple(
            (
                proxy.name,
                *(_number(value) for value in (proxy.loss, proxy.low, proxy.high, proxy.accuracy, proxy.within_ratio)),
            )
            for proxy in found.proxies
        ),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
