"""What a comparison came to: read from the folders of its selections and trainings."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from rlsel.comparing.jobs import Failure
from rlsel.comparing.plan import Chosen
from rlsel.coreset import INDICES_FILE
from rlsel.evaluation.comparison import Likeness, Run, Summary
from rlsel.evaluation.statistics import jaccard, mean_overlap
from rlsel.files import read_array
from rlsel.report.latex import summary_latex
from rlsel.report.tables import summary_markdown
from rlsel.runs.compared_training import read_compared_training


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a comparison came to.

    Attributes:
        dataset: The data set's name.
        runs: One for each model, selector, ratio and seed that is done.
        summaries: Their means and differences, by model, selector and ratio.
        likenesses: How much the selectors keep the same.
        failures: What could not be done.
        protocol: How the numbers came about, a sentence or two each.
    """

    dataset: str
    runs: list[Run]
    summaries: list[Summary]
    likenesses: list[Likeness]
    failures: list[Failure]
    protocol: list[str]

    @property
    def page(self) -> str:
        """All of it for people, as in `summary.md`."""
        return summary_markdown(
            self.summaries,
            title=f"Comparison on {self.dataset}",
            protocol=self.protocol,
            missing=[str(failure) for failure in self.failures],
        )

    @property
    def latex(self) -> str:
        """The tables for a paper, as in `summary.tex`."""
        return summary_latex(self.summaries, dataset=self.dataset)

    @property
    def failed(self) -> str:
        """How many failures there are and the first of at least one, in one line."""
        return f"{len(self.failures)} of the runs failed, the first: {self.failures[0]}"

    @property
    def failed_by_user(self) -> bool:
        """Whether every failure is a user's mistake."""
        return all(failure.by_user for failure in self.failures)


def run_of(chosen: Chosen, *, model: str, folder: Path, further: Sequence[str]) -> Run:
    """Reads a finished training.

    Args:
        chosen: What was trained on.
        model: The name of what was trained.
        folder: The folder of the training.
        further: Names of what the model was measured on besides the test split.

    Raises:
        CoresetError: if the result is missing or damaged.
    """
    training = read_compared_training(folder)
    return Run(
        selector=chosen.selector,
        ratio=chosen.ratio,
        seed=chosen.seed,
        model=model,
        accuracy=training.top1_last,
        top5=training.top5_last,
        best_accuracy=training.top1_best,
        worst_class_accuracy=training.worst_class_last,
        select_seconds=chosen.seconds,
        train_seconds=training.seconds,
        peak_rss_bytes=max(chosen.peak_rss_bytes, training.peak_rss_bytes),
        num_train=training.num_train,
        steps=training.steps,
        mislabelled_kept=training.mislabelled_kept,
        corrupted_kept=training.corrupted_kept,
        thresholded=chosen.thresholded,
        ood={name: training.ood[name].top1 for name in further},
    )


def overlaps(chosen: Iterable[Chosen]) -> dict[tuple[str, float], float | None]:
    """Returns the seed-to-seed overlap of finished selections, by selector and ratio."""
    folders: dict[tuple[str, float], list[Path]] = {}
    for one in chosen:
        if one.folder is not None:
            folders.setdefault((one.selector, one.ratio), []).append(one.folder)
    return {key: mean_overlap([read_array(folder / INDICES_FILE) for folder in some]) for key, some in folders.items()}


def likenesses(chosen: Iterable[Chosen]) -> list[Likeness]:
    """Returns how much each two selectors keep the same, by ratio, over the seeds that both are finished for."""
    folders: dict[tuple[float, int], dict[str, Path]] = {}
    for one in chosen:
        if one.folder is not None:
            folders.setdefault((one.ratio, one.seed), {})[one.selector] = one.folder
    found: dict[tuple[float, str, str], list[float]] = {}
    for (ratio, _), by_name in folders.items():
        sets = {name: read_array(folder / INDICES_FILE) for name, folder in by_name.items()}
        for first, second in combinations(sorted(sets), 2):
            found.setdefault((ratio, first, second), []).append(jaccard(sets[first], sets[second]))
    return [
        Likeness(ratio=ratio, selector=first, other=second, jaccard=statistics.fmean(values), n=len(values))
        for (ratio, first, second), values in sorted(found.items())
    ]
