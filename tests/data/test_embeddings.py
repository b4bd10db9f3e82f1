from pathlib import Path

import numpy as np
import pytest
import torch

from rlsel.data.dataset import MemoryImages
from rlsel.data.embeddings import Embeddings
from rlsel.errors import DataError

FEATURES = np.random.default_rng(0).normal(size=(50, 7))
LABELS = np.arange(50) % 5


def save(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def features(store: object) -> np.ndarray:
    assert isinstance(store, MemoryImages)
    assert store.pixels.dtype == torch.float32
    assert store.pixels.shape[2:] == (1, 1)
    return store.pixels[:, :, 0, 0].numpy()


def test_labelled_rows_are_candidates_in_their_order(tmp_path: Path) -> None:
    dataset = Embeddings(path=save(tmp_path / "x.npy", FEATURES), labels=save(tmp_path / "y.npy", LABELS * 3)).load()
    assert dataset.image_shape == (7, 1, 1)
    assert np.array_equal(features(dataset.train.images), FEATURES.astype(np.float32))
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.class_names == dataset.label_values == ("0", "3", "6", "9", "12")
    assert len(dataset.test) == 0
    assert len(dataset.mean) == len(dataset.std) == 7
    assert dataset.pixel_range == pytest.approx((FEATURES.min(), FEATURES.max()))


def test_without_labels_all_is_one_class_and_nothing_is_set_aside(tmp_path: Path) -> None:
    dataset = Embeddings(path=save(tmp_path / "x.npy", FEATURES)).load()
    assert np.array_equal(features(dataset.train.images), FEATURES.astype(np.float32))
    assert not dataset.labelled
    assert (dataset.class_names, dataset.label_values) == (("all",), ("",))
    assert dataset.class_counts() == [50]
    assert len(dataset.test) == len(dataset.test.images) == 0


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (FEATURES[:, :, None], r"features in .* must be \(N, D\) and not empty, got the shape \(50, 7, 1\)"),
        (FEATURES[:0], "and not empty"),
        (LABELS[:, None], "must be uint8 or float, got int64"),
        (np.where(FEATURES[4, 2] == FEATURES, np.nan, FEATURES), "got nan or infinity in sample 4"),
        (np.array([None]), r"cannot be read \(Object arrays"),
    ],
)
def test_unfit_features_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        Embeddings(path=save(tmp_path / "x.npy", array)).load()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (LABELS[:49], "labels in .* must be one for each of the 50 samples"),
        (LABELS - 1, "labels in .* must be numbers from 0, got -1"),
    ],
)
def test_unfit_labels_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Embeddings(path=save(tmp_path / "x.npy", FEATURES), labels=save(tmp_path / "y.npy", array)).load()


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    good = save(tmp_path / "x.npy", FEATURES)
    (tmp_path / "junk.npy").write_bytes(b"junk\n")
    np.savez(tmp_path / "x.npz", FEATURES)
    with pytest.raises(DataError, match=r"embeddings: dataset.path must name a file"):
        Embeddings().load()
    with pytest.raises(DataError, match=r"embeddings: dataset.labels must be an existing file"):
        Embeddings(path=good, labels=tmp_path / "none.npy").load()
    with pytest.raises(DataError, match=r"junk.npy cannot be read \("):
        Embeddings(path=tmp_path / "junk.npy").load()
    with pytest.raises(DataError, match=r"x.npz must be an .npy file with one array, got an archive"):
        Embeddings(path=tmp_path / "x.npz").load()
