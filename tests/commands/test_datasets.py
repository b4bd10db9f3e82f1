"""Reading the data set and the features that a request names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rlsel.commands.datasets import read_dataset, read_features
from rlsel.commands.requests import RunSettings
from rlsel.data.arrays import Arrays
from rlsel.data.variation import Variation
from rlsel.errors import ConfigurationError, DataError


def test_the_variation_is_applied(settings: RunSettings) -> None:
    whole = read_dataset(settings)
    assert (len(whole.train), len(whole.test)) == (90, 30)
    part = read_dataset(replace(settings, variation=Variation(train_size=30, test_size=15)))
    assert part.class_counts() == [10, 10, 10]
    assert len(part.test) == 15
    assert part.fingerprint != whole.fingerprint


def test_a_missing_data_set_is_refused(settings: RunSettings, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npz"):
        read_dataset(replace(settings, dataset=Arrays(path=tmp_path / "none.npz")))
    with pytest.raises(ConfigurationError, match=r"dataset\.train_size must be"):
        read_dataset(replace(settings, variation=Variation(train_size=91)))


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.uint8, np.int64])
def test_features_are_read_as_float32(tmp_path: Path, kind: type[np.generic]) -> None:
    path = tmp_path / "features.npy"
    np.save(path, np.arange(6).reshape(3, 2).astype(kind))
    features = read_features(path, 3)
    assert features is not None
    assert features.dtype == torch.float32
    assert features.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert read_features(None, 3) is None


NAN, INFINITE = np.zeros((4, 2)), np.zeros((4, 2))
NAN[2, 1], INFINITE[3, 0] = np.nan, -np.inf


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (NAN, "must be finite numbers, got NaN or infinity in row 2 of"),
        (INFINITE, "must be finite numbers, got NaN or infinity in row 3 of"),
        (np.zeros((3, 2)), "must have one row for each of the 4 training samples, got 3 rows"),
        (np.zeros(4), r"must be an \.npy file of \(N, D\) numbers, got \(4,\)"),
        (np.zeros((4, 2, 2)), r"must be an \.npy file of \(N, D\) numbers, got \(4, 2, 2\)"),
        (np.zeros((4, 0)), r"must be an \.npy file of \(N, D\) numbers, got \(4, 0\)"),
        (np.array([["a"]] * 4), r"must be an \.npy file of \(N, D\) numbers"),
        (np.zeros((4, 2), dtype=bool), r"must be an \.npy file of \(N, D\) numbers"),
        (np.zeros((4, 2), dtype=complex), r"must be an \.npy file of \(N, D\) numbers"),
    ],
)
def test_unfit_features_are_refused(tmp_path: Path, content: np.ndarray, message: str) -> None:
    path = tmp_path / "features.npy"
    np.save(path, content)
    with pytest.raises(DataError, match=f"^features {message}"):
        read_features(path, 4)


@pytest.mark.parametrize("content", [None, b"", b"junk", b"\x93NUMPY\x01\x00"])
def test_a_file_that_holds_no_array_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "features.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^features must be an \.npy file of \(N, D\) numbers, got {path}"):
        read_features(path, 4)


def test_objects_and_archives_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([["a", None]] * 4, dtype=object), allow_pickle=True)
    np.savez(tmp_path / "archive.npz", np.zeros((4, 2)))
    for name in ("objects.npy", "archive.npz"):
        with pytest.raises(DataError, match="features must be"):
            read_features(tmp_path / name, 4)


def test_numbers_too_large_for_float32_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    np.save(path, np.full((4, 2), 1e300))
    with pytest.raises(DataError, match="must be finite"):
        read_features(path, 4)
