"""Coresets from one target training that their methods share: in memory, and in the run folders that were planned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from rlsel.applying import policy_of
from rlsel.coreset import Companion, Coreset
from rlsel.cutting import cut
from rlsel.errors import CoresetError
from rlsel.paying import closing
from rlsel.runs.checkpoint import checkpoint_at, training_checkpoint
from rlsel.runs.layout import settings_hash
from rlsel.runs.metrics import METRICS_FILE, MetricsFile
from rlsel.runs.plan import Plan, Planned, begun_as_planned
from rlsel.runs.reader import scored_alike
from rlsel.selection import Made, OnFailure, reported, select_from
from rlsel.selectors.base import Observed, Scores, SelectionTask, Selector, depends_on_ratio
from rlsel.training.resuming import Checkpointing, already_kept, kept

_TOGETHER = "cells"
"""The part of a checkpoint that says what is made from one training."""


def make(
    planned: Sequence[Planned],
    task: SelectionTask,
    *,
    began: float,
    resume: bool,
    request: Sequence[Planned] = (),
    on_failure: OnFailure[Planned] | None = None,
    estimate: Companion | None = None,
) -> None:
    """Makes coresets in their run folders; of several processes that train together, the first writes them.

    Args:
        planned: What to make, at least one, all of the task's data, model, training and seed.
        task: What is selected from.
        began: When the work began, by `time.monotonic`.
        resume: Whether scores of finished runs are taken, and interrupted work is taken up again.
        request: All that was asked for, what is made already included, by which interrupted work is known; empty where
            that is just `planned`.
        on_failure: Told what cannot be made, and why; the others are made all the same. None raises.
        estimate: What it was said to take, kept in each folder; None for nothing said.
    """
    note, request = task.reporter.note, request or planned
    # what was interrupted goes on as it began: its scores are made again, from what is saved of their training
    interrupted = _interrupted(request) if resume else frozenset()
    fresh = [one for one in planned if resume and one.plan.digest not in interrupted]
    recorded = {one: found for one in fresh if (found := _recorded_scores(one, note)) is not None}
    coresets: list[Coreset] = []
    training_seconds = 0.0
    rest = [one for one in planned if one not in recorded]
    task.fabric.processes.any(False)  # nothing is written before all processes have seen what is there
    if task.fabric.processes.rank > 0:
        _take_part(rest, request, task, resume=resume)
        return
    with begun_as_planned(planned):
        if estimate is not None:
            for one in planned:
                estimate.save(one.folder.path)
        for one, found in recorded.items():
            with reported([one], on_failure):
                coresets.append(_cut_again(one, task, found))
        if rest:
            with _checkpoint(rest, request, resume=resume) as (checkpointing, watching):
                task.fabric.processes.any(False)  # the others may read what is taken up again
                made, training_seconds = _train_and_make(
                    rest,
                    replace(task, checkpointing=checkpointing),
                    began=began,
                    watching=watching,
                    on_failure=on_failure,
                )
            coresets += made
    if on_failure is None:
        task.reporter.note(closing(coresets, run=planned[0].folder.path, training_seconds=training_seconds))


def _take_part(planned: Sequence[Planned], request: Sequence[Planned], task: SelectionTask, *, resume: bool) -> None:
    """Trains and scores with the first of several processes, which alone writes what comes of it."""
    if not planned:
        return
    task.fabric.processes.any(False)  # the first has settled what is taken up again
    checkpointing, watching = None, []
    if resume:
        checkpointing = checkpoint_at(*_place(request), writes=False)
        watching = _watching(checkpointing, planned, request)
    for _ in select_from(
        replace(task, checkpointing=checkpointing), [one.wanted for one in planned], watching=watching
    ):
        pass


def coreset_of(made: Made, plan: Plan, task: SelectionTask, *, parent: Path | None = None) -> Coreset:
    """Cuts what a selection came to.

    Args:
        made: The scores, and what they were made of.
        plan: What was planned.
        task: What was selected from.
        parent: The run that the scores were taken from; None for scores made now.

    Raises:
        ConfigurationError: if the export does not fit the scores.
    """
    origin = plan.origin(wall_seconds=made.seconds, parent=parent)
    coreset = cut(made.scores, task.dataset, origin, task.reporter.note)
    return replace(coreset, policy=policy_of(made, task))


def _place(request: Sequence[Planned]) -> tuple[Path, str]:
    """Returns the folder and the digest of the checkpoint, the same however much of a request is made already."""
    return request[0].folder.path, settings_hash({"cells": [one.plan.settings for one in request]})


def forget_checkpoint(request: Sequence[Planned]) -> None:
    """Removes the checkpoint of a process that was killed right after it had made all that was asked for."""
    if all(one.folder.complete for one in request):
        checkpoint_at(*_place(request)).remove()


def _interrupted(request: Sequence[Planned]) -> frozenset[str]:
    """Returns the digests of what an interrupted attempt was to make together; none where there was none."""
    found = already_kept(checkpoint_at(*_place(request)).part(_TOGETHER))
    return frozenset(() if found is None else found["digests"])


@contextmanager
def _checkpoint(
    planned: Sequence[Planned], request: Sequence[Planned], *, resume: bool
) -> Iterator[tuple[Checkpointing, list[Selector]]]:
    """Gives the place of the checkpoints, and the methods that the training is for: those that it began with."""
    with training_checkpoint(*_place(request), resume=resume) as checkpointing:
        together = [one.plan.digest for one in planned]
        if len(request) > 1:
            if not set(together) <= _interrupted(request):  # none, or what was made then is damaged now
                checkpointing.remove()
            kept(checkpointing.part(_TOGETHER), lambda: {"digests": together})
        yield checkpointing, _watching(checkpointing, planned, request)


def _watching(checkpointing: Checkpointing, planned: Sequence[Planned], request: Sequence[Planned]) -> list[Selector]:
    """Returns the methods that a training is for: those that it began with."""
    found = already_kept(checkpointing.part(_TOGETHER))
    together = [one.plan.digest for one in planned] if found is None else found["digests"]
    selectors = {one.plan.digest: one.wanted.selector for one in request}
    return list(dict.fromkeys(selectors[one] for one in together))


def _train_and_make(
    planned: Sequence[Planned],
    task: SelectionTask,
    *,
    began: float,
    watching: Sequence[Selector],
    on_failure: OnFailure[Planned] | None,
) -> tuple[list[Coreset], float]:
    """Returns the coresets, and the most seconds that one of them had of the shared training."""
    own = {one.wanted: one for one in planned}
    metrics = {one.wanted: MetricsFile(one.folder.path / METRICS_FILE) for one in planned}
    coresets: list[Coreset] = []
    training_seconds = 0.0
    fail = None if on_failure is None else lambda wanted, error: on_failure([own[one] for one in wanted], error)
    for made in select_from(
        task,
        list(own),
        setup_seconds=time.monotonic() - began,
        on_epoch=lambda wanted, row: metrics[wanted].append(row),
        on_failure=fail,
        watching=watching,
    ):
        one = own[made.wanted]
        with reported([one], on_failure):
            coreset = coreset_of(made, one.plan, task)
            one.save(coreset)
            coresets.append(coreset)
            training_seconds = max(training_seconds, made.observed.seconds)
    return coresets, training_seconds


def _recorded_scores(planned: Planned, note: Callable[[str], object]) -> Coreset | None:
    """Finds the scores of a coreset in a finished run beside it that differs in the ratio and the export only.

    Args:
        planned: The coreset.
        note: Told of each such run that is passed over since it is damaged.

    Returns:
        The coreset with the scores; None where there is none, or where the scores depend on the ratio.
    """
    beside = planned.folder.path.parent
    if depends_on_ratio(planned.wanted.selector) or beside.name != planned.name or not beside.is_dir():
        return None  # a folder that the user named has no runs of ours beside it
    for run in scored_alike(beside, planned.plan.settings, note):
        if run.folder == planned.folder.path:
            continue  # finished, and to be made again all the same: it is damaged
        try:
            coreset = run.finished_coreset()
        except CoresetError as error:
            note(f"note: the scores of a run beside are not used: {error}")
            continue
        # the hardness is stored only where it was used
        if not planned.wanted.export.trim_hardest or coreset.provenance.export.trim_hardest:
            return coreset
    return None


def _cut_again(planned: Planned, task: SelectionTask, recorded: Coreset) -> Coreset:
    """Cuts recorded scores as planned; trains nothing."""
    recorded.check(size=len(task.dataset.source), fingerprint=task.dataset.fingerprint)
    candidates = task.dataset.train.in_source().numpy()
    recorded.check_candidates(candidates)
    scores = Scores(
        values=torch.from_numpy(recorded.scores[candidates]),
        kind=recorded.provenance.score.kind,
        policy=recorded.provenance.score.policy,
        hardness=None if recorded.hardness is None else torch.from_numpy(recorded.hardness[candidates]),
    )
    made = Made(wanted=planned.wanted, scores=scores, observed=Observed(), seconds=recorded.provenance.wall_seconds)
    coreset = coreset_of(made, planned.plan, task, parent=recorded.folder)
    planned.save(coreset)
    return coreset
