"""What the page of a comparison shows, computed from its recorded tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rlsel.budget import format_ratio
from rlsel.evaluation.comparison import FULL, RANDOM, Summary
from rlsel.report.charts import Point, Scale, band, path
from rlsel.report.likeness_map import LikenessMap, likeness_maps
from rlsel.report.regimes import Regimes, regimes_of
from rlsel.report.tables import further_table, summary_table
from rlsel.report.verdict import Fact, duration
from rlsel.runs.comparison_files import RecordedComparison
from rlsel.runs.rebuilding import dataset_and_variation
from rlsel.structure import as_node

WIDTH, HEIGHT = 520.0, 320.0
"""Of a chart, in the units of its view box."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 12.0, 40.0

HUES = 10
"""Colours that tell selectors apart; further ones repeat them with dashes."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A selector in a chart.

    Attributes:
        name: Its name.
        style: `random`, or `hue-0` to `hue-9`, with `dashed` behind it where the colours repeat.
        line: Its means, as the attribute `d`.
        band: One standard error on each side; empty for one run.
        marks: The places of its means.
    """

    name: str
    style: str
    line: str
    band: str
    marks: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Accuracy in percent, over something.

    Attributes:
        title: What it shows.
        across: The axis to the right.
        across_name: Its name.
        up: The axis of the accuracy.
        lines: The selectors.
        full: The place of the mean of all of the data; None without it.
    """

    title: str
    across: Scale
    across_name: str
    up: Scale
    lines: tuple[Line, ...]
    full: float | None


@dataclass(frozen=True, kw_only=True)
class ModelPart:
    """What was measured with one model.

    Attributes:
        name: The model.
        charts: Accuracy over the ratio, and over the cost.
        table: The summaries, with their head.
        further: Those of further data sets, with their head; nothing below it where there are none.
    """

    name: str
    charts: tuple[Chart, ...]
    table: list[list[str]]
    further: list[list[str]]


@dataclass(frozen=True, kw_only=True)
class ComparisonPage:
    """The page of a comparison.

    Attributes:
        title: What was compared.
        facts: How.
        best: The best selector at each ratio, a sentence each.
        missing: Trainings that are in no table, a line each.
        models: The results.
        likenesses: How alike the selectors choose, by ratio; none where that was not recorded.
        regimes: The differences to random here and in other comparisons; None where no others were given.
    """

    title: str
    facts: tuple[Fact, ...]
    best: tuple[str, ...]
    missing: tuple[str, ...]
    models: tuple[ModelPart, ...]
    likenesses: tuple[LikenessMap, ...]
    regimes: Regimes | None


def comparison_page(
    comparison: RecordedComparison, others: Mapping[str, RecordedComparison] | None = None
) -> ComparisonPage:
    """Computes what the page of a comparison shows.

    Args:
        comparison: The comparison.
        others: Others by name, to see where its methods help and where they hurt; None for none.

    Raises:
        ConfigurationError: if the class of its data set cannot be imported.
    """
    rows, settings, own = comparison.summaries, comparison.settings, comparison.folder.absolute().name
    models = list(dict.fromkeys(row.model for row in rows))
    selectors = list(dict.fromkeys(row.selector for row in rows if row.selector != FULL))
    source, _ = dataset_and_variation(as_node(settings["dataset"], "dataset"))
    trained = sum(run.train_seconds for run in comparison.runs)
    return ComparisonPage(
        title=f"{len(selectors):,} selectors on {source.name}",
        facts=(
            Fact(name="Ratios", value=", ".join(f"{ratio:g}" for ratio in settings["ratios"])),
            Fact(name="Seeds", value=str(len(settings["seeds"])), detail=_intervals(len(settings["seeds"]))),
            Fact(name="Trainings", value=f"{len(comparison.runs):,}", detail=f"{duration(trained)} in all"),
            Fact(name="Budget", value=str(settings["budget"]), detail="the same for every training"),
            Fact(name="Models", value=str(len(models)), detail=", ".join(models)),
        ),
        best=tuple(sentence for model in models for sentence in _best(model, rows)),
        missing=tuple(_missing(comparison, models)),
        models=tuple(_part(model, [row for row in rows if row.model == model], selectors) for model in models),
        likenesses=likeness_maps(comparison.likenesses),
        regimes=None if others is None else regimes_of({own: comparison, **others}, own=own),
    )


def _intervals(seeds: int) -> str:
    return "intervals want at least three" if seeds < 3 else ""


def _best(model: str, rows: Sequence[Summary]) -> list[str]:
    """Says for each ratio which selector is best, and whether it is told apart from a random choice."""
    sentences = []
    for row in sorted(rows, key=lambda row: row.ratio):
        if row.model != model or row.rank != 1:
            continue
        if row.selector == RANDOM:
            verdict = "no selector is better than a random choice"
        elif row.to_random is None:
            verdict = f"{row.selector} is best"
        else:
            told = row.to_random.low is not None and row.to_random.low > 0
            verdict = (
                f"{row.selector} is best, {100 * row.to_random.mean:+.2f} points to a random choice, "
                f"{'whose interval lies above zero' if told else 'which these seeds cannot tell apart from none'}"
            )
        sentences.append(f"{model} at {format_ratio(row.ratio)}: {verdict}.")
    return sentences


def _missing(comparison: RecordedComparison, models: Sequence[str]) -> list[str]:
    settings = comparison.settings
    done = {(run.model, run.selector, run.ratio, run.seed) for run in comparison.runs}
    names = [*settings["selectors"], *settings.get("variants", {})]
    wanted = [(FULL, 1.0), *((name, ratio) for name in names for ratio in settings["ratios"])]
    return [
        f"{name} at {format_ratio(ratio)}, seed {seed}, {model}"
        for model in models or ["every model"]
        for name, ratio in wanted
        for seed in settings["seeds"]
        if (model, name, ratio, seed) not in done
    ]


def _part(model: str, rows: Sequence[Summary], selectors: Sequence[str]) -> ModelPart:
    named = sorted(selectors, key=lambda name: (name != RANDOM, name))
    chosen = [row for row in rows if row.selector != FULL]
    charts = (
        _chart("Accuracy over the ratio", "share of the data kept", rows, named, [row.ratio for row in chosen]),
        _chart("Accuracy over the cost", "selection and training, seconds", rows, named, None),
    )
    return ModelPart(
        name=model, charts=charts if chosen else (), table=summary_table(rows), further=further_table(rows)
    )


def _cost(row: Summary) -> float:
    return row.train_seconds + (row.select_seconds or 0)


def _chart(
    title: str, across_name: str, rows: Sequence[Summary], names: Sequence[str], ratios: Sequence[float] | None
) -> Chart:
    """Draws the selectors over the ratio, or over the cost where no ratios are given."""
    places = [_cost(row) for row in rows] if ratios is None else ratios
    ends = [end for row in rows for end in _ends(row)]
    across = Scale.around(places or [0.0], _LEFT, WIDTH - _RIGHT)
    up = Scale.around(ends, HEIGHT - _BOTTOM, _TOP)
    lines = []
    for number, name in enumerate(names):
        own = sorted((row for row in rows if row.selector == name), key=lambda row: row.ratio)
        if own:
            lines.append(_line(own, _style(number, name), across, up, over_ratio=ratios is not None))
    full = next((row for row in rows if row.selector == FULL), None)
    return Chart(
        title=title,
        across=across,
        across_name=across_name,
        up=up,
        lines=tuple(lines),
        full=None if full is None else up.at(100 * full.accuracy.mean),
    )


def _ends(row: Summary) -> tuple[float, float]:
    error = row.accuracy.standard_error or 0.0
    return 100 * (row.accuracy.mean - error), 100 * (row.accuracy.mean + error)


def _style(number: int, name: str) -> str:
    if name == RANDOM:
        return "random"
    return f"hue-{number % HUES}" + (" dashed" if number >= HUES else "")


def _line(rows: Sequence[Summary], style: str, across: Scale, up: Scale, *, over_ratio: bool) -> Line:
    places = [row.ratio if over_ratio else _cost(row) for row in rows]
    means = [(place, 100 * row.accuracy.mean) for place, row in zip(places, rows, strict=True)]
    ends = [_ends(row) for row in rows]
    banded = over_ratio and len(rows) > 1 and any(row.accuracy.standard_error for row in rows)
    lower = [(place, end[0]) for place, end in zip(places, ends, strict=True)]
    upper = [(place, end[1]) for place, end in zip(places, ends, strict=True)]
    return Line(
        name=rows[0].selector,
        style=style,
        line=path(means, across, up),
        band=band(lower, upper, across, up) if banded else "",
        marks=tuple((across.at(x), up.at(y)) for x, y in means),
    )
