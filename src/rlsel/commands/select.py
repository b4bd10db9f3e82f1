"""`rlsel select`: every selector at every ratio, from one target training, one coreset folder each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rlsel.commands.missing import make_missing, taken
from rlsel.commands.report import report
from rlsel.commands.requests import ReportRequest, SelectRequest
from rlsel.data.dataset import Dataset
from rlsel.errors import ConfigurationError
from rlsel.estimating import estimate_selection
from rlsel.making import forget_checkpoint, make
from rlsel.paying import closing
from rlsel.predicting import AutoPlan, choose_ratio
from rlsel.processes import process_count
from rlsel.runs.checkpoint import checkpoint_at, training_checkpoint
from rlsel.runs.datasets import features_digest, read_dataset, read_features
from rlsel.runs.folder import begun, check_writable, note_damage
from rlsel.runs.metrics import METRICS_FILE, MetricsFile
from rlsel.runs.plan import Planned, planned_selection
from rlsel.runs.settings import RunOptions
from rlsel.selectors.base import SelectionTask
from rlsel.training.fabric import Fabric
from rlsel.training.reporting import Reporter


def select(request: SelectRequest, reporter: Reporter) -> Path:
    """Makes the coresets that do not exist yet.

    Returns:
        The run folder; the folder that holds all of them where there are several.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
    """
    began = time.monotonic()
    _check_processes(request)
    if request.tolerance is not None:
        found = _find_ratio(request, reporter, began)
        if request.report:
            _show([found], request, reporter)
        return found

    def work(missing: Sequence[Planned], dataset: Dataset, fabric: Fabric) -> None:
        task = _task(request, dataset, fabric, reporter)
        estimate = estimate_selection(task, [one.wanted for one in missing])
        if estimate is not None:
            reporter.note(f"note: {estimate}")
        resume = request.options.resume == "auto"
        make(missing, task, began=began, resume=resume, request=planned, estimate=estimate)

    planned = plan(request)
    if request.options.resume == "auto":
        forget_checkpoint(planned)
    folder = make_missing(planned, work, settings=request.settings, options=request.options, reporter=reporter)
    if request.report:
        _show([one.folder.path for one in planned], request, reporter)
    return folder


def _check_processes(request: SelectRequest) -> None:
    """Refuses what several processes cannot do together."""
    if process_count() == 1:
        return
    for key, chosen in (("ratio=auto", request.tolerance is not None), ("report=true", request.report)):
        if chosen:
            raise ConfigurationError(
                f"device.processes must be 1 with {key}, got {process_count()}: give a ratio, and make the page "
                "afterwards with rlsel report"
            )


def _show(folders: Sequence[Path], request: SelectRequest, reporter: Reporter) -> None:
    """Gives each run folder its page."""
    for folder in folders:
        report(ReportRequest(run=folder, options=RunOptions(device=request.options.device)), reporter)


def _task(request: SelectRequest, dataset: Dataset, fabric: Fabric, reporter: Reporter) -> SelectionTask:
    return SelectionTask(
        dataset=dataset,
        model=request.settings.model,
        training=request.settings.training,
        purpose=request.settings.purpose,
        fabric=fabric,
        seed=request.settings.seed,
        features=read_features(request.features, dataset),
        reporter=reporter,
    )


def _find_ratio(request: SelectRequest, reporter: Reporter, began: float) -> Path:
    """Makes the coreset of the smallest ratio that costs little enough, unless that is done already."""
    options, resume = request.options, request.options.resume == "auto"
    auto = AutoPlan.of(
        request.settings,
        request.selectors[0],
        tolerance=request.tolerance or 0.0,
        export=request.export,
        features=features_digest(request.features),
    )
    folder = auto.folder(request.settings, request.export, options)
    if resume and folder.complete:
        checkpoint_at(folder.path, folder.digest).remove()
        reporter.note(taken())
        return folder.path
    check_writable(folder.path)
    note_damage([folder], reporter.note)
    dataset = read_dataset(request.settings)
    with options.device.computing() as fabric:
        task = _task(request, dataset, fabric, reporter)
        with (
            begun([folder], "select", [auto.settings]),
            training_checkpoint(folder.path, folder.digest, resume=resume) as checkpointing,
        ):
            metrics = MetricsFile(folder.path / METRICS_FILE)
            task = replace(task, checkpointing=checkpointing)
            chosen = choose_ratio(auto, task, setup_seconds=time.monotonic() - began)
            for row in chosen.metrics:
                metrics.append(row)
            chosen.coreset.save(folder.path)
            folder.set_state("complete")
    reporter.note(closing([chosen.coreset], run=folder.path))
    return folder.path


def plan(request: SelectRequest) -> list[Planned]:
    """Returns every coreset of a request, whether made already or not.

    Args:
        request: What is to be selected.

    Raises:
        ConfigurationError: if an export does not fit its selector.
    """
    features = features_digest(request.features)
    several = len(request.selectors) * len(request.ratios) > 1
    return [
        planned_selection(
            request.settings,
            selector,
            ratio,
            export=request.export,
            features=features,
            options=request.options,
            several=several,
        )
        for selector in request.selectors
        for ratio in request.ratios
    ]
