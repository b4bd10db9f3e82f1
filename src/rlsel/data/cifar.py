"""What CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) share: colour images of 32 x 32 pixels in two forms of files.

The python version is pickled, so only files whose checksums torchvision knows are read, by torchvision. The binary
version is read here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from rlsel.data.augmentation import Augmentation
from rlsel.data.classes import require_two_samples
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.data.locations import cache_folder, downloaded, existing_folder, first_line
from rlsel.data.statistics import ChannelStatistics
from rlsel.errors import DataError

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32


class PublicReader(Protocol):
    """torchvision's reader of one part."""

    data: NDArray[np.uint8]
    targets: list[int]
    classes: list[str]


@dataclass(frozen=True, kw_only=True)
class CifarForm:
    """How one of the two data sets is distributed.

    Attributes:
        name: The name on the command line.
        python_folder: Folder of the python version.
        binary_folder: Folder of the binary version.
        train_files: Binary files of the training split.
        test_files: Binary files of the test split.
        names_file: Text file with a class name in each line, in the binary folder.
        label_bytes: Bytes in front of the pixels of a binary record; the last of them is the label.
        num_classes: C.
        statistics: What images are normalised with.
        public_reader: Reads the training (True) or test (False) part with torchvision, from the folder that holds
            `python_folder`, after a download where the last argument says so.
        url: Where the python version can be fetched by hand.
    """

    name: str
    python_folder: str
    binary_folder: str
    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    names_file: str
    label_bytes: int
    num_classes: int
    statistics: ChannelStatistics
    public_reader: Callable[[Path, bool, bool], PublicReader]
    url: str


def load_cifar(form: CifarForm, root: Path | None) -> Dataset:
    """Reads CIFAR from `root`, else from the cache folder, else from the network.

    Raises:
        DataError: if it is nowhere or damaged.
    """
    roots = [cache_folder() / form.name]
    if root is not None:
        roots.insert(0, existing_folder(root, form.name))
    for place in roots:
        folder = place.parent if place.name in (form.python_folder, form.binary_folder) else place
        if (folder / form.binary_folder).is_dir():
            return _read_binary(form, folder / form.binary_folder)
        if (folder / form.python_folder).is_dir():
            return _read_python(form, folder)
    folder = downloaded(
        form.name,
        lambda target: form.public_reader(target, True, True),
        searched=", ".join(map(str, roots)),
        remedy=f"unpack {form.url} into a folder and give dataset.root=<folder>",
    )
    return _read_python(form, folder)


def _read_python(form: CifarForm, folder: Path) -> Dataset:
    splits = []
    names: list[str] = []
    try:
        with warnings.catch_warnings():
            # The public files name a type as an old Python wrote it, which NumPy 2.4.0 warns of.
            warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")
            for train in (True, False):
                part = form.public_reader(folder, train, False)
                splits.append(_split(form, torch.from_numpy(part.data).permute(0, 3, 1, 2), np.asarray(part.targets)))
                names = part.classes
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{form.name}: {folder / form.python_folder} is incomplete or damaged ({first_line(error)}): "
            f"unpack {form.url} there again"
        ) from error
    return _dataset(form, splits, names)


def _read_binary(form: CifarForm, folder: Path) -> Dataset:
    splits = []
    for files in (form.train_files, form.test_files):
        records = np.concatenate([_read_records(form, folder / file) for file in files])
        pixels = torch.from_numpy(records[:, form.label_bytes :]).view(-1, *_SHAPE)
        splits.append(_split(form, pixels, records[:, form.label_bytes - 1]))
    try:
        names = (folder / form.names_file).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{form.name}: {folder / form.names_file} cannot be read ({first_line(error)})") from error
    return _dataset(form, splits, names)


def _read_records(form: CifarForm, path: Path) -> NDArray[np.uint8]:
    record = form.label_bytes + _PIXELS
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(
            f"{form.name}: {path} cannot be read ({first_line(error)}): unpack the archive again"
        ) from error
    if not len(content) or len(content) % record:
        raise DataError(
            f"{form.name}: {path} must hold records of {record} bytes, got {len(content)} bytes: unpack it again"
        )
    return content.reshape(-1, record)


def _split(form: CifarForm, pixels: torch.Tensor, labels: NDArray[Any]) -> Split:
    if labels.max() >= form.num_classes:
        raise DataError(
            f"{form.name}: labels must be below {form.num_classes}, got {labels.max()}: the file is damaged"
        )
    return Split(
        images=MemoryImages(pixels.contiguous(memory_format=torch.channels_last)),
        labels=torch.from_numpy(labels.astype(np.int64)),
    )


def _dataset(form: CifarForm, splits: list[Split], names: list[str]) -> Dataset:
    if len(names) != form.num_classes:
        raise DataError(
            f"{form.name}: {form.num_classes} class names are needed, got {len(names)}: the file is damaged"
        )
    train, test = splits
    require_two_samples(form.name, train.labels, names)
    return Dataset(
        name=form.name,
        train=train,
        test=test,
        class_names=tuple(names),
        mean=form.statistics.mean,
        std=form.statistics.std,
        augmentation=Augmentation(crop_padding=4, flip=True, cutout=16),
    )
