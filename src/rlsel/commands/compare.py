"""`rlsel compare`: which selector, at which ratio, and is it better than a random choice of the same size?"""

from __future__ import annotations

from pathlib import Path

from rlsel.commands.outcomes import PartlyFailedError
from rlsel.comparing.core import Prepared, carry_out, prepare
from rlsel.comparing.request import CompareRequest
from rlsel.comparing.results import Results
from rlsel.comparing.settings import comparison_settings, shared_settings
from rlsel.files import make_folder
from rlsel.report.comparison_plot import comparison_pictures
from rlsel.runs.comparison_files import PAGE_FILE, write_comparison
from rlsel.runs.folder import OUTPUTS, RunFolder, check_writable
from rlsel.runs.layout import settings_hash
from rlsel.runs.locking import held
from rlsel.training.reporting import Reporter


def compare(request: CompareRequest, reporter: Reporter) -> Path:
    """Makes the selections and trainings that do not exist yet, and writes the tables and the picture of all.

    A comparison that another process makes in the same folder is waited for: what it made is there then.

    Returns:
        The folder of the comparison.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
        PartlyFailedError: if some runs failed; the tables hold the others.
    """
    place = _place(request)
    check_writable(place)
    prepared = prepare(request, place, reporter)
    with held(make_folder(place), on_wait=lambda: reporter.note(f"waits for the other process that works in {place}")):
        return _carry_out(prepared, place)


def _carry_out(prepared: Prepared, place: Path) -> Path:
    settings = comparison_settings(prepared.request)
    folder = RunFolder(path=place, digest=settings_hash(settings))
    folder.begin("compare", settings)
    try:
        results = carry_out(prepared)
        _write(folder.path, results)
    except Exception as error:
        folder.set_state("failed", f"{type(error).__name__}: {error}")
        raise
    except KeyboardInterrupt:
        folder.set_state("interrupted")
        raise
    if results.failures:
        folder.set_state("failed", results.failed)
        raise PartlyFailedError(
            f"{results.failed}: the same command tries them again, {folder.path / PAGE_FILE} names them all",
            folder=folder.path,
            by_user=results.failed_by_user,
        )
    folder.set_state("complete")
    return folder.path


def _write(folder: Path, results: Results) -> None:
    write_comparison(
        folder,
        runs=results.runs,
        summaries=results.summaries,
        likenesses=results.likenesses,
        page=results.page,
        latex=results.latex,
        pictures=comparison_pictures(results.summaries) if results.summaries else {},
    )


def _place(request: CompareRequest) -> Path:
    options = request.options
    if options.run_dir is not None and not options.several:
        return options.run_dir.absolute()
    parent = OUTPUTS / "compare" if options.run_dir is None else options.run_dir
    return (parent / request.settings.dataset.name / settings_hash(shared_settings(request))).absolute()
