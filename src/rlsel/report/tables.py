"""The tables of a comparison for people: the page `summary.md`, and the lines for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rlsel.budget import format_ratio
from rlsel.evaluation.comparison import Summary
from rlsel.evaluation.statistics import Estimate, PairedDifference


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A column of the tables for people.

    Attributes:
        title: Its head.
        show: What stands in it; empty for nothing.
        short: Whether a terminal shows it too.
    """

    title: str
    show: Callable[[Summary], str]
    short: bool = False


_COLUMNS = (
    _Column(title="ratio", show=lambda row: format_ratio(row.ratio), short=True),
    _Column(title="selector", show=lambda row: row.selector, short=True),
    _Column(title="runs", show=lambda row: str(row.accuracy.n)),
    _Column(title="accuracy", show=lambda row: _percent(row.accuracy), short=True),
    _Column(title="to random", show=lambda row: _difference(row.to_random), short=True),
    _Column(title="to full", show=lambda row: _difference(row.to_full), short=True),
    _Column(title="rank", show=lambda row: "" if row.rank is None else str(row.rank), short=True),
    _Column(title="top-5", show=lambda row: _percent(row.top5)),
    _Column(title="worst class", show=lambda row: _percent(row.worst_class_accuracy)),
    _Column(title="mislabelled kept", show=lambda row: _share(row.mislabelled_kept)),
    _Column(title="corrupted kept", show=lambda row: _share(row.corrupted_kept)),
    _Column(title="overlap", show=lambda row: _share(row.overlap)),
    _Column(title="cost", show=lambda row: _share(row.cost_share), short=True),
    _Column(
        title="net", show=lambda row: "" if row.net_multiplier is None else f"{row.net_multiplier:.2f}", short=True
    ),
    _Column(title="paid after", show=lambda row: "" if row.paid_after is None else str(row.paid_after)),
    _Column(title="train s", show=lambda row: f"{row.train_seconds:.1f}"),
)


def summary_markdown(
    summaries: Sequence[Summary], *, title: str, protocol: Sequence[str], missing: Sequence[str]
) -> str:
    """Returns the report of a comparison for people.

    Args:
        summaries: The rows, as `summarise` orders them.
        title: Title of the report.
        protocol: How the numbers came about, a sentence or two each.
        missing: Lines about runs that failed and are in no table.
    """
    parts = [f"# {title}", "## Protocol", "\n".join(f"- {line}" for line in protocol)]
    if missing:
        parts += ["## Failed", "These are missing from the tables:", "\n".join(f"- {line}" for line in missing)]
    for model in dict.fromkeys(row.model for row in summaries):
        rows = [row for row in summaries if row.model == model]
        parts += [f"## {model}", _table(summary_table(rows))]
        if any(row.ood for row in rows):
            parts += [f"## {model}, out of distribution", _table(further_table(rows))]
    few = few_seeds(summaries)
    return "\n\n".join([*parts, *([] if few is None else [f"{few[0].upper()}{few[1:]}."]), _LEGEND]) + "\n"


def few_seeds(summaries: Sequence[Summary]) -> str | None:
    """Says that the intervals want more seeds, where there are one or two; None elsewhere."""
    seeds = max((row.accuracy.n for row in summaries), default=0)
    if seeds == 1:
        return "one seed gives no intervals: three or more do, as in seeds=[0,1,2]"
    if seeds == 2:
        return (
            "an interval of two seeds reaches 12.7 standard errors to each side, one of five 2.8: more seeds make it "
            "narrow, as in seeds=[0,1,2,3,4]"
        )
    return None


def summary_table(rows: Sequence[Summary]) -> list[list[str]]:
    """Returns the table of some summaries with its head; columns that hold nothing are left out."""
    return _lines(rows, _used(rows))


def further_table(rows: Sequence[Summary]) -> list[list[str]]:
    """Returns the table of the further data sets, one after the other, with its head."""
    lines = [["measured on", "ratio", "selector", "runs", "accuracy", "to random", "to full"]]
    for name in dict.fromkeys(name for row in rows for name in row.ood):
        for row in rows:
            if name in row.ood:
                one = row.ood[name]
                own = [name, format_ratio(row.ratio), row.selector, str(one.accuracy.n), _percent(one.accuracy)]
                lines.append([*own, _difference(one.to_random), _difference(one.to_full)])
    return lines


def _table(lines: Sequence[Sequence[str]]) -> str:
    head, *body = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *body])


_LEGEND = (
    "Accuracies are percentages, mean ± standard error over the seeds. *To random* and *to full* are differences of "
    "the accuracy in points, to a random choice of the same ratio and to all of the data, with 95 % intervals. *Rank*"
    " is among the selectors at one ratio. *Overlap* is the share of a selection that is also in that of another "
    "seed. *Cost* is the time of a selection, with the target training that it needs, as a share of one training on "
    "all of the data. *Net* is the time of a training on all of the data over that of the selection and the training "
    "together, and *paid after* the number of trainings that save what the selection took; both stand only where the "
    "accuracy is no lower than with all of the data. *Kept* is the share of the mislabelled or corrupted samples that"
    " is in the selection. *Out of distribution* says the same of further data sets: a selection is better there than"
    " all of the data, where the interval of *to full* lies above zero."
)


def terminal_lines(summaries: Sequence[Summary]) -> list[str]:
    """Returns the main columns as aligned lines, a heading for each model; a note where there are few seeds."""
    lines: list[str] = []
    columns = [column for column in _COLUMNS if column.short]
    for model in dict.fromkeys(row.model for row in summaries):
        table = _lines([row for row in summaries if row.model == model], columns)
        widths = [max(len(line[place]) for line in table) for place in range(len(columns))]
        lines += [f"{model}:"]
        lines += ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in table]
    few = few_seeds(summaries)
    return [*(line.rstrip() for line in lines), *([] if few is None else [f"note: {few}"])]


def _lines(rows: Sequence[Summary], columns: Sequence[_Column]) -> list[list[str]]:
    return [[column.title for column in columns]] + [[column.show(row) for column in columns] for row in rows]


def _used(rows: Sequence[Summary]) -> list[_Column]:
    return [column for column in _COLUMNS if any(column.show(row) for row in rows)]


def _percent(value: Estimate) -> str:
    error = "" if value.standard_error is None else f" ± {100 * value.standard_error:.2f}"
    return f"{100 * value.mean:.2f}{error}"


def _difference(value: PairedDifference | None) -> str:
    if value is None:
        return ""
    interval = ""
    if value.low is not None and value.high is not None:
        interval = f" [{100 * value.low:+.2f}, {100 * value.high:+.2f}]"
    return f"{100 * value.mean:+.2f}{interval}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
