import copyreg
import hashlib
import io
import pickle  # noqa: TID251 - the public files are pickled, and these tests write such files
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from rlsel.data.augmentation import Augmentation
from rlsel.data.cifar10 import CIFAR10
from rlsel.data.cifar100 import CIFAR100
from rlsel.data.dataset import Dataset, MemoryImages
from rlsel.errors import DataError

Source = CIFAR10 | CIFAR100
NAMES_10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
NAMES_100 = [f"fine_{number:02d}" for number in range(100)]


def pixels_and_labels(count: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)
    return pixels, (np.arange(count) * 7 + seed) % classes


def write_pickle(path: Path, content: dict[str, Any]) -> None:
    """Writes a file as Python 2 wrote the public ones: protocol 2, and the byte type with `align=0`."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=2)
    pickler.dispatch_table = copyreg.dispatch_table.copy()
    pickler.dispatch_table[type(np.dtype(np.uint8))] = lambda _: (
        np.dtype,
        ("u1", 0, 1),
        (3, "|", None, None, None, -1, -1, 0),
    )
    pickler.dump(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())


def write_python_10(root: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    parts = {f"data_batch_{number}": pixels_and_labels(20, 10, number) for number in range(1, 6)}
    parts["test_batch"] = pixels_and_labels(10, 10, 9)
    for name, (pixels, labels) in parts.items():
        content = {"data": pixels, "labels": labels.tolist(), "batch_label": name, "filenames": ["a.png"] * len(labels)}
        write_pickle(root / "cifar-10-batches-py" / name, content)
    meta = {"label_names": NAMES_10, "num_cases_per_batch": 20, "num_vis": 3072}
    write_pickle(root / "cifar-10-batches-py" / "batches.meta", meta)
    return parts


def write_python_100(root: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    parts = {"train": pixels_and_labels(200, 100, 1), "test": pixels_and_labels(100, 100, 2)}
    for name, (pixels, labels) in parts.items():
        content = {"data": pixels, "fine_labels": labels.tolist(), "coarse_labels": (labels // 5).tolist()}
        write_pickle(root / "cifar-100-python" / name, content)
    write_pickle(root / "cifar-100-python" / "meta", {"fine_label_names": NAMES_100, "coarse_label_names": ["c"] * 20})
    return parts


def write_binary_10(root: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    parts = {f"data_batch_{number}": pixels_and_labels(20, 10, number) for number in range(1, 6)}
    parts["test_batch"] = pixels_and_labels(10, 10, 9)
    for name, (pixels, labels) in parts.items():
        records = np.concatenate([labels[:, None].astype(np.uint8), pixels], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(NAMES_10) + "\n\n")
    return parts


def write_binary_100(root: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    folder = root / "cifar-100-binary"
    folder.mkdir(parents=True)
    parts = {"train": pixels_and_labels(200, 100, 1), "test": pixels_and_labels(100, 100, 2)}
    for name, (pixels, labels) in parts.items():
        both = np.stack([labels // 5, labels], axis=1).astype(np.uint8)
        (folder / f"{name}.bin").write_bytes(np.concatenate([both, pixels], axis=1).tobytes())
    (folder / "fine_label_names.txt").write_text("\n".join(NAMES_100) + "\n")
    return parts


def trust(monkeypatch: pytest.MonkeyPatch, reader: Any, folder: Path) -> None:
    """Makes torchvision take the files of a folder for the public ones."""

    def checksum(name: str) -> str:
        return hashlib.md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest()

    for part in ("train_list", "test_list"):
        monkeypatch.setattr(reader, part, [[name, checksum(name)] for name, _ in getattr(reader, part)])
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": checksum(reader.meta["filename"])})


def check(dataset: Dataset, parts: dict[str, tuple[np.ndarray, np.ndarray]], names: list[str]) -> None:
    """Compares with what was written: the last part is the test split, the channels come in turn, row by row."""
    written = list(parts.values())
    for split, whole in ((dataset.train, written[:-1]), (dataset.test, written[-1:])):
        assert isinstance(split.images, MemoryImages)
        pixels = np.concatenate([part[0] for part in whole])
        assert np.array_equal(split.images.pixels.numpy().reshape(len(split), -1), pixels)
        assert split.labels.tolist() == np.concatenate([part[1] for part in whole]).tolist()
        assert split.labels.dtype == torch.int64
    assert dataset.class_names == tuple(names)
    assert dataset.image_shape == (3, 32, 32)
    assert dataset.augmentation == Augmentation(crop_padding=4, flip=True, cutout=16)


FORMS = [
    pytest.param(CIFAR10, write_python_10, torchvision.datasets.CIFAR10, NAMES_10, id="python 10"),
    pytest.param(CIFAR100, write_python_100, torchvision.datasets.CIFAR100, NAMES_100, id="python 100"),
    pytest.param(CIFAR10, write_binary_10, None, NAMES_10, id="binary 10"),
    pytest.param(CIFAR100, write_binary_100, None, NAMES_100, id="binary 100"),
]


@pytest.mark.parametrize(("source", "write", "reader", "names"), FORMS)
def test_both_forms_are_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: type[Source],
    write: Callable[[Path], dict[str, tuple[np.ndarray, np.ndarray]]],
    reader: Any,
    names: list[str],
) -> None:
    root = tmp_path / "data"
    parts = write(root)
    (folder,) = root.iterdir()
    if reader is not None:
        trust(monkeypatch, reader, folder)
    check(source(root=root).load(), parts, names)
    check(source(root=folder).load(), parts, names)
    root.rename(tmp_path / "moved")
    cache = tmp_path / "cache" / "rlsel"
    cache.mkdir(parents=True)
    (tmp_path / "moved").rename(cache / source.name)
    check(source().load(), parts, names)


def test_pickles_of_an_unknown_checksum_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpickle(*_: object, **__: object) -> None:
        raise AssertionError("a file of unknown origin was unpickled")

    write_python_10(tmp_path)
    monkeypatch.setattr(pickle, "load", unpickle)
    with pytest.raises(
        DataError, match=r"cifar10: .*cifar-10-batches-py is incomplete or damaged \(.*\): unpack https"
    ):
        CIFAR10(root=tmp_path).load()


def test_a_download_fills_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_cache: Path) -> None:
    parts = write_python_10(tmp_path)
    trust(monkeypatch, torchvision.datasets.CIFAR10, tmp_path / "cifar-10-batches-py")

    def download(self: Any) -> None:
        write_python_10(Path(self.root))

    monkeypatch.setattr(torchvision.datasets.CIFAR10, "download", download)
    check(CIFAR10().load(), parts, NAMES_10)
    assert [path.name for path in empty_cache.iterdir()] == ["cifar10"]


@pytest.mark.parametrize("source", [CIFAR10, CIFAR100])
def test_without_a_network_the_error_says_where_it_looked_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: type[Source]
) -> None:
    def download(_: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torchvision.datasets.CIFAR10, "download", download)
    with pytest.raises(
        DataError, match=f"{source.name} was not found in {tmp_path}, .*no network.*dataset.root="
    ) as error:
        source(root=tmp_path).load()
    assert "\n" not in str(error.value)


def test_a_missing_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cifar10: dataset.root must be an existing folder"):
        CIFAR10(root=tmp_path / "none").load()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data_batch_3.bin", b"\0" * 3072, r"data_batch_3.bin must hold records of 3073 bytes, got 3072 bytes"),
        ("test_batch.bin", b"", "test_batch.bin must hold records of 3073 bytes, got 0 bytes"),
        ("data_batch_1.bin", None, "data_batch_1.bin cannot be read"),
        ("data_batch_1.bin", b"\x0a" + bytes(3072), "labels must be below 10, got 10"),
        ("batches.meta.txt", None, "batches.meta.txt cannot be read"),
        ("batches.meta.txt", b"one\ntwo\n", "10 class names are needed, got 2"),
    ],
)
def test_damaged_binary_files_are_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    write_binary_10(tmp_path)
    path = tmp_path / "cifar-10-batches-bin" / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        CIFAR10(root=tmp_path).load()
    assert "\n" not in str(error.value)
