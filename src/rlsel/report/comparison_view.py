"""What a terminal shows of a comparison: its table, and what is missing from it."""

from __future__ import annotations

from rlsel.report.tables import terminal_lines
from rlsel.report.terminal_page import Page, printable
from rlsel.runs.comparison_files import RecordedComparison


def comparison_page(comparison: RecordedComparison) -> Page:
    """Lays out a comparison."""
    dataset = comparison.settings.get("dataset", {})
    name = str(dataset.get("_target_", "")).rpartition(".")[2] or "a data set"
    unfinished = comparison.state != "complete"
    return Page(
        title=f"comparison on {printable(name)}",
        facts=(("runs", str(len(comparison.runs))),),
        lines=tuple(terminal_lines(comparison.summaries)),
        warnings=("some runs are missing: the same command tries them again",) if unfinished else (),
    )
