from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from rlsel.data import feature_rows, feature_tables
from rlsel.data.dataset import MemoryImages
from rlsel.data.embeddings import Embeddings
from rlsel.data.feature_rows import MappedRows
from rlsel.data.pseudo_classes import Scale, pseudo_classes, usual_clusters
from rlsel.errors import ConfigurationError, DataError

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


def test_without_labels_clusters_stand_for_classes_and_a_note_says_so(tmp_path: Path) -> None:
    groups = np.repeat(np.arange(3), 20)
    rows = 8.0 * np.eye(7)[groups] + np.random.default_rng(1).normal(size=(60, 7))
    dataset = Embeddings(path=save(tmp_path / "x.npy", rows), clusters=3).load()
    assert np.array_equal(features(dataset.train.images), rows.astype(np.float32))
    assert not dataset.labelled
    assert dataset.class_names == ("cluster 0", "cluster 1", "cluster 2")
    assert dataset.label_values == ("", "", "")
    first = dataset.train.labels[::20]
    assert sorted(first.tolist()) == [0, 1, 2]
    assert torch.equal(dataset.train.labels, first.repeat_interleave(20))
    assert dataset.notes == ("no labels were given: 3 clusters of k-means stand for classes",)
    assert len(dataset.test) == len(dataset.test.images) == 0
    # what stands for labels is no part of what was given
    assert dataset.fingerprint == Embeddings(path=tmp_path / "x.npy", clusters=2).load().fingerprint


def test_clusters_of_one_row_join_others_and_their_usual_number_follows_the_rows() -> None:
    rows = np.zeros((40, 2), np.float32)
    rows[:, 0] = np.arange(40) % 2
    rows[0] = (0, 1000)
    images = MemoryImages(torch.from_numpy(rows)[:, :, None, None])
    labels, names = pseudo_classes(images, Scale(torch.zeros(2), torch.ones(2)), 3)
    assert torch.bincount(labels).min() >= 2
    assert len(names) == 2
    assert [usual_clusters(size) for size in (2, 100, 10_000, 10**6)] == [1, 5, 50, 256]


def shards(folder: Path, dtype: type) -> Path:
    folder.mkdir()
    for number, part in enumerate(np.split(FEATURES.astype(dtype), [11, 40])):
        np.save(folder / f"part-{number}.npy", part)
    return folder


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_shards_are_read_as_one_and_stay_in_their_files_where_they_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: type
) -> None:
    folder = shards(tmp_path / "shards", dtype)
    labels = save(tmp_path / "y.npy", LABELS)
    expected = FEATURES.astype(dtype).astype(np.float32)
    small = Embeddings(path=folder, labels=labels).load()
    assert np.array_equal(features(small.train.images), expected)
    monkeypatch.setattr(feature_rows, "IN_MEMORY_BYTES", 7 * 4 * 20)
    monkeypatch.setattr(feature_rows, "_BLOCK_BYTES", 7 * 4 * 8)
    for path in (folder, folder / "*.npy", tuple(sorted(folder.iterdir()))):
        large = Embeddings(path=path, labels=labels).load()
        assert isinstance(large.train.images, MappedRows)
        order = torch.tensor([49, 0, 11, 10, 39, 40, 11])
        [batch] = large.train.images.batches([order])
        assert batch.shape == (7, 7, 1, 1)
        assert batch.dtype == torch.float32
        assert np.array_equal(batch[:, :, 0, 0].numpy(), expected[order.numpy()])
        assert large.fingerprint == small.fingerprint
        assert large.pixel_range == small.pixel_range
        assert large.mean == pytest.approx(small.mean)
        part = large.train.subset(torch.arange(30, 50))
        assert np.array_equal(features(part.images), expected[30:])
        further = large.train.subset(torch.arange(5, 45)).images
        assert isinstance(further, MappedRows)
        assert np.array_equal(features(further.subset(torch.tensor([0, 39]))), expected[[5, 44]])


def test_shards_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    folder = shards(tmp_path / "shards", np.float32)
    np.save(folder / "part-3.npy", FEATURES[:, :3])
    with pytest.raises(DataError, match=r"part-3.npy must have the 7 columns of part-0.npy, got 3"):
        Embeddings(path=folder).load()
    (folder / "part-4.parquet").write_text("")
    with pytest.raises(DataError, match=r"must hold files of one kind, got .npy and .parquet"):
        Embeddings(path=folder).load()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"must hold .npy or .parquet files, got none"):
        Embeddings(path=tmp_path / "empty").load()
    with pytest.raises(DataError, match=r"must be an existing file, got .*none\*.npy"):
        Embeddings(path=tmp_path / "none*.npy").load()


def write_table(path: Path, rows: np.ndarray, **columns: list[object]) -> Path:
    values = pa.array(rows.reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(values, rows.shape[1])
    parquet.write_table(pa.table({"vector": vectors, **columns}), path)
    return path


@pytest.mark.parametrize("in_memory", [True, False])
def test_parquet_has_vectors_labels_and_ids_in_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if not in_memory:
        monkeypatch.setattr(feature_tables, "IN_MEMORY_BYTES", 100)
    half = FEATURES.astype(np.float16)
    folder = tmp_path / "tables"
    folder.mkdir()
    write_table(folder / "a.parquet", half[:20], label=[f"c{n % 5}" for n in range(20)])
    write_table(folder / "b.parquet", half[20:], label=[f"c{n % 5}" for n in range(20, 50)])
    dataset = Embeddings(path=folder).load()
    assert np.array_equal(features(dataset.train.images), half.astype(np.float32))
    assert dataset.labelled
    assert dataset.class_names == ("c0", "c1", "c2", "c3", "c4")
    assert dataset.train.labels.tolist() == LABELS.tolist()
    unpacked = list((tmp_path / "cache").rglob("*.npy"))
    assert len(unpacked) == (0 if in_memory else 2)
    before = [path.stat().st_mtime_ns for path in unpacked]
    assert Embeddings(path=folder).load().fingerprint == dataset.fingerprint
    assert [path.stat().st_mtime_ns for path in unpacked] == before
    with pytest.raises(DataError, match=r"must have the column klass, got vector, label"):
        Embeddings(path=folder, label_column="klass").load()
    with pytest.raises(DataError, match=r"must have the column uid, got vector, label"):
        Embeddings(path=folder, id_column="uid").load()
    with pytest.raises(DataError, match=r"be a column of vectors, got 'label': .* has vector"):
        Embeddings(path=folder, vectors="label").load()
    with pytest.raises(ConfigurationError, match=r"dataset.labels must be null with Parquet"):
        Embeddings(path=folder, labels=tmp_path / "y.npy").load()


@pytest.mark.parametrize("key", ["vectors", "label_column", "id_column"])
def test_columns_are_of_parquet_alone(tmp_path: Path, key: str) -> None:
    data = Embeddings(path=save(tmp_path / "x.npy", FEATURES), **{key: "one"})
    with pytest.raises(ConfigurationError, match=f"dataset.{key} must be null with .npy, which has no columns"):
        data.load()


def test_processes_that_unpack_one_table_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(feature_tables, "IN_MEMORY_BYTES", 100)
    monkeypatch.setattr(feature_tables, "_ROWS", 10)
    table = write_table(tmp_path / "x.parquet", FEATURES, label=LABELS.tolist())
    vectors, others = feature_tables._vectors, []

    def beside_another(*given: Any) -> np.ndarray:
        # another process unpacks the same table while this one is in its second block
        others.append(0)
        if len(others) == 2:
            with monkeypatch.context() as other:
                other.setattr(feature_tables, "_vectors", vectors)
                other.setattr("os.getpid", lambda: 1)
                others.append(feature_tables.unpack_features([table], None)[0].copy())
        return vectors(*given)

    monkeypatch.setattr(feature_tables, "_vectors", beside_another)
    (mine,) = feature_tables.unpack_features([table], None)
    assert np.array_equal(mine, FEATURES)
    assert any(np.array_equal(other, FEATURES) for other in others)
    assert [path.suffix for path in (tmp_path / "cache").rglob("*.*")] == [".npy"]


def test_lists_of_several_lengths_are_no_vectors(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"x": [[1.0, 2.0], [1.0]], "y": [[1.0], [2.0]]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"dataset.vectors must name the column of vectors: .* has x, y"):
        Embeddings(path=tmp_path / "x.parquet").load()
    with pytest.raises(DataError, match=r"column x of .* must hold vectors of one length"):
        Embeddings(path=tmp_path / "x.parquet", vectors="x").load()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (FEATURES[:, :, None], r"features in .* must be \(N, D\) and not empty, got the shape \(50, 7, 1\)"),
        (FEATURES[:0], "and not empty"),
        (LABELS[:, None], "must be uint8 or float, got int64"),
        (np.where(FEATURES[4, 2] == FEATURES, np.nan, FEATURES), "got nan or infinity in sample 4"),
        (np.array([None]), r"cannot be read \(Array can't be memory-mapped"),
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
