"""The state of a comparison: which of its cells are done, what can be done next, and what came out."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlsel.commands.comparison_jobs import (
    RESULT_FILE,
    Failure,
    JobEnd,
    SelectJob,
    TrainJob,
)
from rlsel.commands.requests import CompareRequest, SelectRequest
from rlsel.commands.select import plan
from rlsel.coreset import INDICES_FILE, RECORD_FILE, indices_sha256
from rlsel.data.dataset import Dataset
from rlsel.evaluation.comparison import FULL, RANDOM, Run
from rlsel.evaluation.statistics import mean_overlap
from rlsel.files import make_folder, read_array
from rlsel.models.target import ModelSpec
from rlsel.provenance import JsonObject
from rlsel.runs.folder import RunFolder, cell_name, to_make
from rlsel.runs.layout import settings_hash, training_settings
from rlsel.runs.plan import Planned
from rlsel.runs.settings import RunSettings
from rlsel.training.reporting import Reporter

Job = SelectJob | TrainJob


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """A part of the data that is trained on: a finished selection, or all of the data.

    Attributes:
        selector: Its name, or that of the row.
        ratio: The keep ratio.
        seed: Of selection and training.
        size: Samples.
        sha256: Of its `indices.npy`.
        folder: Of the selection; None for all of the data.
        seconds: Of the selection; None for all of the data.
        peak_rss_bytes: Of the selection.
        thresholded: Of a policy.
    """

    selector: str
    ratio: float
    seed: int
    size: int
    sha256: str
    folder: Path | None = None
    seconds: float | None = None
    peak_rss_bytes: int = 0
    thresholded: float | None = None


class Comparison:
    """Plans the cells of a comparison and keeps the account of them.

    A training is known by the hash of its settings, the kept positions among them, so that two selections of the same
    samples are trained on once.
    """

    def __init__(self, request: CompareRequest, folder: Path, dataset: Dataset, reporter: Reporter) -> None:
        """Plans.

        Args:
            request: What is compared.
            folder: Where the cells lie.
            dataset: What is selected from and trained on.
            reporter: Told each cell that is done.

        Raises:
            ConfigurationError: if an export does not fit a selector.
        """
        self._request, self._folder, self._reporter = request, folder, reporter
        self._again = request.options.resume == "never"
        self._size = len(dataset.train)
        self._models = request.train_models or (request.settings.model,)
        self._everything = indices_sha256(dataset.train.in_source().numpy())
        self.full_steps = request.settings.training.total_steps(self._size)
        self._cells = {seed: self._plan(seed) for seed in request.seeds}
        self._chosen: dict[tuple[str, float, int], _Chosen] = {}
        self._digests: dict[tuple[str, str, float, int], str] = {}
        self._trainings: dict[str, RunFolder] = {}
        self._scheduled: set[str] = set()
        self._done: set[str] = set()
        self._train_seconds: list[float] = []
        self._select_seconds: list[float] = []
        self._selections_left = 0
        self._lost = 0
        self.failures: list[Failure] = []

    def _plan(self, seed: int) -> list[Planned]:
        request = self._request
        cells: list[Planned] = []
        for row in request.rows:
            wanted = SelectRequest(
                settings=replace(request.settings, seed=seed),
                selectors=(row.selector,),
                ratios=request.ratios,
                export=row.export,
                options=replace(request.options, run_dir=self._folder / "cells" / "select", several=True),
            )
            cells += plan(wanted, row=row.name)
        return cells

    def begin(self) -> list[Job]:
        """Takes account of what is done already, and returns the jobs that can be done at once."""
        for path in sorted(self._folder.glob("cells/train/*/*/*")):
            digest = path.name.rpartition("_")[2]
            self._trainings.setdefault(digest, RunFolder(path=path, digest=digest))
        selections: list[Job] = []
        trainings: list[Job] = []
        for seed, cells in self._cells.items():
            trainings += self._choose(
                _Chosen(selector=FULL, ratio=1.0, seed=seed, size=self._size, sha256=self._everything)
            )
            missing = to_make(cells, again=self._again)
            selections += self._selections(seed, missing)
            for cell in cells:
                if cell not in missing:
                    trainings += self._choose(_read(cell, seed))
        # what others wait for goes first, and random waits for nothing
        selections.sort(key=lambda job: isinstance(job, SelectJob) and job.cells[0].wanted.selector.name == RANDOM)
        self._selections_left = len(selections)
        if self._done:
            self._reporter.note(f"{self._finished}/{self._total} trainings are there already")
        return selections + trainings

    def _selections(self, seed: int, missing: Sequence[Planned]) -> list[SelectJob]:
        settings = replace(self._request.settings, seed=seed)
        for cell in missing:
            # not left to the processes: one whose run is refused removes the folders that it made, with all in them
            make_folder(cell.folder.path.parent)
        of_random = tuple(cell for cell in missing if cell.wanted.selector.name == RANDOM)
        others = tuple(cell for cell in missing if cell.wanted.selector.name != RANDOM)
        return [SelectJob(settings=settings, cells=cells) for cells in (of_random, others) if cells]

    def _choose(self, chosen: _Chosen) -> list[TrainJob]:
        """Takes account of a part of the data, and returns the trainings on it that are not done."""
        self._chosen[chosen.selector, chosen.ratio, chosen.seed] = chosen
        jobs = []
        for model in self._models:
            settings = self._training_on(chosen, model)
            digest = settings_hash(training_settings(settings, chosen.sha256, self._request.evaluation))
            self._digests[model.name, chosen.selector, chosen.ratio, chosen.seed] = digest
            if digest not in self._trainings:
                parent = self._folder / "cells" / "train" / model.name / chosen.selector
                path = parent / cell_name(chosen.ratio, chosen.seed, digest)
                self._trainings[digest] = RunFolder(path=path, digest=digest)
            folder = self._trainings[digest]
            if digest in self._scheduled | self._done:
                continue
            if folder.complete and not self._again:
                self._done.add(digest)
                continue
            self._scheduled.add(digest)
            make_folder(folder.path.parent)
            jobs.append(
                TrainJob(
                    settings=settings,
                    indices=None if chosen.folder is None else chosen.folder / INDICES_FILE,
                    sha256=chosen.sha256,
                    title=f"{model.name} {chosen.selector} ratio {chosen.ratio:g} seed {chosen.seed}",
                    folder=folder,
                )
            )
        return jobs

    def _training_on(self, chosen: _Chosen, model: ModelSpec) -> RunSettings:
        settings = self._request.settings
        size = self._size if self._request.budget == "steps" else chosen.size
        training = replace(settings.training, steps=settings.training.total_steps(size))
        return replace(settings, model=model, training=training, seed=chosen.seed)

    def end(self, job: Job, result: JobEnd | None) -> Sequence[Job]:
        """Takes account of a job that ended, and returns those that can be done now.

        Args:
            job: The job.
            result: How it ended; None where its process died.
        """
        if result is None:
            reason = "its process was killed, perhaps for want of memory"
            result = JobEnd(seconds=0.0, failures=(Failure(title=job.title, reason=reason, by_user=False),))
        for failure in result.failures:
            self.failures.append(failure)
            self._reporter.note(f"failed: {failure}")
        if isinstance(job, SelectJob):
            return self._end_selection(job, result)
        if result.failures:
            self._lost += 1
            return ()
        self._done.add(job.folder.digest)
        self._train_seconds.append(result.seconds)
        accuracy = _read_result(job.folder).number("top1_last")
        self._reporter.note(
            f"{self._finished}/{self._total} {job.title}: accuracy {accuracy:.4f} in {result.seconds:.1f} s, "
            f"{self._time_left()} left"
        )
        return ()

    def _end_selection(self, job: SelectJob, result: JobEnd) -> Sequence[Job]:
        self._selections_left -= 1
        self._select_seconds.append(result.seconds)
        ready = [cell for cell in job.cells if cell.folder.complete]
        self._lost += (len(job.cells) - len(ready)) * len(self._models)
        if ready:
            self._reporter.note(f"{job.title}: {result.seconds:.1f} s")
        return [training for cell in ready for training in self._choose(_read(cell, job.settings.seed))]

    @property
    def _total(self) -> int:
        chosen = len(self._request.seeds) * (1 + len(self._request.rows) * len(self._request.ratios))
        return chosen * len(self._models)

    @property
    def _finished(self) -> int:
        return sum(digest in self._done for digest in self._digests.values())

    def _time_left(self) -> str:
        trainings = (self._total - self._finished - self._lost) * statistics.fmean(self._train_seconds)
        selections = self._selections_left * statistics.fmean(self._select_seconds) if self._select_seconds else 0.0
        minutes, seconds = divmod(round((trainings + selections) / self._request.options.jobs), 60)
        return f"{minutes}:{seconds:02d}"

    def runs(self) -> list[Run]:
        """Returns the runs that are done: by model, `full` first, then selectors, ratios and seeds as asked for."""
        order = [(FULL, 1.0), *((row.name, ratio) for row in self._request.rows for ratio in self._request.ratios)]
        wanted = [
            (model.name, selector, ratio, seed)
            for model in self._models
            for selector, ratio in order
            for seed in self._request.seeds
        ]
        return [self._run(key) for key in wanted if self._digests.get(key) in self._done]

    def _run(self, key: tuple[str, str, float, int]) -> Run:
        chosen = self._chosen[key[1:]]
        result = _read_result(self._trainings[self._digests[key]])
        names = self._request.evaluation.measured
        return Run(
            selector=chosen.selector,
            ratio=chosen.ratio,
            seed=chosen.seed,
            model=key[0],
            accuracy=result.number("top1_last"),
            top5=result.number("top5_last"),
            best_accuracy=result.number("top1_best"),
            worst_class_accuracy=result.number("worst_class_last"),
            select_seconds=chosen.seconds,
            train_seconds=result.number("seconds"),
            peak_rss_bytes=max(chosen.peak_rss_bytes, result.integer("peak_rss_bytes")),
            num_train=result.integer("num_train"),
            steps=result.integer("steps"),
            mislabelled_kept=result.number_or_none("mislabelled_kept"),
            corrupted_kept=result.number_or_none("corrupted_kept"),
            thresholded=chosen.thresholded,
            ood={name: result.part("ood").part(name).number("top1") for name in names},
        )

    def overlaps(self) -> dict[tuple[str, float], float | None]:
        """Returns the seed-to-seed overlap of the finished selections, by selector and ratio."""
        folders: dict[tuple[str, float], list[Path]] = {}
        for chosen in self._chosen.values():
            if chosen.folder is not None:
                folders.setdefault((chosen.selector, chosen.ratio), []).append(chosen.folder)
        return {
            key: mean_overlap([read_array(folder / INDICES_FILE) for folder in some]) for key, some in folders.items()
        }


def _read(cell: Planned, seed: int) -> _Chosen:
    """Reads what a finished selection says of itself."""
    record = JsonObject(json.loads((cell.folder.path / RECORD_FILE).read_text(encoding="utf-8")))
    return _Chosen(
        selector=cell.name,
        ratio=cell.wanted.ratio,
        seed=seed,
        size=record.integer("num_selected"),
        sha256=record.text("indices_sha256"),
        folder=cell.folder.path,
        seconds=record.number("wall_seconds"),
        peak_rss_bytes=record.integer("peak_rss_bytes"),
        thresholded=record.part("ratio").number_or_none("thresholded"),
    )


def _read_result(folder: RunFolder) -> JsonObject:
    return JsonObject(json.loads((folder.path / RESULT_FILE).read_text(encoding="utf-8")))
