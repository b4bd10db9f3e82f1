"""`rlsel report`: one HTML file that shows a selection or a comparison, and needs nothing else."""

from __future__ import annotations

from pathlib import Path

from rlsel.commands.places import beside_run
from rlsel.commands.requests import ReportRequest
from rlsel.data.dataset import Dataset
from rlsel.data.variation import apply_variation
from rlsel.errors import RlselError
from rlsel.files import make_folder, write_atomically
from rlsel.report.of_run import page_of_comparison, page_of_selection, require_data_of
from rlsel.runs.comparison_files import read_comparison
from rlsel.runs.folder import check_writable
from rlsel.runs.reader import Run, read_run
from rlsel.runs.rebuilding import dataset_and_variation
from rlsel.runs.regimes import require_regimes
from rlsel.structure import as_node
from rlsel.training.reporting import Reporter

PAGE_FILE = "report.html"


def report(request: ReportRequest, reporter: Reporter) -> Path:
    """Writes the page, over one that is there already.

    Returns:
        The folder that holds it: the run's own, unless another was asked for.

    Raises:
        RlselError: for a user's mistake; nothing is written then.
    """
    run = read_run(request.run)
    folder = beside_run(run, request.options)
    check_writable(folder)
    html = _comparison(request) if run.command == "compare" else _selection(request, run)
    # names of files and classes may hold bytes that are no text
    content = html.encode(errors="replace")
    path = make_folder(folder) / PAGE_FILE
    write_atomically(path, lambda file: file.write(content))
    reporter.note(f"note: {path} is one file of {len(content) / 1e6:.1f} MB: open it in a browser")
    return folder


def _comparison(request: ReportRequest) -> str:
    others = None if request.against is None else require_regimes(request.against, "against")
    return page_of_comparison(read_comparison(request.run), others)


def _selection(request: ReportRequest, run: Run) -> str:
    against = None if request.against is None else read_run(request.against, "against")
    run.finished_coreset()
    dataset, unread = _data(request, run)
    with request.options.device.computing() as fabric:
        return page_of_selection(run, dataset, fabric=fabric, unread=unread, against=against)


def _data(request: ReportRequest, run: Run) -> tuple[Dataset | None, str]:
    """Reads the data set; where the user names none, a recorded one that has moved or changed is only said to have."""
    if request.dataset is not None:
        return apply_variation(request.dataset.load(), request.variation), ""
    try:
        source, variation = dataset_and_variation(as_node(run.settings.get("dataset"), "dataset"))
        dataset = apply_variation(source.load(), variation)
        require_data_of(run.finished_coreset(), dataset)
    except RlselError as error:
        return None, str(error)
    return dataset, ""
