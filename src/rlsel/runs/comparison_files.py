"""The files of a comparison: its three tables `*.csv`, the page, the picture; and their reader."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from operator import methodcaller
from pathlib import Path
from typing import Any

from rlsel.errors import ConfigurationError, CoresetError
from rlsel.evaluation.comparison import Likeness, Run, Summary
from rlsel.files import write_atomically, write_text
from rlsel.run_files import require_intact, seal
from rlsel.runs.reader import State, read_run, unreadable
from rlsel.structure import Built, build

RUNS_FILE, SUMMARY_FILE, LIKENESS_FILE = "runs.csv", "summary.csv", "likeness.csv"
PAGE_FILE, LATEX_FILE, PICTURE_NAME = "summary.md", "summary.tex", "comparison"

TableCell = str | int | float | None
"""What stands in a table; None is an empty field."""

_FieldPath = tuple[str, ...]
"""Names of fields that lead from an object to a value in it."""

_TEXTS = ("model", "selector", "other")
"""Columns that hold texts; all others hold numbers."""


def _difference(column: str, *path: str) -> dict[str, _FieldPath]:
    """Returns the columns of a paired difference; `_low` and `_high` are the ends of its 95 % interval."""
    ends = {"": "mean", "_low": "low", "_high": "high", "_n": "n"}
    return {f"{column}{end}": (*path, name) for end, name in ends.items()}


def _estimate(column: str, *path: str) -> dict[str, _FieldPath]:
    return {column: (*path, "mean"), f"{column}_se": (*path, "standard_error")}


_SUMMARY_COLUMNS: Mapping[str, _FieldPath] = {
    "model": ("model",),
    "selector": ("selector",),
    "ratio": ("ratio",),
    "n": ("accuracy", "n"),
    **_estimate("accuracy", "accuracy"),
    **_difference("to_random", "to_random"),
    **_difference("to_full", "to_full"),
    "rank": ("rank",),
    "overlap": ("overlap",),
    "cost_share": ("cost_share",),
    "net_multiplier": ("net_multiplier",),
    "paid_after": ("paid_after",),
    "select_seconds": ("select_seconds",),
    "train_seconds": ("train_seconds",),
    **_estimate("top5", "top5"),
    **_estimate("worst_class_accuracy", "worst_class_accuracy"),
    "best_accuracy": ("best_accuracy",),
    "mislabelled_kept": ("mislabelled_kept",),
    "corrupted_kept": ("corrupted_kept",),
}
"""Columns of a summary, and where their values stand in it."""

_YOUNGER = frozenset({"net_multiplier", "paid_after"})
"""Columns of a summary that older comparisons do not have."""

_FURTHER_COLUMNS: Mapping[str, _FieldPath] = {
    **_estimate("", "accuracy"),
    **_difference("_to_random", "to_random"),
    **_difference("_to_full", "to_full"),
}
"""Ends of the columns of a further data set, and where their values stand in its summary."""

_LIKENESS_COLUMNS = tuple(field.name for field in fields(Likeness))

_OWN_RUN_COLUMNS = tuple(field.name for field in fields(Run) if field.name != "ood")


@dataclass(frozen=True, kw_only=True)
class RecordedComparison:
    """What a comparison left in its folder.

    Attributes:
        folder: The folder.
        state: How far it got; the tables of one that failed lack what failed.
        settings: What was asked for, laid out like a composed configuration.
        runs: The rows of `runs.csv`.
        summaries: The rows of `summary.csv`.
        likenesses: The rows of `likeness.csv`; none for a comparison of an earlier version, which has no such file.
    """

    folder: Path
    state: State
    settings: Mapping[str, Any]
    runs: tuple[Run, ...]
    summaries: tuple[Summary, ...]
    likenesses: tuple[Likeness, ...] = ()


def write_comparison(
    folder: Path,
    *,
    runs: Sequence[Run],
    summaries: Sequence[Summary],
    likenesses: Sequence[Likeness],
    page: str,
    latex: str,
    pictures: Mapping[str, bytes],
) -> None:
    """Writes the tables, also for people and for a paper, the pictures, and the checksums of all.

    Args:
        folder: An existing folder.
        runs: The rows of `runs.csv`.
        summaries: The rows of `summary.csv`.
        likenesses: The rows of `likeness.csv`.
        page: The text of `summary.md`.
        latex: The text of `summary.tex`.
        pictures: The bytes of `comparison.png` and others like it, by the end of their names.

    Raises:
        StorageError: if a file cannot be written.
    """
    write_text(folder / RUNS_FILE, runs_csv(runs))
    write_text(folder / SUMMARY_FILE, summary_csv(summaries))
    rows = ([getattr(one, name) for name in _LIKENESS_COLUMNS] for one in likenesses)
    write_text(folder / LIKENESS_FILE, _csv(_LIKENESS_COLUMNS, rows))
    write_text(folder / PAGE_FILE, page)
    write_text(folder / LATEX_FILE, latex)
    for suffix, picture in pictures.items():
        write_atomically(folder / f"{PICTURE_NAME}.{suffix}", methodcaller("write", picture))
    seal(folder)


def read_comparison(folder: Path | str, key: str = "run") -> RecordedComparison:
    """Reads what `rlsel compare` left in its folder.

    Args:
        folder: The folder that it printed.
        key: The setting that names it, for messages.

    Raises:
        CoresetError: if it is no folder of a comparison, or a file of it is missing or damaged.
    """
    run = read_run(folder, key)
    if run.command != "compare":
        raise CoresetError(
            f"{key} must be the folder of a comparison, got {str(run.folder)!r}, made by rlsel {run.command}: give the "
            "folder that `rlsel compare` printed"
        )
    require_intact(run.folder, RUNS_FILE, SUMMARY_FILE, LIKENESS_FILE)
    likeness = run.folder / LIKENESS_FILE
    return RecordedComparison(
        folder=run.folder,
        state=run.state,
        settings=run.settings,
        runs=tuple(_read_runs(run.folder / RUNS_FILE)),
        summaries=tuple(_read_summaries(run.folder / SUMMARY_FILE)),
        likenesses=tuple(_read_likenesses(likeness)) if likeness.is_file() else (),
    )


def runs_csv(runs: Sequence[Run]) -> str:
    """Returns a line for each run, with full precision; what a run does not have is empty.

    Behind the fields of a run stands a column `ood_<name>` for each further data set.
    """
    further = list(dict.fromkeys(name for run in runs for name in run.ood))
    rows = (
        [*(getattr(run, name) for name in _OWN_RUN_COLUMNS), *(run.ood.get(name) for name in further)] for run in runs
    )
    return _csv([*_OWN_RUN_COLUMNS, *(f"ood_{name}" for name in further)], rows)


def summary_csv(summaries: Sequence[Summary]) -> str:
    """Returns a line for each summary, with full precision; `_low` and `_high` are the ends of a 95 % interval.

    Behind the other columns stand those of each further data set, which begin with `ood_<name>`.
    """
    further = list(dict.fromkeys(name for row in summaries for name in row.ood))
    rows = (
        [
            *(_value(row, path) for path in _SUMMARY_COLUMNS.values()),
            *(_value(row.ood.get(name), path) for name in further for path in _FURTHER_COLUMNS.values()),
        ]
        for row in summaries
    )
    return _csv([*_SUMMARY_COLUMNS, *(column for name in further for column in _further_columns(name))], rows)


def _further_columns(name: str) -> list[str]:
    return [f"ood_{name}{end}" for end in _FURTHER_COLUMNS]


def _value(holder: object, path: _FieldPath) -> TableCell:
    """Returns the value that a path leads to; None where something on the way is None."""
    for name in path:
        holder = None if holder is None else getattr(holder, name)
    if not isinstance(holder, str | int | float | None):
        raise TypeError(f"{'.'.join(path)} must be a text or a number, got {type(holder).__name__}")
    return holder


def _csv(names: Sequence[str], rows: Iterable[Sequence[TableCell]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return file.getvalue()


def _read_runs(path: Path) -> Iterator[Run]:
    names, rows = _read_csv(path)
    further = [name.removeprefix("ood_") for name in names[len(_OWN_RUN_COLUMNS) :]]
    _require_columns(path, names, [*_OWN_RUN_COLUMNS, *(f"ood_{name}" for name in further)])
    for number, row in rows:
        measured = {name: row[f"ood_{name}"] for name in further if row[f"ood_{name}"] is not None}
        yield _build(Run, {**{name: row[name] for name in _OWN_RUN_COLUMNS}, "ood": measured}, path, number)


def _read_likenesses(path: Path) -> Iterator[Likeness]:
    names, rows = _read_csv(path)
    _require_columns(path, names, _LIKENESS_COLUMNS)
    for number, row in rows:
        yield _build(Likeness, row, path, number)


def _read_summaries(path: Path) -> Iterator[Summary]:
    names, rows = _read_csv(path)
    own = {name: place for name, place in _SUMMARY_COLUMNS.items() if name in names or name not in _YOUNGER}
    further = [name.removeprefix("ood_") for name in names[len(own) :: len(_FURTHER_COLUMNS)]]
    columns_of = {name: dict(zip(_further_columns(name), _FURTHER_COLUMNS.values(), strict=True)) for name in further}
    _require_columns(path, names, [*own, *(column for name in further for column in columns_of[name])])
    for number, row in rows:
        measured = {
            name: _levels(row, columns)
            for name, columns in columns_of.items()
            if any(row[column] is not None for column in columns)
        }
        absent = dict.fromkeys(_YOUNGER - own.keys())
        yield _build(Summary, {**absent, **_levels(row, own), "ood": measured}, path, number)


def _levels(row: Mapping[str, TableCell], columns: Mapping[str, _FieldPath]) -> dict[str, Any]:
    """Returns the values of some columns as levels of names; a difference that there is not is None."""
    node: dict[str, Any] = {}
    for column, (name, *inner) in columns.items():
        if inner:
            node.setdefault(name, {})[inner[0]] = row[column]
        else:
            node[name] = row[column]
    for name, level in node.items():
        if isinstance(level, dict) and "standard_error" in level:
            level["n"] = row["n"]  # every estimate of a summary is over the same runs
        elif isinstance(level, dict) and set(level.values()) == {None}:
            node[name] = None
    return node


def _read_csv(path: Path) -> tuple[list[str], Iterator[tuple[int, Mapping[str, TableCell]]]]:
    """Returns the names of the columns, and the numbers and values of the lines below."""
    try:
        names, *lines = csv.reader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    except (ValueError, csv.Error) as error:
        raise unreadable(path, "it is no table") from error
    return names, ((number, _read_line(path, number, names, line)) for number, line in enumerate(lines, start=2))


def _read_line(path: Path, number: int, names: Sequence[str], line: Sequence[str]) -> Mapping[str, TableCell]:
    if len(line) != len(names):
        raise unreadable(path, f"line {number} must have {len(names)} fields, got {len(line)}")
    try:
        return {name: text if name in _TEXTS else _number(text) for name, text in zip(names, line, strict=True)}
    except ValueError as error:
        raise unreadable(path, f"line {number}: {error}") from error


def _number(text: str) -> int | float | None:
    if text == "":
        return None
    if text.isdecimal():
        return int(text)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"a number must stand where {text!r} does")
    return number


def _require_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    for name, expected in zip_longest(names, wanted):
        if name != expected:
            raise unreadable(path, f"its columns must be those of a comparison, got {name!r} in place of {expected!r}")


def _build(cls: type[Built], node: Mapping[str, Any], path: Path, number: int) -> Built:
    try:
        return build(cls, node, f"line {number}")
    except ConfigurationError as error:
        raise unreadable(path, str(error)) from error
