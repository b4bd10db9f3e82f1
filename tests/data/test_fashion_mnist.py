import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from rlsel.data import fashion_mnist
from rlsel.data.augmentation import Augmentation
from rlsel.data.dataset import MemoryImages
from rlsel.data.fashion_mnist import DEBIAN_FOLDER, FashionMNIST
from rlsel.errors import ConfigurationError, DataError


def write_idx(path: Path, array: np.ndarray, *, kind: int = 8) -> None:
    content = struct.pack(">HBB", 0, kind, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_all(folder: Path, *, suffix: str = ".gz", seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    arrays = {
        "train-images-idx3-ubyte": generator.integers(0, 256, (30, 28, 28), dtype=np.uint8),
        "train-labels-idx1-ubyte": (np.arange(30) % 10).astype(np.uint8),
        "t10k-images-idx3-ubyte": generator.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": np.arange(10).astype(np.uint8)[::-1].copy(),
    }
    for name, array in arrays.items():
        write_idx(folder / f"{name}{suffix}", array)
    return arrays


def first_train_image(root: Path | None) -> np.ndarray:
    images = FashionMNIST(root=root).load().train.images
    assert isinstance(images, MemoryImages)
    return images.pixels[0, 0].numpy()


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without the Debian package and without a network."""

    def refuse(root: Path, *, download: bool) -> None:
        raise RuntimeError(f"no network\nfor {root} {download}")

    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "no package")
    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", refuse)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("below", ["", "raw", "FashionMNIST/raw"])
def test_idx_files_are_read_where_they_are_usually_put(tmp_path: Path, suffix: str, below: str) -> None:
    arrays = write_all(tmp_path / "data" / below, suffix=suffix)
    dataset = FashionMNIST(root=tmp_path / "data").load()
    for split, prefix in ((dataset.train, "train"), (dataset.test, "t10k")):
        assert isinstance(split.images, MemoryImages)
        assert np.array_equal(split.images.pixels[:, 0].numpy(), arrays[f"{prefix}-images-idx3-ubyte"])
        assert split.images.pixels.dtype == torch.uint8
        assert split.labels.tolist() == arrays[f"{prefix}-labels-idx1-ubyte"].tolist()
    assert dataset.class_names[0] == "T-shirt/top"
    assert dataset.image_shape == (1, 28, 28)
    assert dataset.augmentation == Augmentation(crop_padding=2)


@pytest.mark.usefixtures("nowhere")
def test_the_package_is_taken_before_a_download_and_after_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write_all(tmp_path / "package", seed=1)["train-images-idx3-ubyte"]
    root = write_all(tmp_path / "root", seed=2)["train-images-idx3-ubyte"]
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "package")
    assert np.array_equal(first_train_image(None), package[0])
    assert np.array_equal(first_train_image(tmp_path / "empty"), package[0])
    assert np.array_equal(first_train_image(tmp_path / "root"), root[0])


def test_the_download_goes_to_the_cache_once_and_says_nothing_on_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    downloads = []

    def download_idx(root: Path, *, download: bool) -> None:
        assert download
        print("a library talks")  # noqa: T201
        downloads.append(root)
        write_all(root / "FashionMNIST" / "raw")

    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "no package")
    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", download_idx)
    assert FashionMNIST().load().fingerprint == FashionMNIST().load().fingerprint
    assert len(downloads) == 1
    assert [path.name for path in empty_cache.iterdir()] == ["fashion_mnist"]
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("nowhere")
def test_without_a_network_the_error_says_where_it_looked_and_what_to_do(tmp_path: Path, empty_cache: Path) -> None:
    with pytest.raises(DataError) as error:
        FashionMNIST(root=tmp_path).load()
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"fashion_mnist was not found in {tmp_path}, {tmp_path / 'no package'}, {empty_cache}")
    assert "its download failed (no network)" in message
    assert "dataset-fashion-mnist" in message
    assert "dataset.root=" in message
    assert list(empty_cache.iterdir()) == []


def test_a_missing_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"fashion_mnist: dataset.root must be an existing folder, got .*none' ?, which"
    ):
        FashionMNIST(root=tmp_path / "none").load()
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="which is not a folder"):
        FashionMNIST(root=tmp_path / "file").load()


@pytest.mark.parametrize("root", ["", 3])
def test_a_root_that_is_no_path_is_refused(root: object) -> None:
    with pytest.raises(ConfigurationError, match=r"dataset.root must be a path, got"):
        FashionMNIST(root=root)  # type: ignore[arg-type]


def damage_nothing_but_remove_labels(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()


def cut_the_archive(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-100])


def put_text_into_the_archive(folder: Path) -> None:
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"no archive")


def write_too_few_pixels(folder: Path) -> None:
    content = struct.pack(">HBB3I", 0, 8, 3, 30, 28, 28) + bytes(100)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))


def write_a_short_header(folder: Path) -> None:
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0\0"))


def write_floats(folder: Path) -> None:
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros(30, ">f4"), kind=13)


def write_fewer_labels(folder: Path) -> None:
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros(29, np.uint8))


def write_an_eleventh_class(folder: Path) -> None:
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.full(30, 10, np.uint8))


def leave_a_class_out(folder: Path) -> None:
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.arange(30, dtype=np.uint8) % 9)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage_nothing_but_remove_labels, "must hold t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz"),
        (cut_the_archive, "train-images-idx3-ubyte.gz is damaged"),
        (put_text_into_the_archive, "train-images-idx3-ubyte.gz is damaged"),
        (write_too_few_pixels, "train-images-idx3-ubyte.gz is not an idx file of 23520 bytes"),
        (write_a_short_header, "train-images-idx3-ubyte.gz is damaged"),
        (write_floats, "train-labels-idx1-ubyte.gz is not an idx file of 30 bytes"),
        (write_fewer_labels, r"as many train labels as images, got shapes \(29,\) and \(30, 28, 28\)"),
        (write_an_eleventh_class, "the train labels in .* must be 0 to 9, got 10"),
        (leave_a_class_out, "got 0 of class 'Ankle boot'"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, harm: object, message: str) -> None:
    write_all(tmp_path)
    assert callable(harm)
    harm(tmp_path)
    with pytest.raises(DataError, match=message) as error:
        FashionMNIST(root=tmp_path).load()
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="the Debian package dataset-fashion-mnist is not installed")
def test_the_real_one() -> None:
    dataset = FashionMNIST().load()
    assert (len(dataset.train), len(dataset.test)) == (60000, 10000)
    assert dataset.class_counts() == [6000] * 10
    assert dataset.train.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert isinstance(dataset.train.images, MemoryImages)
    scaled = dataset.train.images.pixels.float() / 255
    # The published statistics have four digits.
    assert abs(scaled.mean().item() - dataset.mean[0]) < 1e-4
    assert abs(scaled.std().item() - dataset.std[0]) < 1e-4
