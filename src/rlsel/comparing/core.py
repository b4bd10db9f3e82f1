"""A comparison from its request to what it came to; the tables of it are the caller's to write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rlsel.budget import kept_count
from rlsel.comparing.account import Account
from rlsel.comparing.plan import ComparisonPlan
from rlsel.comparing.processes import run_tasks
from rlsel.comparing.protocol import protocol
from rlsel.comparing.request import CompareRequest
from rlsel.comparing.results import Results
from rlsel.comparing.worker import JobWorker
from rlsel.data.description import tell
from rlsel.errors import ConfigurationError
from rlsel.evaluation.comparison import summarise
from rlsel.report.tables import terminal_lines
from rlsel.training.reporting import NotesOnly, Reporter, SilentReporter


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A comparison that has passed every check, and has written nothing yet.

    Attributes:
        plan: What belongs to it.
        worker: What does its jobs; has read the data sets.
        account: Which of its parts are done.
        reporter: Told what goes on.
    """

    plan: ComparisonPlan
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
        folder: Where the results of all parts are to lie, those that are there already included; its options name no
            other.
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
        dataset, _ = worker.dataset, worker.further
    if not len(dataset.test):
        raise ConfigurationError(
            f"compare must have samples to measure on, got none in {dataset.name}: give test data, or a share to hold "
            "out, as in dataset.holdout=0.2"
        )
    for ratio in request.ratios:
        kept_count(ratio, len(dataset.train))
    plan = ComparisonPlan.of(request, folder, dataset)
    return Prepared(plan=plan, worker=worker, account=Account(plan, reporter), reporter=reporter)


def carry_out(prepared: Prepared) -> Results:
    """Makes the selections and trainings that do not exist yet, and takes all together.

    Raises:
        StorageError: if a result cannot be written. What else goes wrong in a part is among the failures.
    """
    plan, worker, account = prepared.plan, prepared.worker, prepared.account
    dataset, further = worker.dataset, worker.further
    tell(dataset, prepared.reporter.note)
    jobs = account.begin()
    processes = plan.request.options.jobs if len(jobs) > 1 else 1
    if processes > 1:
        # a worker without the data set, which every process reads for itself
        worker = replace(worker, reporter=SilentReporter())
    run_tasks(jobs, worker=worker, jobs=processes, on_end=account.end)
    runs = account.runs()
    results = Results(
        dataset=dataset.name,
        runs=runs,
        summaries=summarise(runs, account.overlaps()),
        failures=account.failures,
        protocol=protocol(plan, dataset, further),
    )
    for line in terminal_lines(results.summaries):
        prepared.reporter.note(line)
    return results
