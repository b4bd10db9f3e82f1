"""From scores to a coreset on disk."""

from __future__ import annotations

import platform
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rlsel import __version__
from rlsel.coreset import Coreset
from rlsel.data.dataset import Dataset
from rlsel.export import ResolvedExport, choose, lost_classes
from rlsel.provenance import DatasetRecord, Provenance, RatioRecord, ScoreRecord, SelectorRecord
from rlsel.selectors.base import Scores
from rlsel.training.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a command knows of a coreset besides its scores.

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


def save_coreset(folder: Path, scores: Scores, *, dataset: Dataset, origin: Origin, reporter: Reporter) -> Coreset:
    """Exports the scores of the candidates and writes the coreset into its run folder.

    Raises:
        ConfigurationError: if the export does not fit the scores.
        StorageError: if it cannot be written.
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
    )
    _note_lost_classes(chosen, dataset, origin.ratio, reporter)
    candidates = dataset.train.in_source().numpy()
    coreset = Coreset(
        indices=candidates[chosen],
        scores=_over_all(values, dataset),
        labels=_labels_of_all(dataset),
        hardness=None if hardness is None or not origin.export.trim_hardest else _over_all(hardness, dataset),
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
            parent=None if origin.parent is None else str(origin.parent),
        ),
    )
    coreset.save(folder)
    return coreset


def _over_all(values: NDArray[np.float32], dataset: Dataset) -> NDArray[np.float32]:
    """Spreads (M,) values of the candidates over all N samples that the user gave; the others get NaN."""
    spread = np.full(len(dataset.source), np.nan, dtype=np.float32)
    spread[dataset.train.in_source().numpy()] = values
    return spread


def _labels_of_all(dataset: Dataset) -> NDArray[np.int64]:
    """Returns the (N,) labels of all samples that the user gave, those of the candidates as a variation left them."""
    labels = dataset.source.labels.clone()
    labels[dataset.train.in_source()] = dataset.train.labels
    return labels.numpy()


def _note_lost_classes(chosen: NDArray[np.int64], dataset: Dataset, ratio: float, reporter: Reporter) -> None:
    kept, sizes = (np.asarray(dataset.class_counts(some)) for some in (torch.from_numpy(chosen), None))
    text = lost_classes(kept, sizes, dataset.class_names, ratio)
    if text is not None:
        reporter.note(f"note: at ratio {ratio:g}, {text}")


def peak_memory() -> int:
    """Returns the most memory, in bytes, that this process held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("torch", "torchvision", "numpy")}
    return {"rlsel": __version__, "python": platform.python_version(), **packages}
