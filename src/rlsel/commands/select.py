"""`rlsel select`: every selector at every ratio, from one target training, one coreset folder each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlsel.budget import kept_count
from rlsel.commands.coresets import Origin, save_coreset
from rlsel.commands.datasets import read_dataset, read_features
from rlsel.commands.folders import OUTPUTS, RunFolder, begun, cell_name, check_writable, common_parent
from rlsel.commands.metrics import MetricsFile
from rlsel.commands.requests import SelectRequest
from rlsel.commands.settings import are_defaults, selection_settings, settings_hash
from rlsel.export import ResolvedExport, refuse_threshold_of_a_score, resolve
from rlsel.selectors.base import Observed, Scores, SelectionTask, Selector, for_ratio
from rlsel.selectors.policy_learner import PolicyLearner
from rlsel.selectors.rl_selector import RLSelector
from rlsel.selectors.target import SharedTraining
from rlsel.training.checkpoints import save_tensors
from rlsel.training.loop import Checkpointing
from rlsel.training.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One coreset to make.

    Attributes:
        selector: The method, made for the ratio.
        ratio: The keep ratio.
        export: How its scores become a set.
        settings: All that decides the result.
        folder: Where it goes.
    """

    selector: Selector
    ratio: float
    export: ResolvedExport
    settings: dict[str, Any]
    folder: RunFolder


def select(request: SelectRequest, reporter: Reporter) -> Path:
    """Makes the coresets that do not exist yet.

    Returns:
        The run folder; the deepest folder that holds all of them where there are several.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
    """
    began = time.monotonic()
    cells = plan(request)
    paths = [cell.folder.path for cell in cells]
    missing = [cell for cell in cells if request.options.resume == "never" or not cell.folder.complete]
    if missing:
        check_writable(paths[0])
        dataset = read_dataset(request.settings)
        for ratio in request.ratios:
            kept_count(ratio, len(dataset.train))
        features = read_features(request.features, len(dataset.train))
        with request.options.device.computing() as fabric:
            task = SelectionTask(
                dataset=dataset,
                model=request.settings.model,
                training=request.settings.training,
                fabric=fabric,
                seed=request.settings.seed,
                features=features,
                reporter=reporter,
            )
            _make(missing, task, began=began, resume=request.options.resume == "auto")
    return common_parent(paths)


def plan(request: SelectRequest) -> list[Cell]:
    """Returns every cell of a request, whether made already or not.

    Raises:
        ConfigurationError: if an export does not fit its selector.
    """
    several = request.options.several or len(request.selectors) * len(request.ratios) > 1
    return [
        _cell(request, selector, ratio, several=several) for selector in request.selectors for ratio in request.ratios
    ]


def _cell(request: SelectRequest, selector: Selector, ratio: float, *, several: bool) -> Cell:
    selector = for_ratio(selector, ratio)
    export = resolve(request.export, selector.export)
    refuse_threshold_of_a_score(export, policy=isinstance(selector, RLSelector))
    settings = selection_settings(
        request.settings, selector=selector, ratio=ratio, export=request.export, features=request.features
    )
    digest = settings_hash(settings)
    source = request.settings
    plain = request.features is None and are_defaults(
        [source.dataset, source.variation, source.model, source.training, selector, request.export]
    )
    name = cell_name(ratio, source.seed, None if plain else digest)
    run_dir = request.options.run_dir
    if run_dir is None:
        path = OUTPUTS / "select" / source.dataset.name / selector.name / name
    else:
        path = run_dir / selector.name / name if several else run_dir
    return Cell(
        selector=selector,
        ratio=ratio,
        export=export,
        settings=settings,
        folder=RunFolder(path=path.absolute(), digest=digest),
    )


def _make(cells: Sequence[Cell], task: SelectionTask, *, began: float, resume: bool) -> None:
    needs = {cell.selector: cell.selector.needs(task) for cell in cells}
    checkpoint = cells[0].folder.path / f".training-{settings_hash({'cells': [c.settings for c in cells]})}.ckpt"
    if not resume:
        checkpoint.unlink(missing_ok=True)
    with begun([cell.folder for cell in cells], "select", [cell.settings for cell in cells]):
        training = SharedTraining(
            task=task,
            needs=list(needs.values()),
            on_epoch=_metrics_writer(cells, list(needs)),
            checkpointing=Checkpointing(path=checkpoint),
        )
        observed = dict(zip(needs, training.run(), strict=True))
        _finish(cells, task, observed, shared_seconds=time.monotonic() - began)
        checkpoint.unlink(missing_ok=True)


def _metrics_writer(
    cells: Sequence[Cell], selectors: Sequence[Selector]
) -> Callable[[Mapping[str, float], Sequence[Mapping[str, float]]], None]:
    """Returns what appends an epoch to the `metrics.jsonl` of every cell, begun anew."""
    files = [MetricsFile(cell.folder.path / "metrics.jsonl") for cell in cells]

    def write(shared: Mapping[str, float], own: Sequence[Mapping[str, float]]) -> None:
        for cell, file in zip(cells, files, strict=True):
            file.append({**shared, **own[selectors.index(cell.selector)]})

    return write


def _finish(
    cells: Sequence[Cell], task: SelectionTask, observed: Mapping[Selector, Observed], *, shared_seconds: float
) -> None:
    """Scores once for each selector, and exports each cell."""
    scored: dict[Selector, Scores] = {}
    for cell in cells:
        start = time.monotonic()
        watched = observed[cell.selector]
        if cell.selector not in scored:
            scored[cell.selector] = cell.selector.score(task, watched)
        if isinstance(watched.observer, PolicyLearner):
            watched.observer.stored().save(cell.folder.path)
            if watched.model is not None:
                save_tensors(cell.folder.path / "target.safetensors", watched.model.state_dict())
        save_coreset(
            cell.folder.path,
            scored[cell.selector],
            dataset=task.dataset,
            origin=Origin(
                selector=cell.selector.name,
                settings=cell.settings,
                digest=cell.folder.digest,
                ratio=cell.ratio,
                seed=task.seed,
                export=cell.export,
                wall_seconds=shared_seconds + time.monotonic() - start,
            ),
        )
        cell.folder.set_state("complete")
