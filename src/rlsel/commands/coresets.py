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

from rlsel import __version__
from rlsel.coreset import Coreset
from rlsel.data.dataset import Dataset
from rlsel.export import ResolvedExport, choose
from rlsel.provenance import DatasetRecord, Provenance, RatioRecord, ScoreRecord, SelectorRecord
from rlsel.selectors.base import Scores


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


def save_coreset(folder: Path, scores: Scores, *, dataset: Dataset, origin: Origin) -> Coreset:
    """Exports scores and writes the coreset into its run folder.

    Raises:
        ConfigurationError: if the export does not fit the scores.
        StorageError: if it cannot be written.
    """
    values = scores.values.numpy()
    labels = dataset.train.labels.numpy()
    hardness = None if scores.hardness is None else scores.hardness.numpy()
    indices = choose(
        values,
        kind=scores.kind,
        ratio=origin.ratio,
        settings=origin.export,
        labels=labels,
        hardness=hardness,
        seed=origin.seed,
        policy=scores.policy,
    )
    coreset = Coreset(
        indices=indices,
        scores=values,
        labels=labels,
        hardness=hardness if origin.export.trim_hardest else None,
        provenance=Provenance(
            dataset=DatasetRecord(
                name=dataset.name,
                size=len(dataset.train),
                num_classes=dataset.num_classes,
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
                achieved=len(indices) / len(values),
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
    coreset.save(folder, paths=dataset.train.paths)
    return coreset


def peak_memory() -> int:
    """Returns the most memory, in bytes, that this process held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("torch", "torchvision", "numpy")}
    return {"rlsel": __version__, "python": platform.python_version(), **packages}
