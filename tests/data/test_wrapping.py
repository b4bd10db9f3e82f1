"""Data that a program holds: what is read is compared with what was put in, or with what the other library gives."""

from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import TensorDataset
from torchvision.datasets import FakeData

from rlsel.data.dataset import Dataset, MemoryImages
from rlsel.data.digits import Digits
from rlsel.data.wrapping import Columns, as_dataset
from rlsel.errors import ConfigurationError, DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 3, 8, 9), np.uint8)
LABELS = np.arange(12) % 3


def pixels(dataset: Dataset) -> np.ndarray:
    assert isinstance(dataset.train.images, MemoryImages)
    return dataset.train.images.pixels.numpy()


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (torch.from_numpy(PIXELS), PIXELS),
        (torch.from_numpy(PIXELS).float() / 255, PIXELS.astype(np.float32) / 255),
        (np.moveaxis(PIXELS, 1, 3), PIXELS),
        (PIXELS, PIXELS),
        (torch.from_numpy(PIXELS[:, 0]), PIXELS[:, :1]),
    ],
)
def test_arrays_and_tensors(images: Any, expected: np.ndarray) -> None:
    for labels in (LABELS * 4, torch.from_numpy(LABELS * 4), (LABELS * 4).tolist()):
        dataset = as_dataset((images, labels))
        assert np.array_equal(pixels(dataset), expected)
        assert dataset.train.labels.tolist() == LABELS.tolist()
        assert dataset.class_names == dataset.label_values == ("0", "4", "8")
        assert (dataset.name, len(dataset.test)) == ("arrays", 0)


def test_images_alone_have_no_labels_and_rows_are_features() -> None:
    assert not as_dataset(PIXELS).labelled
    rows = np.random.default_rng(0).normal(size=(12, 5))
    dataset = as_dataset((rows, LABELS))
    assert dataset.image_shape == (5, 1, 1)
    assert np.array_equal(pixels(dataset)[:, :, 0, 0], rows.astype(np.float32))


def test_an_rlsel_data_set_is_itself() -> None:
    dataset = Digits().load()
    assert as_dataset(dataset) is dataset


def test_a_torch_data_set_of_tensors() -> None:
    dataset = as_dataset(TensorDataset(torch.from_numpy(PIXELS), torch.from_numpy(LABELS)))
    assert np.array_equal(pixels(dataset), PIXELS)
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.name == "tensordataset"


class Pictures(TorchDataset[Any]):
    """PIL images, with names of the classes."""

    classes = ("cat", "dog", "emu")

    def __init__(self, images: list[Image.Image]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> tuple[Image.Image, int]:
        return self.images[number], number % 2


def test_a_torch_data_set_of_pictures_keeps_its_names_and_its_grey() -> None:
    grey = [Image.fromarray(image[0]) for image in PIXELS]
    dataset = as_dataset(Pictures(grey))
    assert np.array_equal(pixels(dataset), PIXELS[:, :1])
    assert dataset.class_names == ("cat", "dog", "emu")
    assert dataset.label_values is None, "its own numbers"
    coloured = as_dataset(Pictures([Image.fromarray(np.moveaxis(image, 0, 2)) for image in PIXELS]))
    assert np.array_equal(pixels(coloured), PIXELS)


def test_pictures_of_many_sizes_are_brought_to_one() -> None:
    images = [image.resize((40 + 3 * n, 30)) for n, (image, _) in enumerate(FakeData(5, (3, 50, 50), 2))]
    dataset = as_dataset(Pictures(images))
    assert dataset.image_shape == (3, 30, 30)
    for image, shown in zip(images, pixels(dataset), strict=True):
        expected = np.asarray(ImageOps.fit(image, (30, 30), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        # the edges of the box are rounded differently
        assert np.abs(shown.astype(int) - expected).mean() < 1


def test_transparent_pictures_lie_on_white() -> None:
    clear = [Image.new("RGBA", (4, 4), (0, 0, 0, 0)), *(Image.new("RGB", (4, 4), (n, 0, 0)) for n in range(3))]
    assert (pixels(as_dataset(Pictures(clear)))[0] == 255).all()
    with pytest.raises(DataError, match=r"pictures: image 0 cannot be used \(its numbers have no known white"):
        as_dataset(Pictures([Image.new("F", (4, 4))] * 4))


def hugging_face(image: str = "image", label: str = "label") -> datasets.Dataset:
    features = datasets.Features(
        {
            image: datasets.Image(),
            label: datasets.ClassLabel(names=["cat", "dog", "emu"]),
            "id": datasets.Value("int64"),
        }
    )
    images = [Image.fromarray(np.moveaxis(one, 0, 2)) for one in PIXELS]
    return datasets.Dataset.from_dict({image: images, label: LABELS.tolist(), "id": list(range(12))}, features=features)


@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("photo", "kind")])
def test_a_hugging_face_data_set_shows_its_columns(image: str, label: str) -> None:
    dataset = as_dataset(hugging_face(image, label))
    assert np.array_equal(pixels(dataset), PIXELS)
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert (dataset.name, dataset.class_names) == ("hugging_face", ("cat", "dog", "emu"))


def test_columns_can_be_named() -> None:
    given = hugging_face()
    assert as_dataset(given, columns=Columns(label="id")).num_classes == 12
    with pytest.raises(DataError, match="hugging_face: there is no column 'breed', there are image, label, id"):
        as_dataset(given, columns=Columns(label="breed"))
    with pytest.raises(DataError, match="a column must hold images, got label, id: give image=NAME"):
        as_dataset(given.remove_columns("image"))


def test_test_data_is_measured_on() -> None:
    dataset = as_dataset((PIXELS, LABELS * 2), test=(PIXELS[:4], [4, 0, 2, 2]))
    assert dataset.test.labels.tolist() == [2, 0, 1, 1]
    assert len(dataset.held_out) == 0
    with pytest.raises(DataError, match="test labels must be among the others, got 9"):
        as_dataset((PIXELS, LABELS), test=(PIXELS[:2], [0, 9]))
    with pytest.raises(DataError, match="test images must be like the others"):
        as_dataset((PIXELS, LABELS), test=(PIXELS[:2] / 255, [0, 1]))
    floats = PIXELS / np.float32(255)
    with pytest.raises(DataError, match="test images must be on the scale of the others, 0 to 1, got 0 to 255"):
        as_dataset((floats, LABELS), test=(floats[:9] * 255, LABELS[:9]))


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (3, ConfigurationError, "dataset must be a pair of images and labels, .* got 'int'"),
        ((PIXELS,), ConfigurationError, "dataset must be a pair of images and labels, got '1 things'"),
        ((PIXELS, LABELS[:5]), DataError, "arrays: labels must be one for each of the 12 samples"),
        ((PIXELS.astype(np.int64), LABELS), DataError, "arrays: images must be uint8 or float, got int64"),
        ((np.zeros_like(PIXELS), LABELS), DataError, "arrays: samples must differ"),
        (TensorDataset(torch.zeros(3, 2, 4, 4)), DataError, "each item must be an image and a label, got tuple at 0"),
    ],
)
def test_what_is_no_data_set_is_refused(given: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as error:
        as_dataset(given)
    assert "\n" not in str(error.value)
