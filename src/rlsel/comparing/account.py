"""The account of a comparison: which of its parts are done, and what can be done next."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from rlsel.comparing.jobs import Failure, Job, JobEnd, SelectJob, TrainJob
from rlsel.comparing.plan import Chosen, ComparisonPlan, TimeAllowed, TrainingKey, chosen_of
from rlsel.comparing.results import run_of
from rlsel.evaluation.comparison import RANDOM, Run
from rlsel.files import make_folder
from rlsel.runs.compared_training import read_compared_training
from rlsel.runs.folder import RunFolder, note_damage, to_make
from rlsel.training.reporting import Cell, Grid, Reporter


class Account:
    """Keeps the account of a comparison.

    A training is known by the hash of its settings, the kept positions among them, so that two selections of the same
    samples are trained on once.
    """

    def __init__(self, plan: ComparisonPlan, reporter: Reporter) -> None:
        """Plans the coresets.

        Args:
            plan: What belongs to the comparison.
            reporter: Told each part that is done.

        Raises:
            ConfigurationError: if an export does not fit a selector.
        """
        self._plan, self._request, self._reporter = plan, plan.request, reporter
        self._again = plan.request.options.resume == "never"
        self._coresets = {seed: plan.coresets(seed) for seed in plan.request.seeds}
        self._total = len(plan.keys)
        self._chosen: dict[tuple[str, float, int], Chosen] = {}
        self._digests: dict[TrainingKey, str] = {}
        self._trainings: dict[str, RunFolder] = {}
        self._timed = plan.request.budget == "seconds"
        self._yardsticks: dict[tuple[str, int], RunFolder] = {}
        self._selecting = dict.fromkeys(plan.request.seeds, 0)
        self._scheduled: set[str] = set()
        self._done: set[str] = set()
        self._accuracies: dict[str, float] = {}
        self._train_seconds: list[float] = []
        self._select_seconds: list[float] = []
        self._lost = 0
        self.failures: list[Failure] = []

    def begin(self) -> list[Job]:
        """Takes account of what is done already, and returns the jobs that can be done at once."""
        self._trainings = self._plan.trainings_there()
        selections: list[SelectJob] = []
        trainings: list[TrainJob] = []
        for seed, coresets in self._coresets.items():
            missing = to_make(coresets, again=self._again)
            jobs = self._plan.select_jobs(seed, coresets, missing)
            self._selecting[seed] = len(jobs)
            note_damage([one.folder for one in missing], self._reporter.note)
            for one in missing:
                # not left to the processes: one whose run is refused removes the folders that it made, with all in them
                make_folder(one.folder.path.parent)
            selections += jobs
            made = [chosen_of(one, seed) for one in coresets if one not in missing]
            trainings += self._measure_full(seed)
            trainings += self._choose(seed, [*self._plan.unselected(seed), *made])
        # what others wait for goes first, and random waits for nothing
        selections.sort(key=lambda job: job.planned[0].wanted.selector.name == RANDOM)
        if self._done:
            self._reporter.note(f"{self._finished}/{self._total} trainings are there already")
        return [*selections, *trainings]

    def _measure_full(self, seed: int) -> list[TrainJob]:
        """Returns the trainings on all of the data that say how long a step takes, where time is the budget."""
        jobs: list[TrainJob] = []
        for model in self._request.models if self._timed else ():
            full = self._plan.unselected(seed)[0]
            job = self._plan.train_job(full, model, self._plan.full_steps)
            jobs += self._schedule(job)
            self._yardsticks[model.name, seed] = self._trainings[job.folder.digest]
        return jobs

    def _choose(self, seed: int, chosen: Sequence[Chosen]) -> list[TrainJob]:
        """Takes account of what is trained on with a seed, and returns the trainings that can be done now."""
        self._chosen |= {(one.selector, one.ratio, seed): one for one in chosen}
        # where time is the budget, all of the seed wait for the last selection, which says how much there is
        waiting = [one for one in self._chosen.values() if one.seed == seed] if self._timed else chosen
        jobs: list[TrainJob] = []
        for model in self._request.models:
            allowed = self._time_allowed(model.name, seed)
            for one in waiting if allowed is not None or not self._timed else ():
                job = self._plan.train_job(one, model, self._plan.steps(one, allowed))
                self._digests[model.name, one.selector, one.ratio, seed] = job.folder.digest
                jobs += self._schedule(job)
        return jobs

    def _time_allowed(self, model: str, seed: int) -> TimeAllowed | None:
        """Returns what a training may take where time is the budget; None elsewhere, and while that is not known."""
        if not self._timed or self._selecting[seed] or self._yardsticks[model, seed].digest not in self._done:
            return None
        full = read_compared_training(self._yardsticks[model, seed].path)
        selections = [one.seconds or 0.0 for one in self._chosen.values() if one.seed == seed]
        return TimeAllowed(
            full_seconds=full.seconds, full_steps=full.steps, selection_seconds=max(selections, default=0.0)
        )

    def _schedule(self, job: TrainJob) -> list[TrainJob]:
        """Returns a training, unless it is done or about to be."""
        digest = job.folder.digest
        folder = self._trainings.setdefault(digest, job.folder)
        if digest in self._scheduled | self._done:
            return []
        if folder.complete and not self._again:
            self._add_done(folder)
            return []
        note_damage([folder], self._reporter.note)
        self._scheduled.add(digest)
        make_folder(folder.path.parent)
        return [replace(job, folder=folder)]

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
            return []
        accuracy = self._add_done(job.folder)
        self._train_seconds.append(result.seconds)
        self._tell(f"{job.title}: accuracy {accuracy:.4f} in {result.seconds:.1f} s")
        return self._choose(job.settings.seed, [])

    def _end_selection(self, job: SelectJob, result: JobEnd) -> Sequence[Job]:
        self._selecting[job.settings.seed] -= 1
        self._select_seconds.append(result.seconds)
        ready = [one for one in job.planned if one.folder.complete]
        self._lost += (len(job.planned) - len(ready)) * len(self._request.models)
        seed = job.settings.seed
        following = self._choose(seed, [chosen_of(one, seed) for one in ready])
        if ready:
            self._tell(f"{job.title}: {result.seconds:.1f} s")
        return following

    def _add_done(self, folder: RunFolder) -> float:
        """Takes account of a finished training, and returns the accuracy that it came to."""
        self._done.add(folder.digest)
        return self._accuracies.setdefault(folder.digest, read_compared_training(folder.path).top1_last)

    def _tell(self, latest: str) -> None:
        """Tells how far the comparison is."""
        grid = Grid(cells=self._cells(), seconds_left=self._seconds_left(), latest=latest)
        self._reporter.grid(grid)

    def _cells(self) -> dict[tuple[str, float], Cell]:
        digests: dict[tuple[str, float], list[str | None]] = {}
        for key in self._plan.keys:
            digests.setdefault(key[1:3], []).append(self._digests.get(key))
        cells = {}
        for place, trainings in digests.items():
            done = [self._accuracies[digest] for digest in trainings if digest is not None and digest in self._done]
            mean = statistics.fmean(done) if done else None
            cells[place] = Cell(done=len(done), of=len(trainings), accuracy=mean)
        return cells

    @property
    def _finished(self) -> int:
        return sum(digest in self._done for digest in self._digests.values())

    def _seconds_left(self) -> float | None:
        if not self._train_seconds:
            return None
        trainings = (self._total - self._finished - self._lost) * statistics.fmean(self._train_seconds)
        selections = (
            sum(self._selecting.values()) * statistics.fmean(self._select_seconds) if self._select_seconds else 0.0
        )
        return (trainings + selections) / self._request.options.jobs

    def runs(self) -> list[Run]:
        """Returns the runs that are done, in the order of the plan."""
        done = [key for key in self._plan.keys if self._digests.get(key) in self._done]
        return [
            run_of(
                self._chosen[key[1:]],
                model=key[0],
                folder=self._trainings[self._digests[key]].path,
                further=self._request.evaluation.measured,
            )
            for key in done
        ]

    @property
    def chosen(self) -> list[Chosen]:
        """What is trained on, as far as it is finished."""
        return list(self._chosen.values())
