"""The account of a comparison: which of its parts are done, and what can be done next."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from rlsel.comparing.jobs import Failure, Job, JobEnd, SelectJob, TrainJob
from rlsel.comparing.plan import Chosen, ComparisonPlan, TrainingKey, chosen_of
from rlsel.comparing.results import overlaps, run_of
from rlsel.evaluation.comparison import RANDOM, Run
from rlsel.files import make_folder
from rlsel.runs.compared_training import read_compared_training
from rlsel.runs.folder import RunFolder, note_damage, to_make
from rlsel.training.reporting import Reporter


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
        self._scheduled: set[str] = set()
        self._done: set[str] = set()
        self._train_seconds: list[float] = []
        self._select_seconds: list[float] = []
        self._selections_left = 0
        self._lost = 0
        self.failures: list[Failure] = []

    def begin(self) -> list[Job]:
        """Takes account of what is done already, and returns the jobs that can be done at once."""
        self._trainings = self._plan.trainings_there()
        selections: list[SelectJob] = []
        trainings: list[TrainJob] = []
        for seed, coresets in self._coresets.items():
            trainings += self._choose(self._plan.everything(seed))
            missing = to_make(coresets, again=self._again)
            note_damage([one.folder for one in missing], self._reporter.note)
            for one in missing:
                # not left to the processes: one whose run is refused removes the folders that it made, with all in them
                make_folder(one.folder.path.parent)
            selections += self._plan.select_jobs(seed, missing)
            for one in coresets:
                if one not in missing:
                    trainings += self._choose(chosen_of(one, seed))
        # what others wait for goes first, and random waits for nothing
        selections.sort(key=lambda job: job.planned[0].wanted.selector.name == RANDOM)
        self._selections_left = len(selections)
        if self._done:
            self._reporter.note(f"{self._finished}/{self._total} trainings are there already")
        return [*selections, *trainings]

    def _choose(self, chosen: Chosen) -> list[TrainJob]:
        """Takes account of a part of the data, and returns the trainings on it that are not done."""
        self._chosen[chosen.selector, chosen.ratio, chosen.seed] = chosen
        jobs = []
        for model in self._request.models:
            job = self._plan.train_job(chosen, model)
            digest = job.folder.digest
            self._digests[model.name, chosen.selector, chosen.ratio, chosen.seed] = digest
            folder = self._trainings.setdefault(digest, job.folder)
            if digest in self._scheduled | self._done:
                continue
            if folder.complete and not self._again:
                self._done.add(digest)
                continue
            note_damage([folder], self._reporter.note)
            self._scheduled.add(digest)
            make_folder(folder.path.parent)
            jobs.append(replace(job, folder=folder))
        return jobs

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
        accuracy = read_compared_training(job.folder.path).top1_last
        self._reporter.note(
            f"{self._finished}/{self._total} {job.title}: accuracy {accuracy:.4f} in {result.seconds:.1f} s, "
            f"{self._time_left()} left"
        )
        return ()

    def _end_selection(self, job: SelectJob, result: JobEnd) -> Sequence[Job]:
        self._selections_left -= 1
        self._select_seconds.append(result.seconds)
        ready = [one for one in job.planned if one.folder.complete]
        self._lost += (len(job.planned) - len(ready)) * len(self._request.models)
        if ready:
            self._reporter.note(f"{job.title}: {result.seconds:.1f} s")
        return [training for one in ready for training in self._choose(chosen_of(one, job.settings.seed))]

    @property
    def _finished(self) -> int:
        return sum(digest in self._done for digest in self._digests.values())

    def _time_left(self) -> str:
        trainings = (self._total - self._finished - self._lost) * statistics.fmean(self._train_seconds)
        selections = self._selections_left * statistics.fmean(self._select_seconds) if self._select_seconds else 0.0
        minutes, seconds = divmod(round((trainings + selections) / self._request.options.jobs), 60)
        return f"{minutes}:{seconds:02d}"

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

    def overlaps(self) -> dict[tuple[str, float], float | None]:
        """Returns the seed-to-seed overlap of the finished selections, by selector and ratio."""
        return overlaps(self._chosen.values())
