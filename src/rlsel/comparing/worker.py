"""What does the jobs of a comparison, in this process or in others beside it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.comparing.jobs import Failure, Job, JobEnd, SelectJob, TrainJob
from rlsel.cutting import peak_memory
from rlsel.data.dataset import Dataset
from rlsel.errors import RlselError
from rlsel.evaluation.robustness import FurtherDataset
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.evaluation.subset_training import train_on
from rlsel.files import read_array
from rlsel.making import make
from rlsel.run_files import seal
from rlsel.runs.checkpoint import training_checkpoint
from rlsel.runs.compared_training import write_compared_training
from rlsel.runs.datasets import read_dataset, read_further_datasets
from rlsel.runs.folder import RunFolder, begun
from rlsel.runs.layout import training_settings
from rlsel.runs.locking import held
from rlsel.runs.metrics import METRICS_FILE, MetricsFile
from rlsel.runs.plan import Planned
from rlsel.runs.settings import RunSettings
from rlsel.selectors.base import SelectionTask
from rlsel.training.devices import DeviceSettings
from rlsel.training.reporting import Reporter, SilentReporter

USUAL_HOLDOUT = 0.2
"""Share that a comparison holds out of data without a test split, as in `conf/compare.yaml`."""


@dataclass(frozen=True, kw_only=True)
class JobWorker:
    """Does jobs; reads their data sets once.

    Attributes:
        settings: Data set, model, training and seed that the jobs start from; names the data set.
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

    def __call__(self, job: Job) -> JobEnd:
        """Does a job, whatever it raises."""
        dataset = self.dataset
        start = time.monotonic()
        failures: list[Failure] = []
        try:
            self._wait_for(job)
            if isinstance(job, SelectJob):
                self._select(job, dataset, failures)
            else:
                self._train(job, dataset)
        except Exception as error:  # noqa: BLE001 - the other jobs go on
            failures.append(Failure.of(job.title, error))
            for folder in job.folders:
                _mark_failed(folder, error)
        return JobEnd(seconds=time.monotonic() - start, failures=tuple(failures))

    def _wait_for(self, job: Job) -> None:
        """Waits until the processes of a comparison that was killed, which end by themselves, are out of the way."""
        for folder in job.folders:
            if folder.path.is_dir():
                with held(folder.path, on_wait=lambda: self.reporter.note(f"{job.title}: waits for another process")):
                    pass

    def _select(self, job: SelectJob, dataset: Dataset, failures: list[Failure]) -> None:
        def fail(planned: Sequence[Planned], error: Exception) -> None:
            for one in planned:
                failures.append(Failure.of(job.title_of(one), error))
                _mark_failed(one.folder, error)

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
            make(job.planned, task, began=began, resume=self.resume, request=job.request, on_failure=fail)

    def _train(self, job: TrainJob, dataset: Dataset) -> None:
        positions = dataset.train.in_source() if job.indices is None else torch.from_numpy(read_array(job.indices))
        places = dataset.places_in_train(positions).numpy()
        folder = job.folder
        with (
            self.device.computing() as fabric,
            begun([folder], "train-on-subset", [self._recorded(job)]),
            training_checkpoint(folder.path, folder.digest, resume=self.resume) as checkpointing,
        ):
            metrics = MetricsFile(folder.path / METRICS_FILE)
            result, _ = train_on(
                dataset,
                places,
                model=job.settings.model,
                settings=job.settings.training,
                fabric=fabric,
                seed=job.settings.seed,
                reporter=self.reporter,
                dynamic=job.settings.dynamic,
                further=self.further,
                on_epoch=lambda record: metrics.append(record.training),
                checkpointing=checkpointing,
            )
            write_compared_training(
                folder.path,
                result,
                mislabelled_kept=kept_share(places, dataset.train.mislabelled),
                corrupted_kept=kept_share(places, dataset.train.corrupted),
                peak_rss_bytes=peak_memory(),
            )
            seal(folder.path)
            folder.set_state("complete")

    def _recorded(self, job: TrainJob) -> Mapping[str, Any]:
        source = "full" if job.indices is None else str(job.indices.parent)
        return {**training_settings(job.settings, job.sha256, self.evaluation), "coreset": source}


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
