"""`rlsel select`: every selector at every ratio, from one target training, one coreset folder each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rlsel.budget import kept_count
from rlsel.commands.datasets import features_digest, read_dataset, read_features
from rlsel.commands.requests import SelectRequest
from rlsel.coreset import Coreset
from rlsel.making import Plan, coreset_of, plan_one
from rlsel.runs.folder import RunFolder, begun, cell_name, common_parent, run_folder, scored_alike, to_make
from rlsel.runs.layout import selects_by_defaults, settings_hash
from rlsel.runs.metrics import MetricsFile
from rlsel.selection import Made, OnFailure, Wanted, reported, select_from
from rlsel.selectors.base import (
    Observed,
    Scores,
    SelectionTask,
    Selector,
    depends_on_ratio,
)
from rlsel.training.loop import Checkpointing
from rlsel.training.reporting import Reporter


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One coreset to make in a folder.

    Attributes:
        name: The selector's, or that of a row of a comparison.
        plan: What is to be made.
        folder: Where it goes.
    """

    name: str
    plan: Plan
    folder: RunFolder

    @property
    def wanted(self) -> Wanted:
        """The method, the ratio and the export."""
        return self.plan.wanted

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that decides the result."""
        return self.plan.settings


def select(request: SelectRequest, reporter: Reporter) -> Path:
    """Makes the coresets that do not exist yet.

    Returns:
        The run folder; the folder that holds all of them where there are several.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
    """
    began = time.monotonic()
    cells = plan(request)
    missing = to_make(cells, again=request.options.resume == "never")
    if missing:
        dataset = read_dataset(request.settings)
        for ratio in request.ratios:
            kept_count(ratio, len(dataset.train))
        features = read_features(request.features, dataset)
        with request.options.device.computing() as fabric:
            task = SelectionTask(
                dataset=dataset,
                model=request.settings.model,
                training=request.settings.training,
                purpose=request.settings.purpose,
                fabric=fabric,
                seed=request.settings.seed,
                features=features,
                reporter=reporter,
            )
            make(missing, task, began=began, resume=request.options.resume == "auto")
    return common_parent(cells, request.options.run_dir)


def plan(request: SelectRequest, *, row: str | None = None) -> list[Cell]:
    """Returns every cell of a request, whether made already or not.

    Args:
        request: What is to be selected.
        row: What a comparison calls the only selector of the request; None for its own name.

    Raises:
        ConfigurationError: if an export does not fit its selector.
    """
    several = request.options.several or len(request.selectors) * len(request.ratios) > 1
    return [
        _cell(request, selector, ratio, row=row or selector.name, several=several)
        for selector in request.selectors
        for ratio in request.ratios
    ]


def _cell(request: SelectRequest, selector: Selector, ratio: float, *, row: str, several: bool) -> Cell:
    source, features = request.settings, features_digest(request.features)
    plan = plan_one(source, selector, ratio, export=request.export, features=features)
    plain = features is None and selects_by_defaults(source, plan.wanted.selector, request.export)
    folder = run_folder(
        "select",
        source.dataset.name,
        row,
        cell_name(ratio, source.seed, None if plain else plan.digest),
        run_dir=request.options.run_dir,
        several=several,
        digest=plan.digest,
    )
    return Cell(name=row, plan=plan, folder=folder)


def make(
    cells: Sequence[Cell], task: SelectionTask, *, began: float, resume: bool, on_failure: OnFailure[Cell] | None = None
) -> None:
    """Makes coresets from one target training that their selectors share.

    Args:
        cells: What to make, all of the task's data, model, training and seed.
        task: What is selected from.
        began: When the work began, by `time.monotonic`.
        resume: Whether an interrupted training is taken up again.
        on_failure: Told the cells that cannot be made, and why; the others are made all the same. None raises.
    """
    recorded = {cell: found for cell in cells if resume and (found := recorded_scores(cell)) is not None}
    with begun([cell.folder for cell in cells], "select", [cell.settings for cell in cells]):
        for cell, found in recorded.items():
            with reported([cell], on_failure):
                _cut_again(cell, task, found)
        rest = [cell for cell in cells if cell not in recorded]
        if rest:
            _make(rest, task, began=began, resume=resume, on_failure=on_failure)


def _make(
    cells: Sequence[Cell], task: SelectionTask, *, began: float, resume: bool, on_failure: OnFailure[Cell] | None
) -> None:
    checkpoint = cells[0].folder.path / f".training-{settings_hash({'cells': [c.settings for c in cells]})}.ckpt"
    if not resume:
        checkpoint.unlink(missing_ok=True)
    own = {cell.wanted: cell for cell in cells}
    metrics = {cell.wanted: MetricsFile(cell.folder.path / "metrics.jsonl") for cell in cells}
    fail = None if on_failure is None else lambda wanted, error: on_failure([own[one] for one in wanted], error)
    for made in select_from(
        task,
        list(own),
        setup_seconds=time.monotonic() - began,
        on_epoch=lambda wanted, row: metrics[wanted].append(row),
        on_failure=fail,
        checkpointing=Checkpointing(path=checkpoint),
    ):
        with reported([own[made.wanted]], on_failure):
            _save(own[made.wanted], task, made)
    checkpoint.unlink(missing_ok=True)


def recorded_scores(cell: Cell) -> Coreset | None:
    """Finds the scores of a cell in a finished run beside it that differs in the ratio and the export only.

    Returns:
        The coreset with the scores; None where there is none, or where the scores depend on the ratio.
    """
    beside = cell.folder.path.parent
    if depends_on_ratio(cell.wanted.selector) or beside.name != cell.name or not beside.is_dir():
        return None  # a folder that the user named has no runs of ours beside it
    for sibling in sorted(beside.iterdir()):
        if not scored_alike(sibling, cell.settings):
            continue
        coreset = Coreset.load(sibling)
        # the hardness is stored only where it was used
        if not cell.wanted.export.trim_hardest or coreset.provenance.export.trim_hardest:
            return coreset
    return None


def _cut_again(cell: Cell, task: SelectionTask, recorded: Coreset) -> None:
    """Exports recorded scores at the cell's ratio; trains nothing."""
    recorded.check(size=len(task.dataset.source), fingerprint=task.dataset.fingerprint)
    candidates = task.dataset.train.in_source().numpy()
    recorded.check_candidates(candidates)
    scores = Scores(
        values=torch.from_numpy(recorded.scores[candidates]),
        kind=recorded.provenance.score.kind,
        policy=recorded.provenance.score.policy,
        hardness=None if recorded.hardness is None else torch.from_numpy(recorded.hardness[candidates]),
    )
    made = Made(wanted=cell.wanted, scores=scores, observed=Observed(), seconds=recorded.provenance.wall_seconds)
    _save(cell, task, made, parent=recorded.folder)


def _save(cell: Cell, task: SelectionTask, made: Made, *, parent: Path | None = None) -> None:
    coreset_of(made, cell.plan, task, parent=parent).save(cell.folder.path)
    cell.folder.set_state("complete")
