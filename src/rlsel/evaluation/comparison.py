"""A comparison's results: a run for each training, and a summary for each model, selector and ratio."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rlsel.evaluation.statistics import Estimate, PairedDifference, estimate, paired_difference, ranks

FULL, RANDOM = "full", "random"
"""The rows that every comparison has: all of the data, and a uniform choice."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training and the selection behind it: a row of `runs.csv`. Accuracies and shares are fractions.

    Attributes:
        selector: Its name; `full` for all of the data.
        ratio: The keep ratio; 1 for `full`.
        seed: The seed of selection and training.
        model: What was trained.
        accuracy: Top-1, the mean over the last looks at the test split.
        top5: Top-5, the mean over the same looks.
        best_accuracy: The highest top-1 of all looks; the test split chose it.
        worst_class_accuracy: Top-1 of the class with the lowest, the mean over the same looks.
        select_seconds: What the selection took, the target training that it needs included; None for `full`.
        train_seconds: What the training took.
        peak_rss_bytes: The most memory that the processes of the selection and the training had held by then; an
            upper bound, as they make other runs too.
        num_train: Samples trained on.
        steps: Optimiser steps.
        mislabelled_kept: Share of the mislabelled samples that is kept; None without label noise.
        corrupted_kept: Share of the corrupted samples that is kept; None without corruption.
        thresholded: Share of the keep probabilities above one half; None for what is no policy.
        ood: Top-1 of the model at the end, by further data set.
    """

    selector: str
    ratio: float
    seed: int
    model: str
    accuracy: float
    top5: float
    best_accuracy: float
    worst_class_accuracy: float
    select_seconds: float | None
    train_seconds: float
    peak_rss_bytes: int
    num_train: int
    steps: int
    mislabelled_kept: float | None
    corrupted_kept: float | None
    thresholded: float | None
    ood: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FurtherSummary:
    """The runs of one model, selector and ratio on a further data set, over the seeds.

    Attributes:
        accuracy: Mean top-1 over the seeds.
        to_random: Accuracy minus that of `random` at the same ratio; None for `random` and `full`.
        to_full: Accuracy minus that of `full`; None for `full`.
    """

    accuracy: Estimate
    to_random: PairedDifference | None
    to_full: PairedDifference | None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The runs of one model, selector and ratio over the seeds.

    Attributes:
        model: What was trained.
        selector: Its name; `full` for all of the data.
        ratio: The keep ratio.
        accuracy: Mean top-1 over the seeds.
        top5: Mean top-5 over the seeds.
        worst_class_accuracy: Mean over the seeds of the top-1 of the class with the lowest.
        best_accuracy: Mean of what the test split chose; for comparison with papers that report it.
        to_random: Accuracy minus that of `random` at the same ratio; None for `random` and `full`.
        to_full: Accuracy minus that of `full`; None for `full`.
        rank: Place among the selectors at this ratio, 1 for the highest accuracy; None for `full`.
        overlap: Mean share of a selection that is in that of another seed; None for `full` and for one seed.
        cost_share: Mean `select_seconds` over the mean `train_seconds` of `full`; None for `full` or without it.
        net_multiplier: Seconds of a training on all of the data over those of the selection and the training together;
            None for `full`, and where the accuracy is below that of `full`.
        paid_after: How many trainings save what the selection took; None where none does, or where the accuracy is
            below that of `full`.
        select_seconds: Mean; None for `full`.
        train_seconds: Mean.
        mislabelled_kept: Mean; None without label noise.
        corrupted_kept: Mean; None without corruption.
        ood: The same of each further data set, by name.
    """

    model: str
    selector: str
    ratio: float
    accuracy: Estimate
    top5: Estimate
    worst_class_accuracy: Estimate
    best_accuracy: float
    to_random: PairedDifference | None
    to_full: PairedDifference | None
    rank: int | None
    overlap: float | None
    cost_share: float | None
    net_multiplier: float | None
    paid_after: int | None
    select_seconds: float | None
    train_seconds: float
    mislabelled_kept: float | None
    corrupted_kept: float | None
    ood: Mapping[str, FurtherSummary] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How much two selectors keep the same at a ratio.

    Attributes:
        ratio: The keep ratio.
        selector: One of them.
        other: The other one, later in the alphabet.
        jaccard: Mean over the seeds of the share of what either keeps that both keep.
        n: How many seeds both are finished for.
    """

    ratio: float
    selector: str
    other: str
    jaccard: float
    n: int


def summarise(runs: Sequence[Run], overlaps: Mapping[tuple[str, float], float | None]) -> list[Summary]:
    """Summarises runs over their seeds.

    Args:
        runs: Runs of any models, selectors, ratios and seeds, each once.
        overlaps: The seed-to-seed overlap of the selections, by selector and ratio.

    Returns:
        By model in the order of the runs; `full` first, then by ratio and rank.
    """
    summaries: list[Summary] = []
    for model in dict.fromkeys(run.model for run in runs):
        own = [run for run in runs if run.model == model]
        full = [run for run in own if run.selector == FULL]
        if full:
            summaries.append(_summary(full, random=(), full=(), rank=None, overlap=None))
        for ratio in sorted({run.ratio for run in own if run.selector != FULL}):
            here = [run for run in own if run.selector != FULL and run.ratio == ratio]
            by_selector = {name: [run for run in here if run.selector == name] for name in _names(here)}
            means = {name: statistics.fmean(run.accuracy for run in some) for name, some in by_selector.items()}
            ranked = ranks(means)
            summaries += [
                _summary(
                    by_selector[name],
                    random=() if name == RANDOM else by_selector.get(RANDOM, ()),
                    full=full,
                    rank=ranked[name],
                    overlap=overlaps.get((name, ratio)),
                )
                for name in sorted(by_selector, key=ranked.__getitem__)
            ]
    return summaries


def _names(runs: Iterable[Run]) -> list[str]:
    return list(dict.fromkeys(run.selector for run in runs))


def _summary(
    runs: Sequence[Run], *, random: Sequence[Run], full: Sequence[Run], rank: int | None, overlap: float | None
) -> Summary:
    select_seconds = _mean(run.select_seconds for run in runs)
    train_seconds = statistics.fmean(run.train_seconds for run in runs)
    to_full = paired_difference(_accuracies(runs), _accuracies(full))
    of_full = statistics.fmean(run.train_seconds for run in full) if full else None
    as_good = to_full is not None and to_full.mean >= 0
    saved = 0.0 if of_full is None else of_full - train_seconds
    return Summary(
        model=runs[0].model,
        selector=runs[0].selector,
        ratio=runs[0].ratio,
        accuracy=estimate([run.accuracy for run in runs]),
        top5=estimate([run.top5 for run in runs]),
        worst_class_accuracy=estimate([run.worst_class_accuracy for run in runs]),
        best_accuracy=statistics.fmean(run.best_accuracy for run in runs),
        to_random=paired_difference(_accuracies(runs), _accuracies(random)),
        to_full=to_full,
        rank=rank,
        overlap=overlap,
        cost_share=None if select_seconds is None or of_full is None else select_seconds / of_full,
        net_multiplier=of_full / (select_seconds + train_seconds)
        if select_seconds is not None and of_full is not None and as_good
        else None,
        paid_after=math.ceil(select_seconds / saved) if select_seconds is not None and saved > 0 and as_good else None,
        select_seconds=select_seconds,
        train_seconds=train_seconds,
        mislabelled_kept=_mean(run.mislabelled_kept for run in runs),
        corrupted_kept=_mean(run.corrupted_kept for run in runs),
        ood={name: _further(name, runs, random=random, full=full) for name in runs[0].ood},
    )


def _further(name: str, runs: Sequence[Run], *, random: Sequence[Run], full: Sequence[Run]) -> FurtherSummary:
    own, of_random, of_full = ({run.seed: run.ood[name] for run in some} for some in (runs, random, full))
    return FurtherSummary(
        accuracy=estimate(list(own.values())),
        to_random=paired_difference(own, of_random),
        to_full=paired_difference(own, of_full),
    )


def _accuracies(runs: Iterable[Run]) -> dict[int, float]:
    return {run.seed: run.accuracy for run in runs}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
