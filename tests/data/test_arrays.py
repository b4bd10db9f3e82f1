import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlsel.data.arrays import Arrays
from rlsel.data.augmentation import Augmentation
from rlsel.data.dataset import MemoryImages
from rlsel.data.loading import normalise
from rlsel.errors import DataError

LABELS = np.arange(60) % 3


def images(*shape: int, dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) * 255).astype(dtype)


def save(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "own.npz", **arrays)  # type: ignore[arg-type]
    return folder / "own.npz"


def pixels(store: object) -> torch.Tensor:
    assert isinstance(store, MemoryImages)
    return store.pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (5,)])
def test_a_given_test_split_is_taken(tmp_path: Path, dtype: Any, channels: tuple[int, ...]) -> None:
    given = images(60, 9, 7, *channels, dtype=dtype)
    test = images(9, 9, 7, *channels, dtype=dtype, seed=1)
    path = save(tmp_path, images=given, labels=LABELS, test_images=test, test_labels=LABELS[:9])
    dataset = Arrays(path=path).load()
    for split, whole in ((dataset.train, given), (dataset.test, test)):
        expected = whole.reshape(len(whole), 9, 7, -1).transpose(0, 3, 1, 2)
        expected = expected if dtype == np.uint8 else expected.astype(np.float32)
        assert np.array_equal(pixels(split.images).numpy(), expected)
        assert pixels(split.images).dtype == (torch.uint8 if dtype == np.uint8 else torch.float32)
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.test.labels.tolist() == LABELS[:9].tolist()
    assert dataset.image_shape == (channels[0] if channels else 1, 9, 7)
    assert dataset.augmentation == Augmentation()
    assert dataset.class_names == ("0", "1", "2")


def test_without_test_arrays_all_rows_are_candidates_in_their_order(tmp_path: Path) -> None:
    given = images(60, 6, 6)
    dataset = Arrays(path=save(tmp_path, images=given, labels=LABELS)).load()
    assert np.array_equal(pixels(dataset.train.images)[:, 0].numpy(), given)
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.train.in_source().tolist() == list(range(60))
    assert len(dataset.test) == len(dataset.test.images) == 0


def test_floats_of_any_range_become_standard(tmp_path: Path) -> None:
    given = images(60, 6, 6, 2, dtype=np.float64) * [1e-3, 1e3] - [7.0, 1e5]
    dataset = Arrays(path=save(tmp_path, images=given, labels=LABELS)).load()
    standard = normalise(pixels(dataset.train.images), dataset)
    # Single precision of numbers around 1e5 with deviation 7e4, and around 7 with 0.07.
    assert standard.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    assert (standard.std(dim=(0, 2, 3), correction=0) - 1).abs().max() < 1e-4


def test_labels_are_closed_up_and_keep_their_names(tmp_path: Path) -> None:
    path = save(
        tmp_path,
        images=images(60, 6, 6),
        labels=np.array([0, 4, 9], np.uint8)[LABELS],
        test_images=images(3, 6, 6),
        test_labels=np.array([9, 9, 4]),
    )
    dataset = Arrays(path=path).load()
    assert dataset.class_names == dataset.label_values == ("0", "4", "9")
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.test.labels.tolist() == [2, 2, 1]


def test_text_labels_are_classes_of_that_name(tmp_path: Path) -> None:
    names = np.array(["cat", "a dog", "ant, red"])
    dataset = Arrays(path=save(tmp_path, images=images(60, 6, 6), labels=names[LABELS])).load()
    assert dataset.class_names == ("a dog", "ant, red", "cat")
    assert [dataset.class_names[label] for label in dataset.train.labels] == names[LABELS].tolist()


def test_without_labels_there_is_one_class_without_a_value(tmp_path: Path) -> None:
    dataset = Arrays(path=save(tmp_path, images=images(60, 6, 6))).load()
    assert not dataset.labelled
    assert (dataset.class_names, dataset.label_values) == (("all",), ("",))
    assert dataset.train.labels.tolist() == [0] * 60


@pytest.mark.parametrize("shape", [(2, 9, 9), (4, 16, 12), (13, 64, 64), (1, 28, 28), (3, 32, 64), (2, 5, 3)])
def test_channels_in_front_are_recognised(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    given = images(60, *shape)
    for name, array in (("first", given), ("last", np.moveaxis(given, 1, 3))):
        dataset = Arrays(path=save(tmp_path, images=array, labels=LABELS)).load()
        assert np.array_equal(pixels(dataset.train.images).numpy(), given), name
        assert dataset.image_shape == shape


@pytest.mark.parametrize("shape", [(8, 8, 8), (4, 4, 12), (12, 4, 4), (5, 9, 5), (1, 1, 512)])
def test_channels_that_the_shape_does_not_tell_must_be_named(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    given = images(60, *shape)
    path = save(tmp_path, images=given, labels=LABELS)
    with pytest.raises(DataError, match=r"which axis is the channels, got .*: give dataset.channels=last for"):
        Arrays(path=path).load()
    assert np.array_equal(pixels(Arrays(path=path, channels="first").load().train.images).numpy(), given)
    last = pixels(Arrays(path=path, channels="last").load().train.images).numpy()
    assert np.array_equal(last, given.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("dtype", "factor", "expected"),
    [
        (np.uint8, 1, (0.0, 200 / 255)),
        (np.float32, 1 / 255, (0.0, 200 / 255)),
        (np.float64, 16 / 255, (0.0, 3200 / 255)),
    ],
)
def test_the_range_of_the_pixels_is_known(
    tmp_path: Path, dtype: Any, factor: float, expected: tuple[float, float]
) -> None:
    given = np.minimum(images(60, 6, 6), 200)
    given[0, 0, 0], given[1, 1, 1] = 0, 200
    dataset = Arrays(path=save(tmp_path, images=(given * factor).astype(dtype), labels=LABELS)).load()
    # single precision
    assert dataset.pixel_range == pytest.approx(expected, rel=1e-6)


def test_test_images_on_another_scale_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, images=FLOATS / 255, labels=LABELS, test_images=FLOATS[:9], test_labels=LABELS[:9])
    with pytest.raises(DataError, match=r"on the scale of images, [\d.]+ to [\d.]+, got [\d.]+ to 2\d\d: bring"):
        Arrays(path=path).load()


def replaced(values: np.ndarray, position: int, value: float) -> np.ndarray:
    changed = values.copy()
    changed[position] = value
    return changed


GOOD = {"images": images(60, 6, 6), "labels": LABELS}
FLOATS = images(60, 6, 6, dtype=np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"images": replaced(FLOATS, 3, np.nan)},
            "images in .* must hold finite numbers, got nan or infinity in sample 3",
        ),
        ({"images": replaced(FLOATS, 7, -np.inf)}, "got nan or infinity in sample 7"),
        ({"images": replaced(FLOATS.astype(np.float64), 9, 1e300)}, "got nan or infinity in sample 9"),
        ({"images": images(60, 6, 6, dtype=np.int64)}, "images in .* must be uint8 or float, got int64"),
        ({"images": np.zeros((60, 6, 6), complex)}, "must be uint8 or float, got complex128"),
        ({"images": images(60, 6)}, r"images in .* must be \(N, H, W\) or \(N, H, W, C\) .* got the shape \(60, 6\)"),
        ({"images": images(0, 6, 6), "labels": LABELS[:0]}, "and not empty"),
        ({"images": np.array([None] * 60)}, "cannot be read .* without objects"),
        ({"labels": LABELS - 1}, "labels in .* must be numbers from 0, got -1"),
        ({"labels": LABELS[:59]}, r"must be one for each of the 60 samples, got the shape \(59,\)"),
        ({"test_images": images(3, 6, 6)}, "must hold test_labels, got images, labels, test_images"),
        ({"test_labels": LABELS[:3]}, "must hold test_images"),
        (
            {"test_images": images(3, 6, 7), "test_labels": LABELS[:3]},
            r"test_images in .* must be like images, \(6, 6\) of uint8, got \(6, 7\) of uint8",
        ),
        ({"test_images": FLOATS[:3], "test_labels": LABELS[:3]}, "of uint8, got .* of float32"),
        (
            {"test_images": images(3, 6, 6), "test_labels": LABELS[:2]},
            "test_labels in .* one for each of the 3 samples",
        ),
        (
            {"test_images": images(3, 6, 6), "test_labels": LABELS[:3] + 1},
            "test_labels in .* must be among labels, got 3",
        ),
    ],
)
def test_unfit_arrays_are_refused_in_one_line(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        Arrays(path=save(tmp_path, **{**GOOD, **arrays})).load()
    assert "\n" not in str(error.value)


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"own.npz must hold images, got labels, x$"):
        Arrays(path=save(tmp_path, labels=LABELS, x=LABELS)).load()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset.path must name a file, got nothing: give dataset.path=<file>"):
        Arrays().load()
    with pytest.raises(
        DataError, match=r"dataset.path must be an existing file, got '.*none.npz', which does not exist"
    ):
        Arrays(path=tmp_path / "none.npz").load()
    with pytest.raises(DataError, match="which is not a file"):
        Arrays(path=tmp_path).load()


def test_files_that_are_no_archive_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.npz"
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"wrong.npz cannot be read \("):
        Arrays(path=path).load()
    path.write_bytes(b"junk\n")
    with pytest.raises(DataError, match=r"wrong.npz cannot be read \("):
        Arrays(path=path).load()
    with path.open("wb") as file:
        np.save(file, LABELS)
    with pytest.raises(DataError, match=r"wrong.npz must be an .npz file with images and labels, got one array"):
        Arrays(path=path).load()


def unknown_method(content: bytes) -> bytes:
    """The archive as if it were packed by a method that there is not: the number behind the version needed to read."""
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = content.index(mark) + place
        content = content[:start] + b"\x63\x00" + content[start + 2 :]
    return content


def with_password(content: bytes) -> bytes:
    """The archive as if its first file were encrypted: the lowest bit of the flags in the directory."""
    start = content.index(b"PK\x01\x02") + 8
    return content[:start] + b"\x01\x00" + content[start + 2 :]


def vast(content: bytes) -> bytes:
    """An archive with images of 10^15 rows, by the header of an array that has none."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**15, 9, 9)})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("images.npy", header.getvalue())
    return archive.getvalue()


@pytest.mark.parametrize(
    ("damage", "reason"), [(unknown_method, "compression"), (with_password, "encrypted"), (vast, "[Aa]llocate")]
)
def test_an_archive_that_cannot_be_opened_is_refused(
    tmp_path: Path, damage: Callable[[bytes], bytes], reason: str
) -> None:
    path = save(tmp_path, images=images(60, 9, 7), labels=LABELS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=rf"own\.npz cannot be read \(.*{reason}.*\): write it with") as refused:
        Arrays(path=path).load()
    assert "\n" not in str(refused.value)


def test_the_home_of_nobody_is_a_file_that_is_not_there() -> None:
    with pytest.raises(DataError, match=r"got '~nobody_at_all/x', which does not exist"):
        Arrays(path=Path("~nobody_at_all/x")).load()


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, **GOOD)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"own.npz cannot be read"):
        Arrays(path=path).load()
    content[400] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"own.npz cannot be read \(Bad CRC-32"):
        Arrays(path=path).load()
