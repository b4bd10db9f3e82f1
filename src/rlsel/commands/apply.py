"""`rlsel apply`: a saved policy judges samples that it has never seen, as no score of a training could."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from rlsel.applying import LearnedPolicy
from rlsel.budget import kept_count
from rlsel.commands.datasets import read_dataset
from rlsel.commands.requests import ApplyRequest
from rlsel.coreset import Coreset
from rlsel.cutting import Origin, cut
from rlsel.data.dataset import Dataset
from rlsel.data.description import tell
from rlsel.errors import ConfigurationError, CoresetError
from rlsel.export import ResolvedExport, resolve
from rlsel.provenance import Provenance
from rlsel.runs.folder import RunFolder, begun, cell_name, common_parent, require_finished, run_folder, to_make
from rlsel.runs.layout import selection_settings, settings_hash
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class _Cell:
    ratio: float
    export: ResolvedExport
    settings: dict[str, Any]
    folder: RunFolder


def apply(request: ApplyRequest, reporter: Reporter) -> Path:
    """Makes the coresets that do not exist yet.

    Returns:
        The run folder; the folder that holds all of them where there are several.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
    """
    began = time.monotonic()
    selector, recorded = _source(request)
    cells = [_cell(request, selector, recorded, ratio) for ratio in request.ratios]
    missing = to_make(cells, again=request.options.resume == "never")
    if missing:
        policy = LearnedPolicy.load(request.run, selector, request.settings.model)
        dataset = read_dataset(request.settings, needs_labels=False)
        for ratio in request.ratios:
            kept_count(ratio, len(dataset.train))
        with (
            request.options.device.computing() as fabric,
            begun([cell.folder for cell in missing], "apply", [cell.settings for cell in missing]),
        ):
            features = policy.features_of(dataset, fabric)
            tell(dataset, reporter.note)
            if selector.reward.priced:
                reporter.note(_unmoved(policy, recorded, features, dataset))
            shared_seconds = time.monotonic() - began
            for cell in missing:
                start = time.monotonic()
                scores = policy.scores(features, dataset, cell.ratio)
                origin = Origin(
                    selector=selector.name,
                    settings=cell.settings,
                    digest=cell.folder.digest,
                    ratio=cell.ratio,
                    seed=request.settings.seed,
                    export=cell.export,
                    wall_seconds=shared_seconds + time.monotonic() - start,
                    parent=request.run.absolute(),
                )
                cut(scores, dataset, origin, reporter.note).save(cell.folder.path)
                cell.folder.set_state("complete")
    return common_parent(cells, request.options.run_dir)


def _source(request: ApplyRequest) -> tuple[RLSelector, Provenance]:
    """Checks that the run holds a policy that can judge other samples, and returns its method and record."""
    selector = request.selector
    if not isinstance(selector, RLSelector):
        raise ConfigurationError(
            f"run must be a select run of a policy, got one of selector={selector.name}: a score says nothing of "
            "samples that it was not made for, score the new data anew"
        )
    require_finished(request.run)
    recorded = Coreset.load(request.run).provenance
    if recorded.parent is not None:
        raise CoresetError(
            f"run must be a select run, got {str(request.run)!r}: give the one that it began with, {recorded.parent}"
        )
    if recorded.selector.settings.get("features") is not None:
        raise CoresetError(
            "run must be a select run on the target model's features, got one with features=: its policy cannot "
            "compute those of other samples, select without features="
        )
    return selector, recorded


def _cell(request: ApplyRequest, selector: RLSelector, recorded: Provenance, ratio: float) -> _Cell:
    settings = selection_settings(
        request.settings, selector=selector, ratio=ratio, export=request.export, features=None
    ) | {"run": str(request.run.absolute()), "run_settings_hash": recorded.settings_hash}
    digest = settings_hash(settings)
    folder = run_folder(
        "apply",
        request.settings.dataset.name,
        selector.name,
        cell_name(ratio, request.settings.seed, digest),  # always with the hash: the run has no default
        run_dir=request.options.run_dir,
        several=request.options.several or len(request.ratios) > 1,
        digest=digest,
    )
    return _Cell(
        ratio=ratio,
        export=resolve(request.export, selector.export),
        settings=settings,
        folder=folder,
    )


def _unmoved(policy: LearnedPolicy, recorded: Provenance, features: Tensor, dataset: Dataset) -> str:
    """Tells how far the policy is from its own ratio on this data, with the threshold that its own samples need."""
    requested = recorded.ratio.requested
    return (
        f"note: learned to keep {requested:g} of {recorded.dataset.name}, the policy would keep "
        f"{policy.share_unmoved(features, requested):.3f} of these {len(features)} samples of {dataset.name} if its "
        "threshold stayed"
    )
