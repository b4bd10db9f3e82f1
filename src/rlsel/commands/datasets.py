"""Reading the data sets that a request names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rlsel.commands.requests import RunSettings
from rlsel.data.dataset import Dataset
from rlsel.data.variation import apply_variation
from rlsel.errors import DataError
from rlsel.evaluation.robustness import FurtherDataset, read_further
from rlsel.evaluation.settings import EvaluationSettings


def read_dataset(settings: RunSettings) -> Dataset:
    """Reads the data set and applies the variation.

    Raises:
        DataError: if it is missing, damaged or unfit.
    """
    return apply_variation(settings.dataset.load(), settings.variation)


def read_further_datasets(
    evaluation: EvaluationSettings, settings: RunSettings, dataset: Dataset
) -> tuple[FurtherDataset, ...]:
    """Finds what a model is measured on besides the test split.

    Args:
        evaluation: What was asked for.
        settings: Hold the data set's own seed.
        dataset: As `read_dataset` gives it.

    Raises:
        DataError: if something is missing, damaged or unfit.
    """
    return read_further(evaluation, dataset, seed=settings.variation.variation_seed)


def read_features(path: Path | None, size: int) -> Tensor | None:
    """Reads the user's features.

    Args:
        path: An `.npy` of (N, D) numbers; None for none.
        size: N.

    Returns:
        (N, D) float32, or None.

    Raises:
        DataError: if the file is missing, damaged, of another size, or holds NaN.
    """
    if path is None:
        return None
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
            f"features must have one row for each of the {size} training samples, got {len(array)} rows in {path}: "
            "give the features of this very training split, in its order"
        )
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
        features = torch.from_numpy(array.astype(np.float32))
    if not torch.isfinite(features).all():
        row = int((~torch.isfinite(features).all(dim=1)).nonzero()[0])
        raise DataError(f"features must be finite numbers, got NaN or infinity in row {row} of {path}: mend the file")
    return features
