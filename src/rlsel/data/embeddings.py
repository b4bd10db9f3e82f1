"""Features that were computed elsewhere, in place of images."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from rlsel.data.arrays import check_floats
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.data.labels import NamedLabels, check_labels
from rlsel.data.locations import check_location, existing_file, first_line
from rlsel.data.statistics import checked_statistics
from rlsel.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """An `.npy` file of (N, D) features, each kept as an image of one pixel with D channels.

    There is no test split. Without labels, there is a single class.

    Attributes:
        path: The features.
        labels: An `.npy` file of (N,) whole numbers or texts; None for none.
    """

    name: ClassVar[str] = "embeddings"

    path: Path | None = None
    labels: Path | None = None

    def __post_init__(self) -> None:
        check_location("dataset.path", self.path)
        check_location("dataset.labels", self.labels)

    def load(self) -> Dataset:
        """Reads the data set.

        Raises:
            DataError: if a file is missing or damaged, or its array is unfit.
        """
        file = existing_file(self.path, "dataset.path", self.name)
        given = _read_array(file)
        if given.ndim != 2 or not given.size:
            raise DataError(f"embeddings: features in {file} must be (N, D) and not empty, got the shape {given.shape}")
        features = torch.from_numpy(check_floats(given, f"embeddings: features in {file}"))
        labels, class_names = self._read_labels(len(features))
        whole = Split(images=MemoryImages(features[:, :, None, None]), labels=labels)
        mean, std = checked_statistics(whole.images, self.name)
        return Dataset(
            name=self.name,
            train=whole,
            test=whole.subset(torch.arange(0)),
            class_names=class_names,
            mean=mean,
            std=std,
            label_values=class_names if self.labels is not None else ("",),
            labelled=self.labels is not None,
            pixel_range=(float(features.min()), float(features.max())),
        )

    def _read_labels(self, count: int) -> NamedLabels:
        if self.labels is None:
            return NamedLabels(torch.zeros(count, dtype=torch.int64), ("all",))
        file = existing_file(self.labels, "dataset.labels", self.name)
        return check_labels(_read_array(file), count, f"embeddings: labels in {file}")


def _read_array(file: Path) -> NDArray[Any]:
    try:
        with file.open("rb") as stream:
            array = np.load(stream, allow_pickle=False)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"embeddings: {file} cannot be read ({first_line(error)}): write it with np.save") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"embeddings: {file} must be an .npy file with one array, got an archive: use np.save")
    return array
