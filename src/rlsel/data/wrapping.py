"""Data that a program holds already: arrays, tensors, a torch data set, or one of Hugging Face.

Everything is read once, in its own order, and held in memory; a position in a coreset is one in what was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rlsel.checks import refuse
from rlsel.data.arrays import check_floats, check_images
from rlsel.data.augmentation import Augmentation
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.data.decoding import covered, in_colour
from rlsel.data.embeddings import Embeddings
from rlsel.data.imagefolder import choose_geometry
from rlsel.data.labels import NamedLabels, check_labels
from rlsel.data.pseudo_classes import with_pseudo_classes
from rlsel.data.scale import describe_range, on_one_scale, pixel_range
from rlsel.data.statistics import checked_statistics
from rlsel.errors import ConfigurationError, DataError

_LABEL_COLUMNS = ("label", "labels", "fine_label", "target", "class")
_IMAGE_COLUMNS = ("image", "img", "images", "pixel_values")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of a Hugging Face data set hold what; None for the ones that their types or names show.

    Attributes:
        image: The images.
        label: The classes.
    """

    image: str | None = None
    label: str | None = None


class _Samples(NamedTuple):
    """What was read: (N, C, H, W) pixels, the raw labels or None, and class names that the data brings or None."""

    pixels: Tensor
    labels: NDArray[Any] | None
    names: tuple[str, ...] | None = None
    crop: int | None = None


def as_dataset(given: object, *, test: object = None, columns: Columns | None = None) -> Dataset:
    """Makes a data set of what a program holds.

    Args:
        given: A pair of images and labels as arrays or tensors; images alone; rows of features (N, D), alone or with
            labels; a map-style torch data set of (image, label) pairs, the images PIL, arrays or tensors; a Hugging
            Face `datasets.Dataset`; or an rlsel `Dataset`, which is returned. Arrays of images are (N, H, W),
            (N, H, W, C) or (N, C, H, W); tensors too, (N, C, H, W) where the shape does not contradict.
        test: The same for what models are measured on; None for nothing.
        columns: The columns of a Hugging Face data set to read; None for anything else.

    Raises:
        DataError: if the samples are unfit.
        ConfigurationError: if it is nothing of the kind.
    """
    if isinstance(given, Dataset):
        return given
    columns = columns or Columns()
    name = _name_of(given)
    samples = _read(given, name, columns)
    labels, class_names = _classes(samples, name)
    train = Split(images=MemoryImages(samples.pixels), labels=labels)
    measured = train.subset(torch.arange(0))
    if test is not None:
        measured = _test_split(_read(test, f"{name} (test)", columns), samples, class_names, name)
    mean, std = checked_statistics(train.images, name)
    values = _label_values(samples, class_names)
    dataset = Dataset(
        name=name,
        train=train,
        test=replace(measured, positions=None),
        class_names=class_names,
        mean=mean,
        std=std,
        augmentation=Augmentation(crop=samples.crop),
        crop=samples.crop,
        label_values=values,
        labelled=samples.labels is not None,
        pixel_range=pixel_range(samples.pixels),
    )
    if dataset.image_shape[1:] != (1, 1):
        return dataset
    dataset = replace(dataset, learn_on=Embeddings.learn_on)
    return dataset if dataset.labelled else with_pseudo_classes(dataset, None)


def _name_of(given: object) -> str:
    if _from_hugging_face(given):
        return "hugging_face"
    return "arrays" if isinstance(given, tuple | list | np.ndarray | Tensor) else type(given).__name__.lower()


def _from_hugging_face(given: object) -> bool:
    return type(given).__module__.partition(".")[0] == "datasets" and hasattr(given, "column_names")


def _classes(samples: _Samples, name: str) -> NamedLabels:
    """Numbers the classes from 0; with names that the data brings, numbers stay as they are."""
    count = len(samples.pixels)
    if samples.labels is None:
        return NamedLabels(torch.zeros(count, dtype=torch.int64), ("all",))
    numbered = check_labels(samples.labels, count, f"{name}: labels")
    if samples.names is None or samples.labels.dtype.kind not in "iu":
        return numbered
    if int(samples.labels.max()) >= len(samples.names):
        raise DataError(
            f"{name}: labels must be below the {len(samples.names)} class names, got {samples.labels.max()}"
        )
    return NamedLabels(torch.from_numpy(samples.labels.reshape(-1).astype(np.int64)), samples.names)


def _label_values(samples: _Samples, class_names: tuple[str, ...]) -> tuple[str, ...] | None:
    if samples.labels is None:
        return ("",)
    return None if class_names is samples.names else class_names


def _test_split(test: _Samples, train: _Samples, class_names: tuple[str, ...], name: str) -> Split:
    if test.labels is None:
        raise DataError(f"{name}: test data must have labels, got none")
    if test.pixels.shape[1:] != train.pixels.shape[1:] or test.pixels.dtype != train.pixels.dtype:
        raise DataError(
            f"{name}: test images must be like the others, {tuple(train.pixels.shape[1:])} of {train.pixels.dtype}, "
            f"got {tuple(test.pixels.shape[1:])} of {test.pixels.dtype}"
        )
    ranges = pixel_range(train.pixels), pixel_range(test.pixels)
    if not on_one_scale(*ranges):
        raise DataError(
            f"{name}: test images must be on the scale of the others, {describe_range(ranges[0])}, got "
            f"{describe_range(ranges[1])}"
        )
    labels, names = _classes(test, f"{name} (test)")
    unknown = [one for one in names if one not in class_names]
    if unknown:
        raise DataError(f"{name}: test labels must be among the others, got {unknown[0]}")
    places = torch.tensor([class_names.index(one) for one in names])
    return Split(images=MemoryImages(test.pixels), labels=places[labels])


def _read(given: object, name: str, columns: Columns) -> _Samples:
    if isinstance(given, np.ndarray | Tensor):
        return _Samples(_pixels_of(given, name), None)
    if isinstance(given, tuple | list):
        if len(given) != 2:
            raise refuse("dataset", "a pair of images and labels", f"{len(given)} things")
        return _Samples(_pixels_of(given[0], name), as_array(given[1]))
    if _from_hugging_face(given):
        return _read_hugging_face(given, name, columns)
    if not hasattr(given, "__getitem__") or not hasattr(given, "__len__"):
        raise refuse(
            "dataset",
            "a pair of images and labels, a torch data set with a length, or a Hugging Face data set",
            type(given).__name__,
        )
    return _read_pairs(given, name)


def as_array(given: object) -> NDArray[Any]:
    """Returns a tensor on any device, of bfloat16 too, or anything array-like, as an array."""
    if not isinstance(given, Tensor):
        return np.asarray(given)
    given = given.detach().cpu()
    return (given.float() if given.dtype == torch.bfloat16 else given).numpy()


def _channels_last(shape: tuple[int, ...]) -> bool:
    """Says whether a tensor has its one, three or four channels at the end, against the custom."""
    return shape[-1] in (1, 3, 4) and shape[-1] < min(shape[-3:-1])


def _pixels_of(given: object, name: str) -> Tensor:
    """Returns the (N, C, H, W) pixels of arrays or tensors; rows of features are images of one pixel."""
    array = as_array(given)
    if array.ndim == 2:
        return torch.from_numpy(check_floats(array, f"{name}: features"))[:, :, None, None]
    first = isinstance(given, Tensor) and array.ndim == 4 and not _channels_last(array.shape)
    return check_images(array, f"{name}: images", "first" if first else None)


def _read_hugging_face(given: Any, name: str, columns: Columns) -> _Samples:  # noqa: ANN401 - an optional package
    image = columns.image or _column(given, "Image", _IMAGE_COLUMNS, "image")
    if image is None:
        raise DataError(f"{name}: a column must hold images, got {', '.join(given.column_names)}: give image=NAME")
    label = columns.label or _column(given, "ClassLabel", _LABEL_COLUMNS, "label")
    for column in (image, label):
        if column is not None and column not in given.column_names:
            raise DataError(f"{name}: there is no column {column!r}, there are {', '.join(given.column_names)}")
    images, crop = _stack([_picture(row[image], name, number) for number, row in enumerate(given)], name)
    labels = None if label is None else np.asarray(given[label])
    return _Samples(images, labels, _names(getattr(given.features.get(label), "names", None)), crop)


def _column(given: Any, kind: str, names: Sequence[str], what: str) -> str | None:  # noqa: ANN401
    """Returns the column of a type, else the one with a usual name; None where there is none."""
    typed = [column for column, feature in given.features.items() if type(feature).__name__ == kind]
    if len(typed) > 1:
        raise ConfigurationError(f"{what} must name one of the columns {', '.join(typed)}: give {what}=NAME")
    return next(iter(typed or [name for name in names if name in given.column_names]), None)


def _read_pairs(given: Any, name: str) -> _Samples:  # noqa: ANN401 - whatever has items
    images, labels = [], []
    for number in range(len(given)):
        item = given[number]
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise DataError(f"{name}: each item must be an image and a label, got {type(item).__name__} at {number}")
        images.append(_picture(item[0], name, number))
        labels.append(item[1].item() if isinstance(item[1], Tensor) and item[1].ndim == 0 else item[1])
    pixels, crop = _stack(images, name)
    return _Samples(pixels, np.asarray(labels), _names(getattr(given, "classes", None)), crop)


def _names(given: object) -> tuple[str, ...] | None:
    names = tuple(map(str, given)) if isinstance(given, list | tuple) else ()
    return names if len(set(names)) == len(names) and names else None


def _picture(given: object, name: str, number: int) -> Image.Image | NDArray[Any]:
    """Returns a PIL image, or an array with the channels last."""
    if isinstance(given, Image.Image):
        try:
            return given if given.mode == "L" and not given.has_transparency_data else in_colour(given)
        except ValueError as error:
            raise DataError(f"{name}: image {number} cannot be used ({error})") from error
    array = as_array(given)
    if array.ndim == 3 and isinstance(given, Tensor) and not _channels_last(array.shape):
        array = np.moveaxis(array, 0, 2)
    if array.ndim not in (2, 3) or array.dtype.kind not in "uf":
        raise DataError(
            f"{name}: image {number} must be a PIL image, an (H, W) or (H, W, C) array or a (C, H, W) tensor, uint8 or "
            f"float, got {type(given).__name__} of {array.dtype} and shape {array.shape}"
        )
    return array if array.ndim == 3 else array[..., None]


def _stack(images: Sequence[Image.Image | NDArray[Any]], name: str) -> tuple[Tensor, int | None]:
    """Brings images to one size, as those of a folder; returns (N, C, H, W) and the side that a model sees of them."""
    if not images:
        raise DataError(f"{name}: there must be samples, got none")
    if all(isinstance(image, Image.Image) for image in images):
        return _stack_pictures(images)  # type: ignore[arg-type]
    arrays = [_hwc(image) for image in images]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise DataError(f"{name}: arrays and tensors must have one shape, got {sorted(shapes)[:3]}: resize them first")
    return check_images(np.stack(arrays), f"{name}: images", "last"), None


def _hwc(image: Image.Image | NDArray[Any]) -> NDArray[Any]:
    array = np.asarray(image)
    return array if array.ndim == 3 else array[..., None]


def _stack_pictures(images: Sequence[Image.Image]) -> tuple[Tensor, int | None]:
    grey = all(image.mode == "L" for image in images)
    geometry = choose_geometry(np.array([(image.height, image.width) for image in images]), None)
    shown: Iterator[Image.Image] = (image if grey else image.convert("RGB") for image in images)
    pixels = np.stack([covered(image, geometry.size) for image in shown])
    pixels = pixels[..., None] if pixels.ndim == 3 else pixels
    return torch.from_numpy(pixels).permute(0, 3, 1, 2), geometry.crop
