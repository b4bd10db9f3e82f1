"""From the scores of the candidates to a coreset in memory."""

from __future__ import annotations

import platform
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rlsel.coreset import Coreset
from rlsel.data.dataset import Dataset
from rlsel.export import ResolvedExport, choose, lost_classes
from rlsel.provenance import DatasetRecord, Provenance, RatioRecord, ScoreRecord, SelectorRecord
from rlsel.selectors.base import Scores


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What is known of a coreset besides its scores.

    Attributes:
        selector: The method's name.
        settings: All that decides the result, as in `config.yaml`.
        digest: Hash of the settings.
        ratio: The keep ratio.
        seed: The run's seed.
        export: How the scores become a set.
        wall_seconds: How long it took, reading the data and the shared target training included.
        parent: The run folder that this one started from; None for one that started from nothing.
    """

    selector: str
    settings: Mapping[str, Any]
    digest: str
    ratio: float
    seed: int
    export: ResolvedExport
    wall_seconds: float
    parent: Path | None = None


def cut(scores: Scores, dataset: Dataset, origin: Origin, note: Callable[[str], object]) -> Coreset:
    """Cuts scores at a ratio.

    Args:
        scores: The scores of the candidates.
        dataset: What is selected from.
        origin: How it is cut, and where it comes from.
        note: Takes a line for the user where classes lose all or nearly all samples.

    Raises:
        ConfigurationError: if the export does not fit the scores.
    """
    values = scores.values.numpy()
    labels = dataset.train.labels.numpy()
    hardness = None if scores.hardness is None else scores.hardness.numpy()
    chosen = choose(
        values,
        kind=scores.kind,
        ratio=origin.ratio,
        settings=origin.export,
        labels=labels,
        hardness=hardness,
        seed=origin.seed,
        policy=scores.policy,
        groups=None if scores.groups is None else scores.groups.numpy(),
    )
    if scores.outcome is not None:
        note(f"note: at ratio {origin.ratio:g}, {scores.outcome}")
    _note_classes(chosen, dataset, origin, note)
    _note_near_duplicates(chosen, scores, note)
    candidates = dataset.train.in_source().numpy()
    return Coreset(
        indices=candidates[chosen],
        scores=_over_all(values, dataset),
        labels=_labels_of_all(dataset),
        hardness=None if hardness is None or not origin.export.trim_hardest else _over_all(hardness, dataset),
        near_duplicates=_groups_over_all(scores, dataset),
        held_out=dataset.held_out.numpy(),
        paths=dataset.source.paths,
        provenance=Provenance(
            dataset=DatasetRecord(
                name=dataset.name,
                size=len(dataset.source),
                candidates=len(dataset.train),
                num_classes=dataset.num_classes,
                class_names=dataset.class_names,
                label_values=dataset.label_values or tuple(map(str, range(dataset.num_classes))),
                fingerprint=dataset.fingerprint,
            ),
            selector=SelectorRecord(
                name=origin.selector,
                settings={
                    key: value
                    for key, value in origin.settings.items()
                    if key in ("selector", "policy", "reward", "cover", "features")
                },
            ),
            ratio=RatioRecord(
                requested=origin.ratio,
                achieved=len(chosen) / len(values),
                thresholded=float((scores.values > 0).double().mean()) if scores.policy else None,
            ),
            score=ScoreRecord(kind=scores.kind, policy=scores.policy),
            export=origin.export,
            seed=origin.seed,
            settings_hash=origin.digest,
            versions=_versions(),
            wall_seconds=origin.wall_seconds,
            peak_rss_bytes=peak_memory(),
            outcome=scores.outcome,
            parent=None if origin.parent is None else str(origin.parent),
        ),
    )


def _over_all(values: NDArray[np.float32], dataset: Dataset) -> NDArray[np.float32]:
    """Spreads (M,) values of the candidates over all N samples that the user gave; the others get NaN."""
    spread = np.full(len(dataset.source), np.nan, dtype=np.float32)
    spread[dataset.train.in_source().numpy()] = values
    return spread


def _groups_over_all(scores: Scores, dataset: Dataset) -> NDArray[np.int64] | None:
    """Returns the (N,) groups of near-duplicates by the positions of all samples; None where there are none."""
    if scores.groups is None or len(np.unique(scores.groups.numpy())) == len(scores.groups):
        return None
    candidates = dataset.train.in_source().numpy()
    groups = np.arange(len(dataset.source))
    groups[candidates] = candidates[scores.groups.numpy()]
    return groups


def _labels_of_all(dataset: Dataset) -> NDArray[np.int64]:
    """Returns the (N,) labels of all samples that the user gave, those of the candidates as a variation left them."""
    labels = dataset.source.labels.clone()
    labels[dataset.train.in_source()] = dataset.train.labels
    return labels.numpy()


def _note_classes(chosen: NDArray[np.int64], dataset: Dataset, origin: Origin, note: Callable[[str], object]) -> None:
    """Says which classes lose all or nearly all samples, and that a minimum could not be kept."""
    kept, sizes = (np.asarray(dataset.class_counts(some)) for some in (torch.from_numpy(chosen), None))
    wanted = origin.export.min_per_class
    needed = int(np.minimum(sizes, wanted).sum())
    if wanted > 1 and origin.export.mode != "threshold" and needed > len(chosen):
        note(
            f"note: export.min_per_class={wanted} needs {needed} samples, the ratio keeps {len(chosen)}: it is lowered"
        )
    text = lost_classes(kept, sizes, dataset.class_names, origin.ratio)
    if text is not None:
        note(f"note: at ratio {origin.ratio:g}, {text}")


_MANY_DUPLICATES, _SOME_DUPLICATES = 0.01, 10
"""The share of the candidates and the number from which on near-duplicates are worth a line."""


def _note_near_duplicates(chosen: NDArray[np.int64], scores: Scores, note: Callable[[str], object]) -> None:
    """Says how many near-duplicates there are, and how many are kept beside one of their like."""
    if scores.groups is None:
        return
    groups = scores.groups.numpy()
    further, kept = len(groups) - len(np.unique(groups)), len(chosen) - len(np.unique(groups[chosen]))
    if further >= max(_MANY_DUPLICATES * len(groups), _SOME_DUPLICATES):
        note(f"note: {further:,} samples are near-duplicates of others, {kept:,} are kept beside one of their like")


def peak_memory() -> int:
    """Returns the most memory, in bytes, that this process held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("rlsel", "torch", "torchvision", "numpy")}
    return {"python": platform.python_version(), **packages}
