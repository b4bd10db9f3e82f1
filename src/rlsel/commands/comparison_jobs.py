"""What a comparison consists of: selections that share a target training, and trainings on what was selected."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.commands.datasets import read_dataset, read_further_datasets
from rlsel.cutting import peak_memory
from rlsel.data.dataset import Dataset
from rlsel.errors import RlselError
from rlsel.evaluation.robustness import FurtherDataset
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.evaluation.subset_training import train_on
from rlsel.files import read_array, write_json
from rlsel.making import make
from rlsel.runs.checkpoint import training_checkpoint
from rlsel.runs.folder import RunFolder, begun
from rlsel.runs.layout import training_settings
from rlsel.runs.metrics import MetricsFile
from rlsel.runs.plan import Planned
from rlsel.runs.settings import RunSettings
from rlsel.selectors.base import SelectionTask
from rlsel.training.devices import DeviceSettings
from rlsel.training.reporting import Reporter, SilentReporter

RESULT_FILE = "result.json"

USUAL_HOLDOUT = 0.2
"""Share that a comparison holds out of data without a test split, as in `conf/compare.yaml`."""


@dataclass(frozen=True, kw_only=True)
class SelectJob:
    """Selections of one seed, from one target training.

    Attributes:
        settings: Data, model, training and seed.
        cells: The coresets to make.
    """

    settings: RunSettings
    cells: tuple[Planned, ...]

    @property
    def title(self) -> str:
        """What is done, in a few words."""
        names = dict.fromkeys(cell.name for cell in self.cells)
        return f"selection by {', '.join(names)} with seed {self.settings.seed}"


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """One training on a part of the training split.

    Attributes:
        settings: Data, model, seed, and a training whose number of steps is settled.
        indices: The `indices.npy` of the part; None for all.
        sha256: Of that file, or of the one that would hold all positions.
        title: What is done, in a few words.
        folder: Where the result goes.
    """

    settings: RunSettings
    indices: Path | None
    sha256: str
    title: str
    folder: RunFolder


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Something that could not be done.

    Attributes:
        title: What, in a few words.
        reason: Why, in one line.
        by_user: Whether it is a user's mistake.
    """

    title: str
    reason: str
    by_user: bool

    def __str__(self) -> str:
        return f"{self.title}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class JobEnd:
    """How a job ended.

    Attributes:
        seconds: What it took.
        failures: What of it could not be done.
    """

    seconds: float
    failures: tuple[Failure, ...]


@dataclass(frozen=True, kw_only=True)
class JobWorker:
    """Does jobs; reads their data sets once.

    Attributes:
        settings: Names the data set.
        evaluation: What the trained models are measured on besides its test split.
        device: The hardware of each job.
        resume: Whether interrupted jobs are taken up again.
        reporter: Told what goes on.
    """

    settings: RunSettings
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    device: DeviceSettings
    resume: bool
    reporter: Reporter = field(default_factory=SilentReporter)

    @cached_property
    def dataset(self) -> Dataset:
        """The data set; the first use raises `DataError` if it is missing, damaged or unfit."""
        return read_dataset(self.settings, usual_holdout=USUAL_HOLDOUT)

    @cached_property
    def further(self) -> tuple[FurtherDataset, ...]:
        """What the models are measured on besides the test split; the first use raises as that of `dataset` does."""
        return read_further_datasets(self.evaluation, self.settings, self.dataset)

    def __call__(self, job: SelectJob | TrainJob) -> JobEnd:
        """Does a job, whatever it raises."""
        dataset = self.dataset
        start = time.monotonic()
        failures: list[Failure] = []
        try:
            if isinstance(job, SelectJob):
                self._select(job, dataset, failures)
            else:
                self._train(job, dataset)
        except Exception as error:  # noqa: BLE001 - the other jobs go on
            failures.append(_failure(job.title, error))
            folders = [job.folder] if isinstance(job, TrainJob) else [cell.folder for cell in job.cells]
            for folder in folders:
                _mark_failed(folder, error)
        return JobEnd(seconds=time.monotonic() - start, failures=tuple(failures))

    def _select(self, job: SelectJob, dataset: Dataset, failures: list[Failure]) -> None:
        def fail(cells: Sequence[Planned], error: Exception) -> None:
            for cell in cells:
                failures.append(_failure(cell_title(cell, job.settings.seed), error))
                _mark_failed(cell.folder, error)

        began = time.monotonic()
        with self.device.computing() as fabric:
            task = SelectionTask(
                dataset=dataset,
                model=job.settings.model,
                training=job.settings.training,
                purpose=job.settings.purpose,
                fabric=fabric,
                seed=job.settings.seed,
                reporter=self.reporter,
            )
            make(job.cells, task, began=began, resume=self.resume, on_failure=fail)

    def _train(self, job: TrainJob, dataset: Dataset) -> None:
        positions = dataset.train.in_source() if job.indices is None else torch.from_numpy(read_array(job.indices))
        places = dataset.places_in_train(positions).numpy()
        with (
            self.device.computing() as fabric,
            begun([job.folder], "train-on-subset", [self._recorded(job)]),
            training_checkpoint(job.folder.path, job.folder.digest, resume=self.resume) as checkpointing,
        ):
            metrics = MetricsFile(job.folder.path / "metrics.jsonl")
            result, _ = train_on(
                dataset,
                places,
                model=job.settings.model,
                settings=job.settings.training,
                fabric=fabric,
                seed=job.settings.seed,
                reporter=self.reporter,
                further=self.further,
                on_epoch=lambda record: metrics.append(record.training),
                checkpointing=checkpointing,
            )
            content = asdict(result) | {
                "mislabelled_kept": kept_share(places, dataset.train.mislabelled),
                "corrupted_kept": kept_share(places, dataset.train.corrupted),
                "peak_rss_bytes": peak_memory(),
            }
            write_json(job.folder.path / RESULT_FILE, content)
            job.folder.set_state("complete")

    def _recorded(self, job: TrainJob) -> dict[str, object]:
        source = "full" if job.indices is None else str(job.indices.parent)
        return {**training_settings(job.settings, job.sha256, self.evaluation), "coreset": source}


def cell_title(cell: Planned, seed: int) -> str:
    """Returns what a selection is called in a message."""
    return f"selection by {cell.name} at ratio {cell.wanted.ratio:g} with seed {seed}"


def kept_share(indices: NDArray[np.int64], marked: Tensor | None) -> float | None:
    """Returns the share of the marked samples that is among the indices; None where nothing is marked.

    Args:
        indices: (K,) places in the training split.
        marked: (N,) bool; None for no marks.
    """
    if marked is None or not marked.any():
        return None
    flags = marked.numpy()
    return float(flags[indices].sum() / flags.sum())


def _mark_failed(folder: RunFolder, error: Exception) -> None:
    if folder.path.is_dir() and not folder.complete:
        folder.set_state("failed", str(error) if isinstance(error, RlselError) else _traceback(error))


def _traceback(error: Exception) -> str:
    return "".join(traceback.format_exception(error))


def _failure(title: str, error: Exception) -> Failure:
    by_user = isinstance(error, RlselError)
    text = str(error) if by_user else f"{type(error).__name__}: {error}"
    return Failure(title=title, reason=" ".join(text.split()), by_user=by_user)
