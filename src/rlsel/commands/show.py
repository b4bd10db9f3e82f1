"""`rlsel show`: a selection or a comparison in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rlsel.commands.requests import ShowRequest
from rlsel.report.comparison_view import comparison_page
from rlsel.report.selection_view import selection_page
from rlsel.report.terminal_page import Page
from rlsel.runs.comparison_files import read_comparison
from rlsel.runs.reader import read_run


def show(request: ShowRequest, display: Callable[[Page], None]) -> Path:
    """Shows a run.

    Args:
        request: The run.
        display: Shows the page.

    Returns:
        The absolute folder of the run.

    Raises:
        CoresetError: if it is neither a finished selection nor a comparison, or a file of it is missing or damaged.
    """
    run = read_run(request.run)
    if run.command == "compare":
        page = comparison_page(read_comparison(request.run))
    else:
        coreset = run.finished_coreset()
        page = selection_page(coreset, coreset.image_paths(), rows=request.rows)
    display(page)
    return run.folder.absolute()
