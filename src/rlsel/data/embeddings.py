"""Features that were computed elsewhere, in place of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray

from rlsel.checks import int_at_least, refuse
from rlsel.data.dataset import Dataset, Split
from rlsel.data.feature_files import Location, map_array, map_features, read_labels, shard_files
from rlsel.data.feature_rows import MappedRows, finite_range
from rlsel.data.feature_tables import (
    ID_COLUMN,
    LABEL_COLUMN,
    check_column,
    count_rows,
    read_column,
    unpack_features,
)
from rlsel.data.labels import NamedLabels, check_labels
from rlsel.data.locations import check_location
from rlsel.data.pseudo_classes import with_pseudo_classes
from rlsel.data.statistics import checked_statistics

_MEASURED = 20_000
"""Most rows that means and deviations are computed of, evenly spread."""


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Rows of features (N, D) in files, each row an image of one pixel with D channels.

    Files are `.npy`, or Parquet with a column of vectors; several are read as one, in the order of their names. Rows
    are gathered from memory maps, so that all of them may be larger than memory. There is no test split.

    Attributes:
        path: A file, a folder of files of one kind, a pattern such as `shards/*.npy`, or several files.
        labels: `.npy` of (N,) whole numbers or texts, in one file or in shards, for features in `.npy`; None for none.
        vectors: The column of vectors in Parquet; None for the only one.
        label_column: The column of labels in Parquet; None for `label`, where there is one.
        id_column: The column of ids in Parquet, which exports name samples by; None for `id`, where there is one.
        clusters: Without labels, how many clusters stand for classes; None for as many as the number of rows suggests.
        learn_on: Most samples that a model and a policy learn on; all are judged by what was learned on these.
    """

    name: ClassVar[str] = "embeddings"

    path: Location = None
    labels: Location = None
    vectors: str | None = None
    label_column: str | None = None
    id_column: str | None = None
    clusters: int | None = None
    learn_on: int = 100_000

    def __post_init__(self) -> None:
        for key, given in (("dataset.path", self.path), ("dataset.labels", self.labels)):
            for one in given if isinstance(given, tuple) else (given,):
                check_location(key, one)
        if self.clusters is not None:
            int_at_least("dataset.clusters", self.clusters, 2)
        int_at_least("dataset.learn_on", self.learn_on, 1000)

    def load(self) -> Dataset:
        """Reads the data set.

        Raises:
            DataError: if a file is missing or damaged, or its array is unfit.
        """
        files = self.files()
        self._check_columns(files)
        given = self._labels(files)
        rows = MappedRows(unpack_features(files, self.vectors) if _in_tables(files) else map_features(files))
        low, high = finite_range(rows, f"embeddings: features in {_shown(files)}")
        images = rows.where_it_fits()
        mean, std = checked_statistics(images, self.name, at_most=_MEASURED if images is rows else None)
        if given is None:
            labels, class_names = NamedLabels(torch.zeros(len(rows), dtype=torch.int64), ("all",))
        else:
            labels, class_names = check_labels(given, len(rows), f"embeddings: labels in {self._labels_shown(files)}")
        whole = Split(images=images, labels=labels)
        dataset = Dataset(
            name=self.name,
            train=whole,
            test=whole.subset(torch.arange(0)),
            class_names=class_names,
            mean=mean,
            std=std,
            label_values=class_names if given is not None else ("",),
            labelled=given is not None,
            pixel_range=(low, high),
            learn_on=self.learn_on,
        )
        return dataset if given is not None else with_pseudo_classes(dataset, self.clusters)

    def files(self) -> tuple[Path, ...]:
        """Returns the absolute files of the features.

        Raises:
            DataError: if there is none.
        """
        return shard_files(self.path, "dataset.path", self.name)

    def shards(self) -> Iterator[tuple[str, int, NDArray[Any] | None]]:
        """Yields of each file its name without the suffix, how many rows it has, and what they are called, or None.

        Raises:
            DataError: if a file is missing or damaged.
        """
        files = self.files()
        for file in files:
            if _in_tables(files):
                ids = read_column([file], self.id_column, ID_COLUMN)
                yield file.stem, count_rows(file), ids
            else:
                yield file.stem, len(map_array(file)), None

    def _check_columns(self, files: Sequence[Path]) -> None:
        if _in_tables(files):
            if self.id_column is not None:
                check_column(files, self.id_column)
            return
        columns = {"vectors": self.vectors, "label_column": self.label_column, "id_column": self.id_column}
        for key, column in columns.items():
            if column is not None:
                raise refuse(f"dataset.{key}", "null with .npy, which has no columns", column)

    def _labels(self, files: Sequence[Path]) -> NDArray[Any] | None:
        if _in_tables(files):
            if self.labels is not None:
                raise refuse("dataset.labels", "null with Parquet", str(self.labels), "name dataset.label_column")
            return read_column(files, self.label_column, LABEL_COLUMN)
        if self.labels is None:
            return None
        return read_labels(shard_files(self.labels, "dataset.labels", self.name))

    def _labels_shown(self, files: Sequence[Path]) -> str:
        return _shown(files if self.labels is None else shard_files(self.labels, "dataset.labels", self.name))


def _in_tables(files: Sequence[Path]) -> bool:
    return files[0].suffix == ".parquet"


def _shown(files: Sequence[Path]) -> str:
    return str(files[0]) if len(files) == 1 else f"{len(files)} files of {files[0].parent}"
