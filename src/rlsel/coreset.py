"""The artefact: which samples of a data set are kept, why, and from where. NumPy only; loads without torch.

A folder with a complete `coreset.json` holds a coreset: that file is written last, but for the checksums of all.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rlsel.checks import number_between, refuse
from rlsel.errors import CoresetError
from rlsel.export import choose
from rlsel.files import make_folder, read_array, remove_file, write_array, write_json
from rlsel.provenance import JsonObject, Provenance
from rlsel.run_files import SUMS_FILE, require_intact, seal
from rlsel.selection_table import read_paths, write_table

if TYPE_CHECKING:
    from torch.utils.data import Dataset, Subset

SCHEMA_VERSION = 2
"""Version 1 counted positions inside the part of the data that was selected from."""

INDICES_FILE, SCORES_FILE, LABELS_FILE, HARDNESS_FILE = "indices.npy", "scores.npy", "labels.npy", "hardness.npy"
HELD_OUT_FILE, TABLE_FILE, RECORD_FILE = "held_out.npy", "selected.csv", "coreset.json"
NEAR_DUPLICATES_FILE = "near_duplicates.npy"
MOST_ROWS = 1_000_000
"""Samples up to which a table is written unasked; `rlsel export format=csv` writes any."""

_ARRAY_FILES = (INDICES_FILE, SCORES_FILE, LABELS_FILE, HARDNESS_FILE, NEAR_DUPLICATES_FILE, HELD_OUT_FILE)

_REMEDY = "give the folder that `rlsel select` printed, or the indices.npy in it"

Item = TypeVar("Item")


class Companion(Protocol):
    """Something that is kept in the folder of a coreset."""

    def save(self, folder: Path) -> None:
        """Writes its files into an existing folder."""
        ...


class Surroundings(Protocol):
    """What else a command writes into the folder of a coreset: settings, state, measurements."""

    def around(self, folder: Path) -> AbstractContextManager[None]:
        """Writes the files into an existing folder; those that say that it is complete, after the block."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Coreset:
    """The samples of a data set that are worth training on.

    Every position is one in what the user gave, in its own order: rows of a file, `ImageFolder(root).samples`, the
    training split of a public data set. Of its N samples, M were candidates; the others (held out, in another part,
    beyond a smaller size, not read) have no score.

    Attributes:
        indices: (K,) int64 kept positions, ascending, unique.
        scores: (N,) float32; high = keep, for every selector; NaN for what was no candidate.
        labels: (N,) int64 classes, as they were when the selection was made; -1 for what is not read.
        provenance: Where it comes from.
        hardness: (N,) float32, high = hard, where `export.trim_hardest` goes by something else than the score; NaN
            like the scores.
        near_duplicates: (N,) int64, equal for samples that are near-duplicates of one another: the lowest of their
            positions, the own one of any other sample; None where the selector found none or did not look.
        held_out: (H,) int64 positions of the samples that a test split was made of, ascending.
        paths: N paths of the images, relative to the root of the data set; None where there are none, and after
            loading, when `image_paths` reads them.
        policy: What learned it, where that can judge other samples (`rlsel.apply`); None after loading.
        run: What the command line would have written beside it, for a coreset that was made without a folder; None for
            another cut of it, and after loading.
        folder: Where it was loaded from; None for one that was not.
        cut_from: Where the one was loaded from that it is another cut of; None for one that is not.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    provenance: Provenance
    hardness: NDArray[np.float32] | None = None
    near_duplicates: NDArray[np.int64] | None = None
    held_out: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    paths: Sequence[str] | None = None
    policy: Companion | None = None
    run: Surroundings | None = None
    folder: Path | None = None
    cut_from: Path | None = None

    def __post_init__(self) -> None:
        dataset = self.provenance.dataset
        _require_vector("scores", self.scores, np.float32, dataset.size)
        _require_positions("indices", self.indices, dataset.size)
        if not len(self.indices):
            raise ValueError("indices must keep at least one sample")
        candidate = np.isfinite(self.scores)
        if np.isinf(self.scores).any() or np.count_nonzero(candidate) != dataset.candidates:
            raise ValueError(f"scores must be finite for the {dataset.candidates} candidates, and NaN for all others")
        if not candidate[self.indices].all():
            raise ValueError("indices must be candidates, which have a score")
        _require_vector("labels", self.labels, np.int64, dataset.size)
        if self.labels.min() < -1 or self.labels.max() >= dataset.num_classes or self.labels[candidate].min() < 0:
            raise ValueError(f"labels must be below the {dataset.num_classes} classes of the data set")
        if self.hardness is not None:
            _require_vector("hardness", self.hardness, np.float32, dataset.size)
            if not np.isfinite(self.hardness[candidate]).all():
                raise ValueError("hardness must be finite for the candidates")
        if self.near_duplicates is not None:
            _require_vector("near_duplicates", self.near_duplicates, np.int64, dataset.size)
        _require_positions("held_out", self.held_out, dataset.size)
        if candidate[self.held_out].any():
            raise ValueError("held_out must be no candidates")
        if self.provenance.ratio.achieved != len(self) / dataset.candidates:
            raise ValueError(
                f"ratio.achieved must be {len(self) / dataset.candidates}, got {self.provenance.ratio.achieved}"
            )

    @property
    def candidates(self) -> NDArray[np.int64]:
        """(M,) positions that were selected from, ascending."""
        return np.flatnonzero(np.isfinite(self.scores)).astype(np.int64)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def has_table(self) -> bool:
        """Whether its folder has `selected.csv`: not for more than a million samples, unless it names their files."""
        return self.paths is not None or len(self.scores) <= MOST_ROWS

    @property
    def class_counts(self) -> tuple[int, ...]:
        """How many samples of each of the C classes are kept."""
        counts = np.bincount(self.labels[self.indices], minlength=self.provenance.dataset.num_classes)
        return tuple(counts.tolist())

    def image_paths(self) -> Sequence[str] | None:
        """Returns the N paths of the images, which a loaded coreset keeps in its table; None where it has none.

        Raises:
            CoresetError: if the table is missing or damaged.
        """
        folder = self.folder or self.cut_from
        if self.paths is not None or folder is None:
            return self.paths
        table = folder / TABLE_FILE
        if not table.exists() and not self.has_table:
            return None
        try:
            return read_paths(table, len(self.scores))
        except OSError as error:
            raise CoresetError(f"cannot read {table}: {error.strerror or error}: select again") from error
        except ValueError as error:
            raise CoresetError(f"{table} is damaged ({error}): select again") from error

    @property
    def indices_sha256(self) -> str:
        """The SHA-256 of the file `indices.npy`, in hexadecimal digits."""
        return indices_sha256(self.indices)

    def save(self, folder: Path | str) -> None:
        """Writes the folder of the coreset: of its own files `coreset.json` last, and then the checksums of all.

        One that was made in memory writes the whole run folder, from which the commands go on: `rlsel apply run=`,
        `rlsel finetune-ratio run=`, `rlsel train-on-subset coreset=`.

        Args:
            folder: Made where it does not exist; a coreset that is in it already is replaced.

        Raises:
            ConfigurationError: for an empty text, which would be the working folder.
            StorageError: if it cannot be written, or another process works in it.
        """
        if folder == "":
            raise refuse("folder", "the path of a folder", folder, "a dot stands for the working folder")
        folder = make_folder(Path(folder))
        with nullcontext() if self.run is None else self.run.around(folder):
            self._write(folder)

    def _write(self, folder: Path) -> None:
        paths = self.image_paths()
        for stale in (SUMS_FILE, RECORD_FILE, HARDNESS_FILE, NEAR_DUPLICATES_FILE, HELD_OUT_FILE, TABLE_FILE):
            remove_file(folder / stale)
        if self.policy is not None:
            self.policy.save(folder)
        write_array(folder / INDICES_FILE, self.indices)
        write_array(folder / SCORES_FILE, self.scores)
        write_array(folder / LABELS_FILE, self.labels)
        if self.hardness is not None:
            write_array(folder / HARDNESS_FILE, self.hardness)
        if self.near_duplicates is not None:
            write_array(folder / NEAR_DUPLICATES_FILE, self.near_duplicates)
        if len(self.held_out):
            write_array(folder / HELD_OUT_FILE, self.held_out)
        if self.has_table:
            write_table(
                folder / TABLE_FILE,
                self.indices,
                scores=self.scores,
                labels=self.labels,
                label_values=self.provenance.dataset.label_values,
                class_names=self.provenance.dataset.class_names,
                paths=paths,
            )
        write_json(folder / RECORD_FILE, self._record())
        seal(folder)

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
        require_intact(folder, RECORD_FILE, *_ARRAY_FILES)
        record = JsonObject(json.loads((folder / RECORD_FILE).read_text(encoding="utf-8")))
        version = record.value("schema_version")
        if version != SCHEMA_VERSION:
            raise CoresetError(
                f"{folder} has schema_version {version!r}, this rlsel reads {SCHEMA_VERSION}: select again, since "
                "positions of earlier versions count inside a part of the data"
            )
        if record.value("kept") is not True:
            raise ValueError("kept must be true: the indices are those of the samples to keep")
        hardness, groups, held_out = (
            read_array(folder / name) if (folder / name).is_file() else None
            for name in (HARDNESS_FILE, NEAR_DUPLICATES_FILE, HELD_OUT_FILE)
        )
        coreset = cls(
            indices=read_array(folder / INDICES_FILE),
            scores=read_array(folder / SCORES_FILE),
            labels=read_array(folder / LABELS_FILE),
            provenance=Provenance.from_json(record),
            hardness=hardness,
            near_duplicates=groups,
            held_out=np.zeros(0, dtype=np.int64) if held_out is None else held_out,
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
            size: N, the samples that the user gave; None for unknown.
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

    def check_candidates(self, positions: NDArray[np.int64]) -> None:
        """Refuses another part of the data set than the one selected from.

        Args:
            positions: (M,) ascending positions of the candidates.

        Raises:
            CoresetError: if they differ.
        """
        if not np.array_equal(self.candidates, positions):
            raise CoresetError(
                f"the coreset was selected from {len(self.candidates)} of the {len(self.scores)} samples, now there "
                f"are {len(positions)} candidates, or others: give the settings of dataset. that it was selected with"
            )

    def subset(self, dataset: Dataset[Item]) -> Subset[Item]:
        """Returns the kept samples of a map-style torch data set: of all that the user gave, in the same order.

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
        candidates = self.candidates
        chosen = choose(
            self.scores[candidates],
            kind=recorded.score.kind,
            ratio=ratio,
            settings=recorded.export,
            labels=self.labels[candidates],
            hardness=None if self.hardness is None else self.hardness[candidates],
            seed=recorded.seed,
            policy=recorded.score.policy,
            groups=None if self.near_duplicates is None else self.near_duplicates[candidates],
        )
        indices, achieved = candidates[chosen], len(chosen) / len(candidates)
        provenance = replace(
            recorded,
            ratio=replace(recorded.ratio, requested=float(ratio), achieved=achieved),
            parent=recorded.parent if self.folder is None else str(self.folder),
        )
        origin = self.folder or self.cut_from
        return replace(self, indices=indices, provenance=provenance, run=None, folder=None, cut_from=origin)


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


def _require_positions(name: str, positions: NDArray[Any], size: int) -> None:
    if positions.ndim != 1 or positions.dtype != np.int64:
        raise ValueError(f"{name} must be (K,) int64, got {positions.shape} {positions.dtype}")
    if len(positions) and (positions[0] < 0 or (np.diff(positions) <= 0).any() or positions[-1] >= size):
        raise ValueError(f"{name} must be ascending, unique, and in [0, {size})")


def _require_vector(name: str, array: NDArray[Any], dtype: type[np.generic], size: int) -> None:
    if array.shape != (size,) or array.dtype != dtype:
        allowed = f"({size},) {np.dtype(dtype)}"
        raise ValueError(f"{name} must be {allowed}, got {array.shape} {array.dtype}")
