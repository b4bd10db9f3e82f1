"""The page of what lies in a run folder."""

from __future__ import annotations

from collections.abc import Mapping

from rlsel.coreset import Coreset
from rlsel.data.dataset import Dataset
from rlsel.report.comparison_page import comparison_page
from rlsel.report.page import comparison_html, selection_html
from rlsel.report.page_data import selection_page
from rlsel.report.seen import look
from rlsel.report.theory_section import theory_section
from rlsel.runs.comparison_files import RecordedComparison
from rlsel.runs.reader import Run
from rlsel.training.fabric import Fabric


def page_of_selection(
    run: Run,
    dataset: Dataset | None,
    *,
    fabric: Fabric,
    unread: str = "",
    against: Run | None = None,
) -> str:
    """Returns the page of a finished selection, as one HTML file.

    Args:
        run: The selection.
        dataset: What it was made from, for pictures, and for distances where the run stored no features; None for none.
        fabric: Where distances are computed and the target model is asked.
        unread: Why there is none, for the page to say.
        against: Another selection of the same data, to compare with; None for none.

    Raises:
        CoresetError: if one of the runs is no finished selection, is damaged, or is of other data.
    """
    coreset = run.finished_coreset()
    other = None if against is None else against.finished_coreset()
    if dataset is not None:
        require_data_of(coreset, dataset)
    seen = look(run, coreset, dataset, fabric=fabric, unread=unread)
    page = selection_page(coreset, seen, metrics=run.metrics, other=other, device=fabric.device)
    return selection_html(page, seen, theory=theory_section(run.folder))


def require_data_of(coreset: Coreset, dataset: Dataset) -> None:
    """Refuses other data than what was selected from, or another part of it.

    Raises:
        CoresetError: in that case.
    """
    coreset.check(size=len(dataset.source), fingerprint=dataset.fingerprint)
    coreset.check_candidates(dataset.train.in_source().numpy())


def page_of_comparison(comparison: RecordedComparison, others: Mapping[str, RecordedComparison] | None = None) -> str:
    """Returns the page of a comparison, as one HTML file.

    Args:
        comparison: The comparison.
        others: Others by name, to set its differences to random beside theirs; None for none.
    """
    return comparison_html(comparison_page(comparison, others))
