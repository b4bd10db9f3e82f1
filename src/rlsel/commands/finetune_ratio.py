"""`rlsel finetune-ratio`: a saved policy, adapted to another ratio (RL-Selector, section "Transfer fine-tuning")."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rlsel.commands.missing import make_missing
from rlsel.commands.requests import FinetuneRequest
from rlsel.cutting import cut
from rlsel.data.dataset import Dataset
from rlsel.data.description import tell
from rlsel.errors import ConfigurationError
from rlsel.finetuning import Finetuning
from rlsel.paying import closing
from rlsel.runs.checkpoint import training_checkpoint
from rlsel.runs.folder import require_apart
from rlsel.runs.metrics import METRICS_FILE, MetricsFile
from rlsel.runs.plan import Planned, begun_as_planned, plan_one, planned_in
from rlsel.runs.reader import Run, read_run
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.fabric import Fabric
from rlsel.training.reporting import Reporter
from rlsel.training.resuming import working_time


def finetune_ratio(request: FinetuneRequest, reporter: Reporter) -> Path:
    """Makes the coresets of the new ratios that do not exist yet.

    Returns:
        The run folder; the folder that holds all of them where there are several.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
    """
    began = time.monotonic()
    selector = _selector(request)
    run = read_run(request.run)
    finetuning = Finetuning(run=run, settings=request.settings, epochs=request.epochs, features=request.features)
    finetuning.check()
    selector = selector.as_learned(run.finished_policy())
    resume = request.options.resume == "auto"

    def work(missing: Sequence[Planned], dataset: Dataset, fabric: Fabric) -> None:
        source = run.finished_coreset()
        source.check(size=len(dataset.source), fingerprint=dataset.fingerprint)
        source.check_candidates(dataset.train.in_source().numpy())
        setup_seconds = time.monotonic() - began
        coresets = []
        with begun_as_planned(missing):
            tell(dataset, reporter.note)
            for one in missing:
                with training_checkpoint(one.folder.path, one.folder.digest, resume=resume) as checkpointing:
                    start = working_time(checkpointing) - setup_seconds
                    scores, policy = finetuning.adapt(
                        replace(selector, ratio=one.wanted.ratio),
                        dataset,
                        fabric=fabric,
                        reporter=reporter,
                        on_epoch=MetricsFile(one.folder.path / METRICS_FILE).append,
                        checkpointing=checkpointing,
                    )
                    seconds = working_time(checkpointing) - start
                    origin = one.plan.origin(wall_seconds=seconds, parent=request.run.absolute())
                    coresets.append(cut(scores, dataset, origin, reporter.note))
                    one.save(replace(coresets[-1], policy=policy))
        reporter.note(closing(coresets, run=missing[0].folder.path, training_seconds=_target_training_seconds(run)))

    planned = [_planned(request, selector, ratio) for ratio in request.ratios]
    require_apart([one.folder for one in planned], "run", request.run)
    return make_missing(planned, work, settings=request.settings, options=request.options, reporter=reporter)


def _selector(request: FinetuneRequest) -> RLSelector:
    if not isinstance(request.selector, RLSelector):
        raise ConfigurationError(
            f"run must be a select run of a policy, got one of selector={request.selector.name}: a score needs no "
            "fine-tuning, select it at the other ratio"
        )
    return request.selector


def _target_training_seconds(run: Run) -> float:
    """Returns how long the target training of a select run took; 0 for a run that trained none from the start."""
    rows = run.metrics if run.command == "select" else ()
    return (rows[-1].get("seconds") or 0.0) if rows else 0.0


def _planned(request: FinetuneRequest, selector: RLSelector, ratio: float) -> Planned:
    plan = plan_one(
        request.settings,
        selector,
        ratio,
        export=request.export,
        command="finetune-ratio",
        further={"epochs": request.epochs, "features": request.features, "run": str(request.run.absolute())},
    )
    return planned_in(plan, request.settings.dataset.name, request.options, several=len(request.ratios) > 1)
