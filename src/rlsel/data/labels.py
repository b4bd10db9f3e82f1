"""A user's own labels: numbers with gaps and texts keep what they were, anything that is no class is refused."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.errors import DataError


class NamedLabels(NamedTuple):
    """Labels from 0 to C - 1, (N,) int64, and the C names they had."""

    labels: Tensor
    names: tuple[str, ...]


def check_labels(given: NDArray[Any], count: int, where: str) -> NamedLabels:
    """Numbers the classes of a user's labels from 0 without a gap, in the order of their values.

    Args:
        given: What should be (N,) whole numbers of at least 0, texts or booleans; (N, 1) counts as (N,).
        count: N.
        where: What they are and where they come from, for messages.

    Raises:
        DataError: if they are anything else, with the way to make classes of them.
    """
    if given.ndim == 2 and len(given) == count and given.shape[1] > 1:
        raise DataError(f"{where} must be one class for each sample, got the shape {given.shape}: {_advice(given)}")
    if given.size != count or given.shape not in ((count,), (count, 1)):
        raise DataError(f"{where} must be one for each of the {count} samples, got the shape {given.shape}")
    return _number_classes(_as_classes(given.reshape(count), where))


def _advice(matrix: NDArray[Any]) -> str:
    """Says how an (N, M) matrix of labels becomes classes."""
    if matrix.dtype.kind not in "biuf":
        return "give the column that holds the classes"
    if np.isin(matrix, (0, 1)).all():
        if (matrix.sum(axis=1) == 1).all():
            return "these are one-hot rows, use labels.argmax(axis=1)"
        return "these are several labels a sample, choose one class for each"
    return "of probabilities or scores use labels.argmax(axis=1)"


def _as_classes(given: NDArray[Any], where: str) -> NDArray[Any]:
    if given.dtype.kind == "f":
        if np.isfinite(given).all() and (given == np.round(given)).all():
            advice = "these are whole numbers, use labels.astype(np.int64)"
        else:
            advice = "these are no classes, cut their range into some, as with np.digitize"
        raise DataError(f"{where} must be whole numbers or texts, got {given.dtype}: {advice}")
    if given.dtype.kind == "S":
        given = np.char.decode(given, "utf-8", "surrogateescape")
    if given.dtype.kind == "U":
        if (given == "").any():
            raise DataError(f"{where} must not be empty, got an empty text for sample {int(np.argmax(given == ''))}")
        return given
    if given.dtype.kind not in "biu":
        raise DataError(f"{where} must be whole numbers or texts, got {given.dtype}")
    if given.dtype.kind == "i" and given.min() < 0:
        raise DataError(
            f"{where} must be numbers from 0, got {given.min()}: leave samples without a class out, and number the "
            "others from 0"
        )
    return given


def _number_classes(given: NDArray[Any]) -> NamedLabels:
    originals, labels = np.unique(given, return_inverse=True)
    return NamedLabels(torch.from_numpy(labels.astype(np.int64)), tuple(str(label) for label in originals))
