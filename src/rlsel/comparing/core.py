"""A comparison from its request to what it came to; the tables of it are the caller's to write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlsel.budget import kept_count
from rlsel.comparing.account import Account
from rlsel.comparing.plan import ComparisonPlan
from rlsel.comparing.processes import run_tasks
from rlsel.comparing.protocol import protocol
from rlsel.comparing.request import CompareRequest
from rlsel.comparing.results import Results, likenesses, overlaps
from rlsel.comparing.worker import JobWorker
from rlsel.data.dataset import Dataset
from rlsel.data.description import tell
from rlsel.errors import ConfigurationError
from rlsel.evaluation.comparison import summarise
from rlsel.evaluation.robustness import FurtherDataset
from rlsel.report.tables import terminal_lines
from rlsel.training.reporting import NotesOnly, Reporter, SilentReporter


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A comparison that has passed every check, and has written nothing yet.

    Attributes:
        plan: What belongs to it.
        dataset: What is selected from, trained on and measured on.
        further: What the models are measured on besides.
        worker: What does its jobs.
        account: Which of its parts are done.
        reporter: Told what goes on.
    """

    plan: ComparisonPlan
    dataset: Dataset
    further: Sequence[FurtherDataset]
    worker: JobWorker
    account: Account
    reporter: Reporter

    @property
    def request(self) -> CompareRequest:
        """What is compared."""
        return self.plan.request


def prepare(request: CompareRequest, folder: Path, reporter: Reporter) -> Prepared:
    """Reads the data sets and checks all that can be checked before anything is written.

    Args:
        request: What is compared; a random choice is always among its methods.
        folder: Where the selections and trainings lie, or are to lie.
        reporter: Told what goes on.

    Raises:
        RlselError: for a user's mistake.
    """
    request = request.with_random()
    worker = JobWorker(
        settings=request.settings,
        evaluation=request.evaluation,
        device=request.options.device,
        resume=request.options.resume == "auto",
        reporter=NotesOnly(reporter),
    )
    with request.options.device.computing():  # refuses an accelerator that is not there
        dataset, further = worker.dataset, worker.further
    if not len(dataset.test):
        raise ConfigurationError(
            f"compare must have samples to measure on, got none in {dataset.name}: give test data, or a share to hold "
            "out, as in dataset.holdout=0.2"
        )
    for ratio in request.ratios:
        kept_count(ratio, len(dataset.train))
    plan = ComparisonPlan.of(request, folder, dataset)
    account = Account(plan, reporter)
    return Prepared(plan=plan, dataset=dataset, further=further, worker=worker, account=account, reporter=reporter)


def carry_out(prepared: Prepared) -> Results:
    """Makes the selections and trainings that do not exist yet, and summarises all.

    Raises:
        StorageError: if a result cannot be written. What else goes wrong in a part is among the failures.
    """
    plan, worker, account = prepared.plan, prepared.worker, prepared.account
    tell(prepared.dataset, worker.reporter.note)
    jobs = account.begin()
    processes = plan.request.options.jobs if len(jobs) > 1 else 1
    if processes > 1:
        # a worker without the data set, which every process reads for itself
        worker = replace(worker, reporter=SilentReporter())
    run_tasks(jobs, worker=worker, jobs=processes, on_end=account.end)
    runs = account.runs()
    results = Results(
        dataset=prepared.dataset.name,
        runs=runs,
        summaries=summarise(runs, overlaps(account.chosen)),
        likenesses=likenesses(account.chosen),
        failures=account.failures,
        protocol=protocol(plan, prepared.dataset, prepared.further),
    )
    for line in terminal_lines(results.summaries):
        prepared.reporter.note(line)
    return results
