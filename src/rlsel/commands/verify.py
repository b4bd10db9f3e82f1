"""`rlsel verify`: the paper's propositions and the influence of samples, measured on a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rlsel.commands.places import beside_run
from rlsel.commands.requests import VerifyRequest
from rlsel.commands.verified_run import data_of, run_with_target, subject_of, target_of, task_of
from rlsel.data.dataset import Dataset
from rlsel.files import make_folder, write_atomically, write_json
from rlsel.report.terminal_page import Page
from rlsel.report.theory_page import theory_page
from rlsel.report.theory_plot import theory_png
from rlsel.report.theory_section import JSON_FILE, PICTURE_FILE
from rlsel.report.theory_text import sentences
from rlsel.runs.folder import check_writable
from rlsel.runs.journal import JournalFile
from rlsel.runs.reader import Run
from rlsel.theory.verification import Repeating, verify_theory
from rlsel.training.fabric import Fabric
from rlsel.training.reporting import Reporter

LEFT_OUT_FILE, SUBSETS_FILE = "left_out.jsonl", "subsets.jsonl"
_SCHEMA_VERSION = 2


def verify(request: VerifyRequest, display: Callable[[Page], None], reporter: Reporter) -> Path:
    """Measures a run, writes `verify.json` and `verify.png`, over those that are there, and shows the numbers.

    Returns:
        The folder that holds them: the run's own, unless another was asked for.

    Raises:
        RlselError: for a user's mistake; nothing is written then.
    """
    run = run_with_target(request)
    folder = beside_run(run, request.options)
    check_writable(folder)
    dataset = data_of(request, run)
    model = target_of(run)
    settings = request.settings()
    with request.options.device.computing() as fabric:
        subject = subject_of(run, model.to(fabric.device).eval(), dataset, fabric)
        repeating = _repeating(request, run, dataset, folder, fabric, reporter) if settings.trains else None
        found = verify_theory(subject, settings, repeating)
    said = sentences(found)
    picture = theory_png(found, said)
    make_folder(folder)
    write_json(folder / JSON_FILE, {"schema_version": _SCHEMA_VERSION, "sentences": said, **asdict(found)})
    write_atomically(folder / PICTURE_FILE, lambda file: file.write(picture))
    display(theory_page(found, said))
    return folder


def _repeating(
    request: VerifyRequest, run: Run, dataset: Dataset, folder: Path, fabric: Fabric, reporter: Reporter
) -> Repeating:
    of: dict[str, str | int] = {"run": run.finished_coreset().provenance.settings_hash, "seed": request.seed}
    anew = request.options.resume == "never"
    return Repeating(
        task=task_of(run, dataset, fabric, reporter),
        left_out=JournalFile(folder / LEFT_OUT_FILE, of, anew=anew),
        subsets=JournalFile(folder / SUBSETS_FILE, of, anew=anew),
    )
