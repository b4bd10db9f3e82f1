"""The artefact: which samples of a data set are kept, why, and from where. NumPy only; loads without torch.

A folder with a complete `coreset.json` holds a coreset: that file is written last.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rlsel.checks import number_between
from rlsel.errors import CoresetError
from rlsel.export import choose
from rlsel.files import make_folder, read_array, remove_file, write_array, write_json
from rlsel.provenance import JsonObject, Provenance
from rlsel.selection_table import read_labels, write_table

if TYPE_CHECKING:
    from torch.utils.data import Dataset, Subset

SCHEMA_VERSION = 1

INDICES_FILE, SCORES_FILE, HARDNESS_FILE = "indices.npy", "scores.npy", "hardness.npy"
TABLE_FILE, RECORD_FILE = "selected.csv", "coreset.json"

_REMEDY = "give the folder that `rlsel select` printed, or the indices.npy in it"

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True, eq=False)
class Coreset:
    """The samples of a training split that are worth keeping.

    Attributes:
        indices: (K,) int64 kept positions in the training split, ascending, unique.
        scores: (N,) float32, in data set order; high = keep, for every selector.
        labels: (N,) int64 classes, as they were when the selection was made.
        provenance: Where it comes from.
        hardness: (N,) float32, high = hard, where `export.trim_hardest` goes by something else than the score.
        folder: Where it was loaded from; None for one that was not.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    provenance: Provenance
    hardness: NDArray[np.float32] | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        size = self.provenance.dataset.size
        _require_indices(self.indices)
        if self.indices[-1] >= size:
            raise ValueError(f"indices must be below the {size} samples of the data set, got {self.indices[-1]}")
        _require_vector("scores", self.scores, np.float32, size)
        _require_vector("labels", self.labels, np.int64, size)
        if self.labels.min() < 0 or self.labels.max() >= self.provenance.dataset.num_classes:
            raise ValueError(f"labels must be below the {self.provenance.dataset.num_classes} classes of the data set")
        if self.hardness is not None:
            _require_vector("hardness", self.hardness, np.float32, size)
        if self.provenance.ratio.achieved != len(self) / size:
            raise ValueError(f"ratio.achieved must be {len(self) / size}, got {self.provenance.ratio.achieved}")

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def class_counts(self) -> tuple[int, ...]:
        """How many samples of each of the C classes are kept."""
        counts = np.bincount(self.labels[self.indices], minlength=self.provenance.dataset.num_classes)
        return tuple(counts.tolist())

    @property
    def indices_sha256(self) -> str:
        """The SHA-256 of the file `indices.npy`, in hexadecimal digits."""
        return indices_sha256(self.indices)

    def save(self, folder: Path | str, *, paths: Sequence[str] | None = None) -> None:
        """Writes the folder of the coreset, `coreset.json` last.

        Args:
            folder: Made where it does not exist; a coreset that is in it already is replaced.
            paths: N paths of the images, for `selected.csv`.

        Raises:
            StorageError: if it cannot be written.
        """
        folder = make_folder(Path(folder))
        for stale in (RECORD_FILE, HARDNESS_FILE):
            remove_file(folder / stale)
        write_array(folder / INDICES_FILE, self.indices)
        write_array(folder / SCORES_FILE, self.scores)
        if self.hardness is not None:
            write_array(folder / HARDNESS_FILE, self.hardness)
        write_table(folder / TABLE_FILE, self.indices, scores=self.scores, labels=self.labels, paths=paths)
        write_json(folder / RECORD_FILE, self._record())

    def _record(self) -> Mapping[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "kept": True,
            **self.provenance.to_json(),
            "num_selected": len(self),
            "class_counts": list(self.class_counts),
            "indices_sha256": self.indices_sha256,
        }

    @classmethod
    def load(cls, run: Path | str) -> Coreset:
        """Loads and checks the coreset of a run.

        Args:
            run: The run's folder, or the `indices.npy` or `coreset.json` in it.

        Raises:
            CoresetError: if there is none, or if it is damaged.
        """
        given = Path(run)
        with _reading(given):
            folder = given.parent if given.name in (INDICES_FILE, RECORD_FILE) and given.is_file() else given
            if not (folder / RECORD_FILE).is_file():
                raise CoresetError(f"{given} is no coreset: {_why_no_coreset(folder)}")
        with _reading(folder):
            return cls._load(folder)

    @classmethod
    def _load(cls, folder: Path) -> Coreset:
        record = JsonObject(json.loads((folder / RECORD_FILE).read_text(encoding="utf-8")))
        version = record.value("schema_version")
        if version != SCHEMA_VERSION:
            raise ValueError(f"schema_version must be {SCHEMA_VERSION}, got {version!r}; another rlsel wrote it")
        if record.value("kept") is not True:
            raise ValueError("kept must be true: the indices are those of the samples to keep")
        hardness = folder / HARDNESS_FILE
        coreset = cls(
            indices=read_array(folder / INDICES_FILE),
            scores=read_array(folder / SCORES_FILE),
            labels=read_labels(folder / TABLE_FILE),
            provenance=Provenance.from_json(record),
            hardness=read_array(hardness) if hardness.is_file() else None,
            folder=folder,
        )
        for key, found in (
            ("indices_sha256", coreset.indices_sha256),
            ("num_selected", len(coreset)),
            ("class_counts", list(coreset.class_counts)),
        ):
            if record.value(key) != found:
                raise ValueError(f"{key} is {record.value(key)!r} in {RECORD_FILE} but {found!r} in the other files")
        return coreset

    def check(self, *, size: int | None = None, fingerprint: str | None = None) -> None:
        """Refuses a data set that the coreset was not selected from.

        Args:
            size: The samples of its training split; None for unknown.
            fingerprint: Its fingerprint; None for unknown.

        Raises:
            CoresetError: if one of them differs.
        """
        own = self.provenance.dataset
        remedy = "give the data set and the settings that it was selected with"
        if size is not None and size != own.size:
            raise CoresetError(
                f"the coreset was selected from {own.size} samples ({own.name}), the data set has {size}: {remedy}"
            )
        if fingerprint is not None and fingerprint != own.fingerprint:
            raise CoresetError(
                f"the coreset was selected from {own.name} with fingerprint {own.fingerprint[:12]}, the data set has "
                f"{fingerprint[:12]} (other images, labels or order): {remedy}"
            )

    def subset(self, dataset: Dataset[Item]) -> Subset[Item]:
        """Returns the kept samples of a map-style torch data set.

        Raises:
            CoresetError: if the data set has another size than the one selected from.
        """
        from torch.utils.data import Subset

        self.check(size=len(dataset))  # type: ignore[arg-type] # a map-style data set has a length
        return Subset(dataset, self.indices.tolist())

    def at_ratio(self, ratio: float) -> Coreset:
        """Cuts the recorded scores at another ratio, with the recorded seed and export settings; trains nothing.

        For a selector that scores without looking at the ratio, this is the coreset that it selects at that ratio.
        The scores of a policy were learned for one ratio; another cut of its logits is a fair approximation near it,
        and `rlsel finetune-ratio` adapts the policy itself.

        Returns:
            A coreset that is not saved; its `settings_hash` and times are those of the run that scored.

        Raises:
            ConfigurationError: if the ratio is outside (0, 1] or keeps nothing.
            CoresetError: if the recorded export is a threshold, which no ratio moves.
        """
        number_between("ratio", ratio, 0, 1, low_open=True)
        recorded = self.provenance
        if recorded.export.mode == "threshold":
            raise CoresetError(
                "at_ratio needs scores that are cut by a ratio, got a coreset of export.mode=threshold: "
                "select again with export.mode=topk"
            )
        indices = choose(
            self.scores,
            kind=recorded.score.kind,
            ratio=ratio,
            settings=recorded.export,
            labels=self.labels,
            hardness=self.hardness,
            seed=recorded.seed,
            policy=recorded.score.policy,
        )
        achieved = len(indices) / len(self.scores)
        provenance = replace(
            recorded,
            ratio=replace(recorded.ratio, requested=float(ratio), achieved=achieved),
            parent=recorded.parent if self.folder is None else str(self.folder),
        )
        return replace(self, indices=indices, provenance=provenance, folder=None)


def load_indices(path: Path | str) -> tuple[NDArray[np.int64], Coreset | None]:
    """Loads what a person may give as a coreset: a run, or any `.npy` of kept positions.

    Args:
        path: A run's folder or a file; a `coreset.json`, and an `indices.npy` beside it, count as the run.

    Returns:
        The (K,) int64 positions, ascending and unique, and the coreset where they belong to a run. Without one, that
        they fit a data set is for `require_within` to check.

    Raises:
        CoresetError: if there is no such coreset, or if it is damaged.
    """
    given = Path(path)
    with _reading(given):
        of_a_run = given.name in (INDICES_FILE, RECORD_FILE) and (given.parent / RECORD_FILE).is_file()
        bare = given.is_file() and not of_a_run
    if not bare:
        coreset = Coreset.load(given)
        return coreset.indices, coreset
    with _reading(given):
        indices = read_array(given)
        _require_indices(indices)
    return indices, None


def require_within(indices: NDArray[np.int64], size: int) -> None:
    """Refuses kept positions beyond a data set of `size` samples.

    Raises:
        CoresetError: in that case.
    """
    if indices[-1] >= size:
        raise CoresetError(
            f"the coreset keeps sample {indices[-1]}, the data set has {size}: give the data set it was selected from"
        )


def indices_sha256(indices: NDArray[np.int64]) -> str:
    """Returns the SHA-256, in hexadecimal digits, of the `.npy` file that holds the (K,) positions."""
    file = io.BytesIO()
    np.save(file, indices, allow_pickle=False)
    return hashlib.sha256(file.getvalue()).hexdigest()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns whatever a missing or damaged file causes into one line about `path`."""
    try:
        yield
    except OSError as error:
        raise CoresetError(f"cannot read {error.filename or path}: {error.strerror or error}: {_REMEDY}") from error
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise CoresetError(f"{path} is damaged ({reason}): select again, or {_REMEDY}") from error


def _why_no_coreset(folder: Path) -> str:
    if not folder.exists():
        return f"it does not exist; {_REMEDY}"
    if not folder.is_dir():
        return f"it is neither a folder nor an indices.npy; {_REMEDY}"
    if cell := next(folder.glob(f"*/*/{RECORD_FILE}"), None):
        return f"it holds several runs; give one of them, for example {cell.parent}"
    return f"it has no {RECORD_FILE}, so the run did not finish or was none; {_REMEDY}"


def _require_indices(indices: NDArray[Any]) -> None:
    if indices.ndim != 1 or indices.dtype != np.int64 or not len(indices):
        raise ValueError(f"indices must be (K,) int64 with K of at least 1, got {indices.shape} {indices.dtype}")
    if indices[0] < 0 or (np.diff(indices) <= 0).any():
        raise ValueError("indices must be ascending, unique and not negative")


def _require_vector(name: str, array: NDArray[Any], dtype: type[np.generic], size: int) -> None:
    if array.shape != (size,) or array.dtype != dtype:
        allowed = f"({size},) {np.dtype(dtype)}"
        raise ValueError(f"{name} must be {allowed}, got {array.shape} {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
