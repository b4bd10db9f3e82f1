"""The `result.json` of a training that belongs to a comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn

from rlsel.errors import ConfigurationError
from rlsel.evaluation.robustness import FurtherAccuracy
from rlsel.evaluation.subset_training import SubsetResult
from rlsel.files import write_json
from rlsel.run_files import require_intact
from rlsel.runs.reader import unreadable
from rlsel.runs.training_run import RESULT_FILE
from rlsel.structure import as_node, build, required_settings, setting_names


@dataclass(frozen=True, kw_only=True)
class ComparedTraining:
    """What a comparison takes from the result of a training, in which everything is measured.

    Attributes:
        top1_last: Mean top-1 over the last looks.
        top1_best: Highest top-1 of all looks.
        top5_last: Mean top-5 over the last looks.
        worst_class_last: Mean over the last looks of the top-1 of the class with the lowest.
        num_train: Samples trained on.
        steps: Optimiser steps.
        seconds: Seconds of the training.
        mislabelled_kept: Share of the mislabelled samples that was trained on; None without label noise.
        corrupted_kept: Share of the corrupted samples that was trained on; None without corruption.
        peak_rss_bytes: The most memory that the process of the training had held by then.
        ood: Accuracy of the model at the end, by further data set.
    """

    top1_last: float
    top1_best: float
    top5_last: float
    worst_class_last: float
    num_train: int
    steps: int
    seconds: float
    mislabelled_kept: float | None
    corrupted_kept: float | None
    peak_rss_bytes: int
    ood: Mapping[str, FurtherAccuracy] = field(default_factory=dict)


def write_compared_training(
    folder: Path,
    result: SubsetResult,
    *,
    mislabelled_kept: float | None,
    corrupted_kept: float | None,
    peak_rss_bytes: int,
) -> None:
    """Writes the `result.json` of a training.

    Args:
        folder: The folder of the training.
        result: What the trained model is worth.
        mislabelled_kept: Share of the mislabelled samples that was trained on; None without label noise.
        corrupted_kept: Share of the corrupted samples that was trained on; None without corruption.
        peak_rss_bytes: The most memory that this process has held.

    Raises:
        StorageError: if it cannot be written.
    """
    further = {
        "mislabelled_kept": mislabelled_kept,
        "corrupted_kept": corrupted_kept,
        "peak_rss_bytes": peak_rss_bytes,
    }
    write_json(folder / RESULT_FILE, {**asdict(result), **further})


def read_compared_training(folder: Path) -> ComparedTraining:
    """Reads what `write_compared_training` wrote.

    Raises:
        CoresetError: if the file is missing or damaged.
    """
    path = folder / RESULT_FILE
    require_intact(folder, RESULT_FILE)
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        node = as_node(content, "the result")
        for name in sorted(required_settings(ComparedTraining) - set(node)):
            raise ValueError(f"{name} is missing")
        taken = setting_names(ComparedTraining)
        return build(ComparedTraining, {name: node[name] for name in node if name in taken}, "the result")
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    except (ValueError, ConfigurationError) as error:
        raise unreadable(path, str(error)) from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
