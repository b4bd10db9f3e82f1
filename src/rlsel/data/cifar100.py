"""CIFAR-100 (Krizhevsky, 2009): 60000 colour images of 32 x 32 pixels in 100 classes, 10000 of them for testing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rlsel.data.cifar import CifarForm, PublicReader, load_cifar
from rlsel.data.dataset import Dataset
from rlsel.data.locations import check_location
from rlsel.data.statistics import CIFAR100 as STATISTICS


@dataclass(frozen=True, kw_only=True)
class CIFAR100:
    """CIFAR-100 from a folder or from the network.

    Attributes:
        root: A folder that holds `cifar-100-python` (read by torchvision, which knows the checksums) or
            `cifar-100-binary`; None for the cache folder, which a download fills.
    """

    name: ClassVar[str] = "cifar100"

    root: Path | None = None

    def __post_init__(self) -> None:
        check_location("dataset.root", self.root)

    def load(self) -> Dataset:
        """Reads the data set.

        Raises:
            DataError: if it is nowhere or a file is damaged.
        """
        return load_cifar(_FORM, self.root)


def _read_with_torchvision(root: Path, train: bool, download: bool) -> PublicReader:
    from torchvision import datasets

    reader: PublicReader = datasets.CIFAR100(root, train=train, download=download)
    return reader


_FORM = CifarForm(
    name=CIFAR100.name,
    python_folder="cifar-100-python",
    binary_folder="cifar-100-binary",
    train_files=("train.bin",),
    test_files=("test.bin",),
    names_file="fine_label_names.txt",
    label_bytes=2,
    num_classes=100,
    statistics=STATISTICS,
    public_reader=_read_with_torchvision,
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
)
