"""Reading the data sets that a request names."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rlsel.data.classes import require_two_samples
from rlsel.data.dataset import Dataset
from rlsel.data.variation import apply_variation
from rlsel.errors import DataError
from rlsel.evaluation.robustness import FurtherDataset, read_further
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.run_files import require_intact
from rlsel.runs.settings import RunSettings


def read_dataset(settings: RunSettings, *, needs_labels: bool = True, usual_holdout: float = 0.0) -> Dataset:
    """Reads the data set and applies the variation.

    Args:
        settings: Name the data set.
        needs_labels: Whether something is to be trained on the labels.
        usual_holdout: What the command holds out by itself; another share that has no effect is noted.

    Raises:
        DataError: if it is missing, damaged or unfit.
    """
    given, holdout = settings.dataset.load(), settings.variation.holdout
    dataset = apply_variation(given, settings.variation)
    if holdout not in (0, usual_holdout) and len(given.test):
        unused = f"dataset.holdout has no effect on {given.name}, which has a test split"
        dataset = replace(dataset, notes=(*dataset.notes, unused))
    if needs_labels:
        require_labels(dataset)
    return dataset


def require_labels(dataset: Dataset) -> None:
    """Refuses a data set that nothing can be trained on.

    Raises:
        DataError: if there are no labels, or a class has fewer than two samples.
    """
    # rows of features can be told apart without labels, by what they are
    if not dataset.labelled and dataset.image_shape[1:] != (1, 1):
        raise DataError(
            f"{dataset.name}: the samples must have labels to be trained on, got none: `rlsel apply` judges samples "
            "without labels"
        )
    require_two_samples(dataset.name, dataset.train.labels, dataset.class_names)


def read_further_datasets(
    evaluation: EvaluationSettings, settings: RunSettings, dataset: Dataset
) -> tuple[FurtherDataset, ...]:
    """Finds what a model is measured on besides the test split.

    Args:
        evaluation: What was asked for.
        settings: Hold the data set's own seed.
        dataset: What `read_dataset` gives.

    Raises:
        DataError: if something is missing, damaged or unfit.
    """
    return read_further(evaluation, dataset, seed=settings.variation.variation_seed)


def features_digest(path: Path | None) -> str | None:
    """Returns the SHA-256, in hexadecimal digits, of the user's features, which stands for them in what is recorded.

    Raises:
        CoresetError: if it is the file of a run, and damaged.
        DataError: if the file cannot be read.
    """
    if path is None:
        return None
    require_intact(path.parent, path.name)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"features must be an .npy file of (N, D) numbers, got {path}: {error.strerror}") from error


def read_features(path: Path | None, dataset: Dataset) -> Tensor | None:
    """Reads the user's features.

    Args:
        path: An `.npy` of (N, D) numbers, one row for each sample that the user gave, in the same order; None for none.
        dataset: What is selected from.

    Returns:
        (M, D) float32 of the candidates, or None.

    Raises:
        DataError: if the file is missing, damaged, of another size, or holds NaN.
    """
    if path is None:
        return None
    size = len(dataset.source)
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"features must be an .npy file of (N, D) numbers, got {path}: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu" or array.shape[1] == 0:
        given = getattr(array, "shape", type(array).__name__)
        raise DataError(
            f"features must be an .npy file of (N, D) numbers, got {given} in {path}: save one row a sample"
        )
    if len(array) != size:
        raise DataError(
            f"features must have one row for each of the {size} samples of {dataset.name}, got {len(array)} rows in "
            f"{path}: give those of all samples, in their order, held out ones included"
        )
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
        features = torch.from_numpy(array.astype(np.float32))
    if not torch.isfinite(features).all():
        row = int((~torch.isfinite(features).all(dim=1)).nonzero()[0])
        raise DataError(f"features must be finite numbers, got NaN or infinity in row {row} of {path}: mend the file")
    return features[dataset.train.in_source()]
