"""`rlsel finetune-ratio`: a saved policy, adapted to another ratio (RL-Selector, section "Transfer fine-tuning")."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from rlsel.budget import kept_count
from rlsel.commands.datasets import read_dataset
from rlsel.commands.requests import FinetuneRequest
from rlsel.coreset import Coreset
from rlsel.cutting import Origin, cut
from rlsel.data.dataset import Dataset
from rlsel.data.description import tell
from rlsel.errors import ConfigurationError, CoresetError
from rlsel.export import resolve
from rlsel.models.target import TargetModel
from rlsel.randomness import Streams
from rlsel.runs.folder import RunFolder, begun, cell_name, common_parent, require_finished, run_folder, to_make
from rlsel.runs.layout import selection_settings, settings_hash
from rlsel.runs.metrics import MetricsFile
from rlsel.runs.target import TargetInput, load_target, load_target_input, save_target
from rlsel.selectors.base import Recording
from rlsel.selectors.policy_learner import PolicyLearner
from rlsel.selectors.policy_state import StoredPolicy
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.evaluation import clean_pass
from rlsel.training.loop import Progress, Training
from rlsel.training.observation import Callbacks, Observer
from rlsel.training.reporting import Reporter

_CONTINUED_RATE = 0.01
"""The share of the peak learning rate that a continued target training goes on with: it had come to its end."""


@dataclass(frozen=True, kw_only=True)
class _Cell:
    selector: RLSelector
    settings: dict[str, Any]
    folder: RunFolder


def finetune_ratio(request: FinetuneRequest, reporter: Reporter) -> Path:
    """Makes the coresets of the new ratios that do not exist yet.

    Returns:
        The run folder; the folder that holds all of them where there are several.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
    """
    began = time.monotonic()
    if not isinstance(request.selector, RLSelector):
        raise ConfigurationError(
            f"run must be a select run of a policy, got one of selector={request.selector.name}: a score needs no "
            "fine-tuning, select it at the other ratio"
        )
    require_finished(request.run)
    stored = StoredPolicy.load(request.run)
    selector = request.selector.as_learned(stored)
    if request.features == "continued":
        _require_own_target(request.run)
    cells = [_cell(request, replace(selector, ratio=ratio)) for ratio in request.ratios]
    missing = to_make(cells, again=request.options.resume == "never")
    if missing:
        dataset = read_dataset(request.settings)
        source = Coreset.load(request.run)
        source.check(size=len(dataset.source), fingerprint=dataset.fingerprint)
        source.check_candidates(dataset.train.in_source().numpy())
        for ratio in request.ratios:
            kept_count(ratio, len(dataset.train))
        setup_seconds = time.monotonic() - began
        with (
            request.options.device.computing() as fabric,
            begun([cell.folder for cell in missing], "finetune-ratio", [cell.settings for cell in missing]),
        ):
            tell(dataset, reporter.note)
            for cell in missing:
                _finetune(request, cell, stored, dataset, fabric, reporter, began=time.monotonic() - setup_seconds)
    return common_parent(cells, request.options.run_dir)


def _require_own_target(run: Path) -> None:
    """Refuses a run that has no target model whose features its policy was learned on.

    Raises:
        CoresetError: in that case.
    """
    provenance = Coreset.load(run).provenance
    features = provenance.selector.settings.get("features")
    if features == "saved":
        raise CoresetError(
            f"run must hold a target model for features=continued, got {str(run)!r}, made with features=saved: give "
            f"the run that it began with, {provenance.parent}"
        )
    if features not in (None, "continued"):
        raise CoresetError(
            f"run must be learned on its target model's features for features=continued, got {str(run)!r}, learned on "
            "features that the user brought: use features=saved"
        )


def _cell(request: FinetuneRequest, selector: RLSelector) -> _Cell:
    source = request.settings
    settings = selection_settings(
        source, selector=selector, ratio=selector.ratio, export=request.export, features=None
    ) | {"epochs": request.epochs, "features": request.features, "run": str(request.run.absolute())}
    digest = settings_hash(settings)
    folder = run_folder(
        "finetune-ratio",
        source.dataset.name,
        selector.name,
        cell_name(selector.ratio, source.seed, digest),  # always with the hash: the run has no default
        run_dir=request.options.run_dir,
        several=request.options.several or len(request.ratios) > 1,
        digest=digest,
    )
    return _Cell(selector=selector, settings=settings, folder=folder)


def _finetune(
    request: FinetuneRequest,
    cell: _Cell,
    stored: StoredPolicy,
    dataset: Dataset,
    fabric: Fabric,
    reporter: Reporter,
    *,
    began: float,
) -> None:
    seed = request.settings.seed
    if request.features == "saved":
        learner = _learner(cell, dataset, seed, Recording(dataset.train.labels, dataset.num_classes))
        learner.adapt(stored, request.epochs)
    else:
        recording = Recording(dataset.train.labels, dataset.num_classes)
        learner = _learner(cell, dataset, seed, recording)
        learner.warm_start(stored)
        model = _continue(request, cell, dataset, [*recording.observers, learner], fabric, reporter)
        features = clean_pass(model, dataset, dataset.train, fabric=fabric).features
        learner.settle(features, stored.evidence.behaviour)
        save_target(cell.folder.path, model, TargetInput.of(dataset))
    logits = learner.judge(cell.selector.ratio)
    policy = learner.stored()
    policy.save(cell.folder.path)
    coreset = cut(
        cell.selector.scores(logits, policy.features, dataset),
        dataset,
        Origin(
            selector=cell.selector.name,
            settings=cell.settings,
            digest=cell.folder.digest,
            ratio=cell.selector.ratio,
            seed=seed,
            export=resolve(request.export, cell.selector.export),
            wall_seconds=time.monotonic() - began,
            parent=request.run.absolute(),
        ),
        reporter.note,
    )
    coreset.save(cell.folder.path)
    cell.folder.set_state("complete")


def _learner(cell: _Cell, dataset: Dataset, seed: int, recording: Recording) -> PolicyLearner:
    return cell.selector.learner(len(dataset.train), seed, recording)


def _continue(
    request: FinetuneRequest,
    cell: _Cell,
    dataset: Dataset,
    observers: Sequence[Observer],
    fabric: Fabric,
    reporter: Reporter,
) -> TargetModel:
    """Goes on training the run's target model at its final learning rate, watched by the learner."""
    source = request.settings
    model = load_target(request.run, source.model, load_target_input(request.run))
    metrics = MetricsFile(cell.folder.path / "metrics.jsonl")
    progress = Progress(
        reporter=reporter,
        title=f"target {source.model.name}, continued",
        on_epoch=lambda record: metrics.append(record.row),
    )
    return Training(
        model,
        dataset,
        split=dataset.train,
        settings=replace(
            source.training,
            epochs=request.epochs,
            steps=None,
            learning_rate=_CONTINUED_RATE * source.training.learning_rate,
            schedule="constant",
            warmup=0.0,
            weighting="none",
        ),
        fabric=fabric,
        streams=Streams(seed=source.seed, names=("target", "continued")),
        progress=progress,
        callbacks=Callbacks(observers=observers),
    ).run()
