"""Reading the data set and the features that a request names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rlsel.data.arrays import Arrays
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.data.description import describe
from rlsel.data.embeddings import Embeddings
from rlsel.data.variation import Variation, apply_variation
from rlsel.errors import ConfigurationError, DataError
from rlsel.runs.datasets import read_dataset, read_features
from rlsel.runs.settings import RunSettings


def test_the_variation_is_applied(settings: RunSettings) -> None:
    whole = read_dataset(settings)
    assert (len(whole.train), len(whole.test)) == (90, 30)
    part = read_dataset(replace(settings, variation=Variation(train_size=30, test_size=15)))
    assert part.class_counts() == [10, 10, 10]
    assert len(part.test) == 15
    assert [describe(dataset) for dataset in (whole, part)] == [
        "arrays: 90 images, 3 classes, 30 more to measure on, 8 px",
        "arrays: 90 images, 30 of them candidates, 3 classes, 15 more to measure on, 8 px",
    ]


@pytest.mark.parametrize(("holdout", "notes"), [(0.0, 0), (0.1, 1), (0.2, 0)])
def test_a_holdout_without_effect_is_noted(settings: RunSettings, holdout: float, notes: int) -> None:
    dataset = read_dataset(replace(settings, variation=Variation(holdout=holdout)), usual_holdout=0.2)
    assert len(dataset.held_out) == 0
    assert dataset.notes == ("dataset.holdout has no effect on arrays, which has a test split",) * notes


def test_a_missing_data_set_is_refused(settings: RunSettings, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npz"):
        read_dataset(replace(settings, dataset=Arrays(path=tmp_path / "none.npz")))
    with pytest.raises(ConfigurationError, match=r"dataset\.train_size must be"):
        read_dataset(replace(settings, variation=Variation(train_size=91)))


@pytest.mark.parametrize(
    ("shape", "labels", "holdout", "line"),
    [
        (
            (3000, 64, 64, 3),
            np.arange(3000) % 6,
            0.2,
            "3,000 images, 6 classes, 600 held out to measure on, 64 px",
        ),
        ((12, 8, 5), np.arange(12) % 2, 0.0, "12 images, 2 classes, 8 x 5 px"),
    ],
)
def test_a_run_begins_with_what_was_read(
    tmp_path: Path,
    settings: RunSettings,
    shape: tuple[int, ...],
    labels: np.ndarray,
    holdout: float,
    line: str,
) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 255, shape, np.uint8), labels=labels)
    dataset = read_dataset(replace(settings, dataset=Arrays(path=path), variation=Variation(holdout=holdout)))
    assert describe(dataset) == f"arrays: {line}"


def test_labels_are_needed_to_train_on_images_and_not_to_judge_them(tmp_path: Path, settings: RunSettings) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 8, 8), np.uint8)
    np.savez(tmp_path / "bare.npz", images=pixels)
    bare = replace(settings, dataset=Arrays(path=tmp_path / "bare.npz"))
    with pytest.raises(DataError, match="the samples must have labels to be trained on, got none: `rlsel apply`"):
        read_dataset(bare)
    assert len(read_dataset(bare, needs_labels=False).train) == 20
    np.save(tmp_path / "rows.npy", pixels.reshape(20, 64).astype(np.float32))
    features = read_dataset(replace(settings, dataset=Embeddings(path=tmp_path / "rows.npy")))
    assert features.class_names == ("cluster 0", "cluster 1")
    assert describe(features) == "embeddings: 20 rows of features, 64 dimensions"


def test_a_class_of_one_sample_can_be_judged_and_not_learned(tmp_path: Path, settings: RunSettings) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 8, 8), np.uint8)
    np.savez(tmp_path / "rare.npz", images=pixels, labels=[0, 0, 1, 0, 0])
    rare = replace(settings, dataset=Arrays(path=tmp_path / "rare.npz"))
    with pytest.raises(DataError, match="each class must have at least two training samples, got 1 of class '1'"):
        read_dataset(rare)
    assert read_dataset(rare, needs_labels=False).class_counts() == [4, 1]


def rows(size: int) -> Dataset:
    """A data set of so many samples in one class."""
    split = Split(images=MemoryImages(torch.zeros(size, 1, 2, 2)), labels=torch.zeros(size, dtype=torch.int64))
    return Dataset(
        name="planted", train=split, test=split.subset(torch.arange(0)), class_names=("all",), mean=(0.0,), std=(1.0,)
    )


def test_features_are_those_of_the_candidates(tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    np.save(path, np.arange(20).reshape(10, 2))
    features = read_features(path, apply_variation(rows(10), Variation(holdout=0.4)))
    whole = apply_variation(rows(10), Variation(holdout=0.4))
    assert features is not None
    assert len(features) == 6
    assert (features[:, 0] / 2).tolist() == whole.train.in_source().tolist()


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.uint8, np.int64])
def test_features_are_read_as_float32(tmp_path: Path, kind: type[np.generic]) -> None:
    path = tmp_path / "features.npy"
    np.save(path, np.arange(6).reshape(3, 2).astype(kind))
    features = read_features(path, rows(3))
    assert features is not None
    assert features.dtype == torch.float32
    assert features.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert read_features(None, rows(3)) is None


NAN, INFINITE = np.zeros((4, 2)), np.zeros((4, 2))
NAN[2, 1], INFINITE[3, 0] = np.nan, -np.inf


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (NAN, "must be finite numbers, got NaN or infinity in row 2 of"),
        (INFINITE, "must be finite numbers, got NaN or infinity in row 3 of"),
        (np.zeros((3, 2)), "must have one row for each of the 4 samples of planted, got 3 rows"),
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
        read_features(path, rows(4))


@pytest.mark.parametrize("content", [None, b"", b"junk", b"\x93NUMPY\x01\x00"])
def test_a_file_that_holds_no_array_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "features.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^features must be an \.npy file of \(N, D\) numbers, got {path}"):
        read_features(path, rows(4))


def test_objects_and_archives_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([["a", None]] * 4, dtype=object), allow_pickle=True)
    np.savez(tmp_path / "archive.npz", np.zeros((4, 2)))
    for name in ("objects.npy", "archive.npz"):
        with pytest.raises(DataError, match="features must be"):
            read_features(tmp_path / name, rows(4))


def test_numbers_too_large_for_float32_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    np.save(path, np.full((4, 2), 1e300))
    with pytest.raises(DataError, match="must be finite"):
        read_features(path, rows(4))
