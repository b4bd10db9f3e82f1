from typing import Any

import numpy as np
import pytest
import torch

from rlsel.data.labels import check_labels
from rlsel.errors import DataError


@pytest.mark.parametrize(
    ("given", "labels", "names"),
    [
        (np.array([7, 0, 7, 3]), [2, 0, 2, 1], ("0", "3", "7")),
        (np.array([[7], [0], [7], [3]], np.uint8), [2, 0, 2, 1], ("0", "3", "7")),
        (np.array(["b", "a b", "b", "ü"]), [1, 0, 1, 2], ("a b", "b", "ü")),
        (np.array([b"no", b"yes", b"no", b"no"]), [0, 1, 0, 0], ("no", "yes")),
        (np.array([True, False, True, True]), [1, 0, 1, 1], ("False", "True")),
        (np.array([2**63 + 1, 5, 5, 5], np.uint64), [1, 0, 0, 0], ("5", "9223372036854775809")),
    ],
)
def test_classes_are_numbered_without_a_gap_and_keep_their_names(
    given: np.ndarray, labels: list[int], names: tuple[str, ...]
) -> None:
    numbered = check_labels(given, 4, "labels")
    assert numbered.labels.tolist() == labels
    assert numbered.labels.dtype == torch.int64
    assert numbered.names == names


ONE_HOT = np.eye(3)[[0, 1, 2, 0]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.array([0.0, 1.0, 2.0, 1.0]), r"got float64: these are whole numbers, use labels.astype\(np.int64\)"),
        (np.array([0.1, 1.0, 2.0, 1.0]), "got float64: these are no classes, cut their range into some"),
        (np.array([0.0, np.nan, 2.0, 1.0]), "these are no classes"),
        (ONE_HOT, r"got the shape \(4, 3\): these are one-hot rows, use labels.argmax\(axis=1\)"),
        (ONE_HOT.astype(bool), "one-hot rows"),
        (np.maximum(ONE_HOT, ONE_HOT[::-1]), "these are several labels a sample, choose one class for each"),
        (ONE_HOT * 0.5, "of probabilities or scores use labels.argmax"),
        (np.array([["a", "b"]] * 4), "give the column that holds the classes"),
        (np.array([0, 1, -1, 1]), "must be numbers from 0, got -1: leave samples without a class out"),
        (np.array(["a", "", "b", "b"]), "must not be empty, got an empty text for sample 1"),
        (np.array([0, 1, 2]), r"must be one for each of the 4 samples, got the shape \(3,\)"),
        (np.array(1), r"got the shape \(\)"),
        (np.zeros((1, 4), np.int64), r"got the shape \(1, 4\)"),
        (np.zeros(4, complex), "must be whole numbers or texts, got complex128"),
        (np.zeros(4, "datetime64[s]"), "must be whole numbers or texts, got datetime64"),
    ],
)
def test_what_is_no_class_gets_the_advice_that_fits(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        check_labels(given, 4, "labels in x.npz")
    assert "\n" not in str(error.value)
