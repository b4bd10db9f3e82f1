"""CIFAR-10 (Krizhevsky, 2009): 60000 colour images of 32 x 32 pixels in ten classes, 10000 of them for testing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rlsel.data.cifar import CifarForm, PublicReader, load_cifar
from rlsel.data.dataset import Dataset
from rlsel.data.locations import check_location
from rlsel.data.statistics import CIFAR10 as STATISTICS


@dataclass(frozen=True, kw_only=True)
class CIFAR10:
    """CIFAR-10 from a folder or from the network.

    Attributes:
        root: A folder that holds `cifar-10-batches-py` (read by torchvision, which knows the checksums) or
            `cifar-10-batches-bin`; None for the cache folder, which a download fills.
    """

    name: ClassVar[str] = "cifar10"

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

    reader: PublicReader = datasets.CIFAR10(root, train=train, download=download)
    return reader


_FORM = CifarForm(
    name=CIFAR10.name,
    python_folder="cifar-10-batches-py",
    binary_folder="cifar-10-batches-bin",
    train_files=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test_files=("test_batch.bin",),
    names_file="batches.meta.txt",
    label_bytes=1,
    num_classes=10,
    statistics=STATISTICS,
    public_reader=_read_with_torchvision,
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
)
