"""The tables of a comparison for a paper: `summary.tex`, which a document with booktabs takes in as it stands."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from rlsel.budget import format_ratio
from rlsel.evaluation.comparison import FurtherSummary, Summary
from rlsel.evaluation.statistics import Estimate, PairedDifference

_ESCAPED = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # behind the end of a row these would be options of it
    "[": "{[}",
    "*": "{*}",
}

_PREAMBLE = "% \\usepackage{booktabs} in the preamble, then \\input{summary.tex}"


class _Cell(NamedTuple):
    """A number that may be the best, and what stands behind it; the number is compared as it is, not as it is shown."""

    number: float
    text: str
    behind: str = ""


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A column of measurements.

    Attributes:
        title: Its head, in LaTeX.
        cell: What stands in it; None for nothing.
        best: What the best of several is, `max` or `min`; None where no number is better than another.
    """

    title: str
    cell: Callable[[Summary], _Cell | None]
    best: Callable[[Sequence[float]], float] | None = max


_COLUMNS = (
    _Column(title="accuracy", cell=lambda row: _estimate(row.accuracy)),
    _Column(title="to random", cell=lambda row: _difference(row.to_random)),
    _Column(title="to full", cell=lambda row: _difference(row.to_full)),
    _Column(title="top-5", cell=lambda row: _estimate(row.top5)),
    _Column(title="worst class", cell=lambda row: _estimate(row.worst_class_accuracy)),
    _Column(title="mislabelled kept", cell=lambda row: _share(row.mislabelled_kept), best=min),
    _Column(title="corrupted kept", cell=lambda row: _share(row.corrupted_kept), best=min),
    _Column(title="overlap", cell=lambda row: _share(row.overlap), best=None),
    _Column(title="cost", cell=lambda row: _share(row.cost_share), best=min),
)


def summary_latex(summaries: Sequence[Summary], *, dataset: str) -> str:
    """Returns a table for each model, and for each further data set that it was measured on.

    Args:
        summaries: The rows, as `summarise` orders them: by model, `full` first, then by ratio.
        dataset: What the comparison is on.
    """
    tables = []
    for model in dict.fromkeys(row.model for row in summaries):
        rows = [row for row in summaries if row.model == model]
        tables.append(_table(rows, _COLUMNS, f"{model} on {dataset}"))
        for name in dict.fromkeys(name for row in rows for name in row.ood):
            measured = [row for row in rows if name in row.ood]
            tables.append(_table(measured, _further_columns(name), f"{model} on {name}, trained on {dataset}"))
    return "\n\n".join([_PREAMBLE, *tables]) + "\n"


def _further_columns(name: str) -> Sequence[_Column]:
    def of(row: Summary) -> FurtherSummary:
        return row.ood[name]

    return (
        _Column(title="accuracy", cell=lambda row: _estimate(of(row).accuracy)),
        _Column(title="to random", cell=lambda row: _difference(of(row).to_random)),
        _Column(title="to full", cell=lambda row: _difference(of(row).to_full)),
    )


def _table(rows: Sequence[Summary], columns: Sequence[_Column], title: str) -> str:
    used = [column for column in columns if any(column.cell(row) for row in rows)]
    head = ["ratio", "selector", *(column.title for column in used)]
    groups = ["\n".join(_lines(list(group), used)) for _, group in groupby(rows, key=lambda row: row.ratio)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escaped(title[:1].upper() + title[1:])}. {_legend(rows, used)}}}",
            rf"\label{{tab:{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}}}",
            rf"\begin{{tabular}}{{rl{'r' * len(used)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            "\n\\midrule\n".join(groups),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _legend(rows: Sequence[Summary], columns: Sequence[_Column]) -> str:
    seeds = sorted({row.accuracy.n for row in rows})
    differences = any(column.title.startswith("to ") for column in columns)
    if seeds[-1] == 1:
        told = [r"Accuracies in \%, of one seed", *(["differences in points"] if differences else [])]
    else:
        count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        told = [rf"Accuracies in \%, mean $\pm$ standard error over {count} seeds"]
        told += [r"differences in points with 95\,\% intervals, paired by seed"] if differences else []
    return "; ".join([*told, "the best of each ratio in bold."])


def _lines(rows: Sequence[Summary], columns: Sequence[_Column]) -> Iterator[str]:
    """Yields the rows of one ratio."""
    cells = [[column.cell(row) for column in columns] for row in rows]
    best = [_best(column, [line[place] for line in cells]) for place, column in enumerate(columns)]
    for row, line in zip(rows, cells, strict=True):
        shown = [_shown(cell, mark) for cell, mark in zip(line, best, strict=True)]
        yield " & ".join([format_ratio(row.ratio), escaped(row.selector), *shown]) + r" \\"


def _best(column: _Column, cells: Sequence[_Cell | None]) -> float | None:
    """Returns the best number of a column; None where there is nothing to be better than."""
    numbers = [cell.number for cell in cells if cell is not None]
    return None if column.best is None or len(numbers) < 2 else column.best(numbers)


def _shown(cell: _Cell | None, best: float | None) -> str:
    if cell is None:
        return ""
    number = rf"\mathbf{{{cell.text}}}" if cell.number == best else cell.text
    return f"${number}{cell.behind}$"


def _estimate(value: Estimate) -> _Cell:
    error = "" if value.standard_error is None else rf" \pm {100 * value.standard_error:.2f}"
    return _Cell(value.mean, f"{100 * value.mean:.2f}", error)


def _difference(value: PairedDifference | None) -> _Cell | None:
    if value is None:
        return None
    interval = ""
    if value.low is not None and value.high is not None:
        interval = rf"\ [{100 * value.low:+.2f}, {100 * value.high:+.2f}]"
    return _Cell(value.mean, f"{100 * value.mean:+.2f}", interval)


def _share(value: float | None) -> _Cell | None:
    return None if value is None else _Cell(value, f"{100 * value:.1f}", r"\,\%")


def escaped(text: str) -> str:
    """Returns a text so that LaTeX shows just it, in one line; what cannot be shown is a space."""
    shown = (" " if unicodedata.category(character).startswith(("C", "Z")) else character for character in text)
    return "".join(_ESCAPED.get(character, character) for character in shown)
