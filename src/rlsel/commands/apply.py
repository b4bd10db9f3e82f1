"""`rlsel apply`: a saved policy judges samples that it has never seen, as no score of a training could."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from rlsel.budget import kept_count
from rlsel.commands.datasets import read_dataset
from rlsel.commands.requests import ApplyRequest
from rlsel.coreset import Coreset
from rlsel.cutting import Origin, cut
from rlsel.data.dataset import Dataset
from rlsel.data.description import tell
from rlsel.errors import ConfigurationError, CoresetError, DataError
from rlsel.export import ResolvedExport, resolve
from rlsel.models.target import TargetModel
from rlsel.policy.optimum import optimal_logits, spread_like
from rlsel.provenance import Provenance
from rlsel.runs.folder import RunFolder, begun, cell_name, common_parent, require_finished, run_folder, to_make
from rlsel.runs.layout import selection_settings, settings_hash
from rlsel.runs.target import load_target, load_target_input
from rlsel.selectors.base import Scores
from rlsel.selectors.policy_state import StoredPolicy
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.evaluation import clean_pass
from rlsel.training.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class _Source:
    """The run, as far as it serves unseen samples."""

    selector: RLSelector
    policy: StoredPolicy
    recorded: Provenance

    def judge(self, features: Tensor, ratio: float) -> Tensor:
        """Returns the (N,) keep logits of samples with these (N, D) features; see `PolicyNetworks.judge`."""
        return self.policy.networks.judge(features, self.selector.policy, ratio=ratio)

    def logits(self, features: Tensor, ratio: float, num_classes: int) -> Tensor:
        """Returns the (N,) keep logits for a coreset of a ratio, as a selection has them."""
        learned = self.judge(features, ratio)
        reward, temperature = self.selector.reward, self.selector.policy.temperature
        if not reward.priced:
            return learned  # as in a selection, the threshold stays where the policy ended
        optimum = learned
        if temperature > 0:
            optimum = optimal_logits(
                reward,
                self.policy.evidence,
                temperature=temperature,
                ratio=ratio,
                num_classes=num_classes,
                size=len(features),
            )
        return spread_like(learned, optimum, ratio)


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
    source = _source(request)
    cells = [_cell(request, source, ratio) for ratio in request.ratios]
    missing = to_make(cells, again=request.options.resume == "never")
    if missing:
        takes = load_target_input(request.run)
        model = load_target(request.run, request.settings.model, takes)
        dataset = read_dataset(request.settings, needs_labels=False)
        takes.check(dataset)
        for ratio in request.ratios:
            kept_count(ratio, len(dataset.train))
        with (
            request.options.device.computing() as fabric,
            begun([cell.folder for cell in missing], "apply", [cell.settings for cell in missing]),
        ):
            # the model knows images as they were normalised when it was trained
            features = _features(model, replace(dataset, mean=takes.mean, std=takes.std), fabric)
            tell(dataset, reporter.note)
            if source.selector.reward.priced:
                reporter.note(_unmoved(source, features, dataset))
            shared_seconds = time.monotonic() - began
            for cell in missing:
                _select(request, cell, source, dataset, features, reporter, began=time.monotonic() - shared_seconds)
    return common_parent(cells, request.options.run_dir)


def _source(request: ApplyRequest) -> _Source:
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
    return _Source(selector=selector, policy=StoredPolicy.load(request.run), recorded=recorded)


def _cell(request: ApplyRequest, source: _Source, ratio: float) -> _Cell:
    settings = selection_settings(
        request.settings, selector=source.selector, ratio=ratio, export=request.export, features=None
    ) | {"run": str(request.run.absolute()), "run_settings_hash": source.recorded.settings_hash}
    digest = settings_hash(settings)
    folder = run_folder(
        "apply",
        request.settings.dataset.name,
        source.selector.name,
        cell_name(ratio, request.settings.seed, digest),  # always with the hash: the run has no default
        run_dir=request.options.run_dir,
        several=request.options.several or len(request.ratios) > 1,
        digest=digest,
    )
    return _Cell(
        ratio=ratio,
        export=resolve(request.export, source.selector.export),
        settings=settings,
        folder=folder,
    )


def _features(model: TargetModel, dataset: Dataset, fabric: Fabric) -> Tensor:
    """Returns the (N, D) clean features of the training split."""
    model.to(fabric.device)
    features = clean_pass(model, dataset, dataset.train, fabric=fabric).features
    if not torch.isfinite(features).all():
        raise DataError(
            f"features must be finite numbers, got NaN or infinity for {dataset.name}: its pixels must be of the "
            "range of those that the run was trained on"
        )
    return features


def _unmoved(source: _Source, features: Tensor, dataset: Dataset) -> str:
    """Tells how far the policy is from its own ratio on this data, with the threshold that its own samples need."""
    recorded = source.recorded
    requested = recorded.ratio.requested
    own = source.judge(source.policy.features, requested)
    threshold = own.topk(kept_count(requested, len(own))).values[-1]
    share = float((source.judge(features, requested) >= threshold).float().mean())
    return (
        f"note: learned to keep {requested:g} of {recorded.dataset.name}, the policy would keep "
        f"{share:.3f} of these {len(features)} samples of {dataset.name} if its threshold stayed"
    )


def _select(
    request: ApplyRequest,
    cell: _Cell,
    source: _Source,
    dataset: Dataset,
    features: Tensor,
    reporter: Reporter,
    *,
    began: float,
) -> None:
    coreset = cut(
        Scores(values=source.logits(features, cell.ratio, dataset.num_classes), kind="logit", policy=True),
        dataset,
        Origin(
            selector=source.selector.name,
            settings=cell.settings,
            digest=cell.folder.digest,
            ratio=cell.ratio,
            seed=request.settings.seed,
            export=cell.export,
            wall_seconds=time.monotonic() - began,
            parent=request.run.absolute(),
        ),
        reporter.note,
    )
    coreset.save(cell.folder.path)
    cell.folder.set_state("complete")
