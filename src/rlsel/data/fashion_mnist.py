"""Fashion-MNIST (Xiao et al., 2017): 60000 + 10000 grey images of 28 x 28 pixels in ten classes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from rlsel.data.augmentation import Augmentation
from rlsel.data.classes import require_two_samples
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.data.locations import cache_folder, check_location, downloaded, existing_folder, first_line
from rlsel.data.statistics import FASHION_MNIST
from rlsel.errors import DataError

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where the Debian package `dataset-fashion-mnist` puts the files."""

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True, kw_only=True)
class FashionMNIST:
    """Fashion-MNIST from a folder, from the Debian package, or from the network, in this order.

    Attributes:
        root: A folder with the four idx files, plain or gzipped, as distributed or as torchvision lays them out; None
            for none.
    """

    name: ClassVar[str] = "fashion_mnist"

    root: Path | None = None

    def __post_init__(self) -> None:
        check_location("dataset.root", self.root)

    def load(self) -> Dataset:
        """Reads the data set.

        Raises:
            DataError: if it is nowhere, a file is damaged, or the files do not fit together.
        """
        folder = self._find()
        train, test = _read_split(folder, "train"), _read_split(folder, "t10k")
        require_two_samples(self.name, train.labels, CLASS_NAMES)
        return Dataset(
            name=self.name,
            train=train,
            test=test,
            class_names=CLASS_NAMES,
            mean=FASHION_MNIST.mean,
            std=FASHION_MNIST.std,
            # small shifts keep a model from learning by heart; all shoes point one way, so that none is mirrored
            augmentation=Augmentation(crop_padding=2),
        )

    def _find(self) -> Path:
        roots = [DEBIAN_FOLDER, cache_folder() / self.name]
        if self.root is not None:
            roots.insert(0, existing_folder(self.root, self.name))
        for root in roots:
            for folder in (root, root / "raw", root / "FashionMNIST" / "raw"):
                if _idx_file(folder, "train-images-idx3-ubyte"):
                    return folder
        return (
            downloaded(
                self.name,
                _download,
                searched=", ".join(map(str, roots)),
                remedy="install the Debian package dataset-fashion-mnist, or put train-images-idx3-ubyte.gz and the "
                "other three files into a folder and give dataset.root=<folder>",
            )
            / "FashionMNIST"
            / "raw"
        )


def _download(folder: Path) -> None:
    from torchvision import datasets

    datasets.FashionMNIST(folder, download=True)


def _read_split(folder: Path, prefix: str) -> Split:
    images, labels = read_idx(folder, f"{prefix}-images-idx3-ubyte"), read_idx(folder, f"{prefix}-labels-idx1-ubyte")
    if images.ndim != 3 or labels.shape != images.shape[:1] or not images.size:
        raise DataError(
            f"fashion_mnist: {folder} must hold as many {prefix} labels as images, got shapes {labels.shape} and "
            f"{images.shape}: fetch the files again"
        )
    if labels.max() >= len(CLASS_NAMES):
        raise DataError(f"fashion_mnist: the {prefix} labels in {folder} must be 0 to 9, got {labels.max()}")
    return Split(
        images=MemoryImages(torch.from_numpy(images)[:, None]), labels=torch.from_numpy(labels.astype(np.int64))
    )


def read_idx(folder: Path, name: str) -> NDArray[np.uint8]:
    """Reads an idx file of bytes (http://yann.lecun.com/exdb/mnist), plain or gzipped.

    Args:
        folder: Where it lies.
        name: Its name, without `.gz`.

    Returns:
        An array of the shape that the file states.

    Raises:
        DataError: if the file is missing or is not what it says.
    """
    path = _idx_file(folder, name)
    if path is None:
        raise DataError(f"fashion_mnist: {folder} must hold {name} or {name}.gz, which is missing: fetch it again")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zeros, kind, dimensions = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"fashion_mnist: {path} is damaged ({first_line(error)}): fetch it again") from error
    start = 4 + 4 * dimensions
    if (zeros, kind) != (0, 8) or len(content) - start != math.prod(shape):
        raise DataError(f"fashion_mnist: {path} is not an idx file of {math.prod(shape)} bytes: fetch it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _idx_file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
