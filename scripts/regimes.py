"""Prints the table of the regimes that were run: python scripts/regimes.py [folder].

Per regime and method, the difference to a random choice in points, with its 95 % interval paired by seed; then, over
the regimes, the mean and the worst difference, the share of regimes lost by more than 0.3 points, and the mean regret
against the best method of each regime.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from rlsel.evaluation.comparison import FULL, RANDOM, Summary
from rlsel.runs.regimes import read_regimes

LOST = -0.3
"""A difference in points below which a regime counts as lost."""

Regimes = Mapping[str, Mapping[str, Summary]]
"""The summaries of each regime, by method."""


def by_method(folder: Path) -> Regimes:
    """Returns the summaries of the comparisons in a folder."""
    return {
        name: {row.selector: row for row in comparison.summaries if row.to_random is not None}
        for name, comparison in read_regimes(folder).items()
    }


def difference(row: Summary | None) -> str:
    """Returns a difference to a random choice as a table shows it."""
    if row is None or row.to_random is None:
        return "–"
    found = row.to_random
    ends = "" if found.low is None or found.high is None else f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    return f"{100 * found.mean:+.1f}{ends}"


def gains(regimes: Regimes, method: str) -> dict[str, float]:
    """Returns the differences of a method to a random choice in points, by regime."""
    found = {name: rows[method].to_random for name, rows in regimes.items() if method in rows}
    return {name: 100 * one.mean for name, one in found.items() if one is not None}


def regret(regimes: Regimes, method: str) -> float:
    """Returns how many points a method is behind the best one of each regime, random included, on average."""
    own = gains(regimes, method)
    best = {name: max(0.0, *(gains(regimes, other).get(name, 0.0) for other in regimes[name])) for name in own}
    return statistics.fmean(best[name] - own[name] for name in own)


def lines(regimes: Regimes) -> list[str]:
    """Returns both tables in Markdown."""
    methods = list(dict.fromkeys(name for rows in regimes.values() for name in rows if name not in (FULL, RANDOM)))
    table = [[name, *(difference(rows.get(method)) for method in methods)] for name, rows in regimes.items()]
    over = [["regimes", "mean", "worst", f"lost by more than {-LOST:g}", "regret"]]
    for method in methods:
        own = list(gains(regimes, method).values())
        lost = sum(gain < LOST for gain in own) / len(own)
        numbers = [f"{statistics.fmean(own):+.1f}", f"{min(own):+.1f}", f"{100 * lost:.0f} %"]
        over.append([str(len(own)), *numbers, f"{regret(regimes, method):.1f}"])
    names = ["method", *(f"`{method}`" for method in methods)]
    return [
        *_markdown([["regime", *(f"`{method}`" for method in methods)], *table]),
        "",
        *_markdown([[name, *row] for name, row in zip(names, over, strict=True)]),
    ]


def _markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = rows
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("outputs/regimes"))
    regimes = by_method(parser.parse_args().folder)
    print("\n".join(lines(regimes)) if regimes else "no regime has been run: make regimes")


if __name__ == "__main__":
    main()
