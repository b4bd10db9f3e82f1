"""`rlsel compare`: which selector, at which ratio, and is it better than a random choice of the same size?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlsel.budget import kept_count
from rlsel.commands.comparison import Comparison
from rlsel.commands.comparison_jobs import Failure, JobWorker
from rlsel.commands.outcomes import PartlyFailedError
from rlsel.commands.processes import run_tasks
from rlsel.commands.requests import CompareRequest
from rlsel.data.dataset import Dataset
from rlsel.data.description import tell
from rlsel.data.variation import Variation
from rlsel.errors import ConfigurationError
from rlsel.evaluation.comparison import RANDOM, Run, Summary, summarise
from rlsel.evaluation.robustness import FurtherDataset
from rlsel.evaluation.settings import corruptions_of
from rlsel.files import write_atomically, write_text
from rlsel.report.comparison_plot import comparison_png
from rlsel.report.tables import runs_csv, summary_csv, summary_markdown, terminal_lines
from rlsel.runs.folder import OUTPUTS, RunFolder, check_writable
from rlsel.runs.layout import evaluation_settings, plain, run_settings, settings_hash
from rlsel.selectors.random import Random
from rlsel.training.reporting import NotesOnly, Reporter, SilentReporter


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a comparison came to.

    Attributes:
        folder: Where its files are.
        runs: One for each selector, ratio and seed.
        summaries: By selector and ratio.
        markdown: The page `summary.md`.
    """

    folder: Path
    runs: list[Run]
    summaries: list[Summary]
    markdown: str


def compare(request: CompareRequest, reporter: Reporter) -> Path:
    """Makes a comparison, as `run_comparison` does, and returns its folder."""
    return run_comparison(request, reporter).folder


def run_comparison(request: CompareRequest, reporter: Reporter) -> Compared:
    """Makes the selections and trainings that do not exist yet, and writes the tables and the picture of all.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
        PartlyFailedError: if some runs failed; the tables hold the others.
    """
    if RANDOM not in [selector.name for selector in request.selectors]:
        request = replace(request, selectors=(Random(), *request.selectors))
    settings = _recorded(request)
    folder = RunFolder(path=_place(request), digest=settings_hash(settings))
    worker = JobWorker(
        settings=request.settings,
        evaluation=request.evaluation,
        device=request.options.device,
        resume=request.options.resume == "auto",
        reporter=NotesOnly(reporter),
    )
    check_writable(folder.path)
    with request.options.device.computing():  # refuses an accelerator that is not there
        dataset, further = worker.dataset, worker.further
    if not len(dataset.test):
        raise ConfigurationError(
            f"compare must have samples to measure on, got none in {dataset.name}: give test data, or a share to hold "
            "out, as in dataset.holdout=0.2"
        )
    for ratio in request.ratios:
        kept_count(ratio, len(dataset.train))
    comparison = Comparison(request, folder.path, dataset, reporter)
    folder.begin("compare", settings)
    tell(dataset, reporter.note)
    try:
        jobs = comparison.begin()
        if request.options.jobs > 1 and len(jobs) > 1:
            # a worker without the data set, which every process reads for itself
            worker = replace(worker, reporter=SilentReporter())
            run_tasks(jobs, worker=worker, jobs=request.options.jobs, on_end=comparison.end)
        else:
            run_tasks(jobs, worker=worker, jobs=1, on_end=comparison.end)
        runs, failures = comparison.runs(), comparison.failures
        protocol = _protocol(request, dataset, comparison, further)
        compared = _write(folder.path, comparison, runs, title=f"Comparison on {dataset.name}", protocol=protocol)
        for line in terminal_lines(compared.summaries):
            reporter.note(line)
    except Exception as error:
        folder.set_state("failed", f"{type(error).__name__}: {error}")
        raise
    if failures:
        _fail(folder, failures)
    folder.set_state("complete")
    return compared


def _fail(folder: RunFolder, failures: list[Failure]) -> None:
    message = f"{len(failures)} of the runs failed, the first: {failures[0]}"
    folder.set_state("failed", message)
    raise PartlyFailedError(
        f"{message}: the same command tries them again, {folder.path / 'summary.md'} names them all",
        folder=folder.path,
        by_user=all(failure.by_user for failure in failures),
    )


def _recorded(request: CompareRequest) -> dict[str, Any]:
    """Returns all that was asked for, as in `config.yaml`."""
    extended: dict[str, Any] = {
        "selectors": [selector.name for selector in request.selectors],
        "ratios": list(request.ratios),
        "seeds": list(request.seeds),
        "train_models": [plain(model) for model in request.train_models],
        **evaluation_settings(request.evaluation),
    }
    if request.variants:
        extended["variants"] = {
            row.name: {"selector": plain(row.selector), "export": plain(row.export)} for row in request.variants
        }
    return {**_fixed(request), **extended}


def _fixed(request: CompareRequest) -> dict[str, Any]:
    """Returns what all runs of a comparison have in common, however far it is extended."""
    shared = run_settings(request.settings)
    del shared["seed"]
    cover, export = plain(request.cover), plain(request.export)
    for node in (cover, export):
        del node["_target_"]
    return {
        **shared,
        "policy": plain(request.policy),
        "reward": plain(request.reward),
        "cover": cover,
        "export": export,
        "budget": request.budget,
    }


def _place(request: CompareRequest) -> Path:
    options = request.options
    if options.run_dir is not None and not options.several:
        return options.run_dir.absolute()
    parent = OUTPUTS / "compare" if options.run_dir is None else options.run_dir
    return (parent / request.settings.dataset.name / settings_hash(_fixed(request))).absolute()


def _write(folder: Path, comparison: Comparison, runs: list[Run], *, title: str, protocol: Sequence[str]) -> Compared:
    summaries = summarise(runs, comparison.overlaps())
    write_text(folder / "runs.csv", runs_csv(runs))
    write_text(folder / "summary.csv", summary_csv(summaries))
    text = summary_markdown(
        summaries,
        title=title,
        protocol=protocol,
        missing=[str(failure) for failure in comparison.failures],
    )
    write_text(folder / "summary.md", text)
    if summaries:
        picture = comparison_png(summaries)
        write_atomically(folder / "comparison.png", lambda file: file.write(picture))
    return Compared(folder=folder, runs=runs, summaries=summaries, markdown=text)


def _protocol(
    request: CompareRequest, dataset: Dataset, comparison: Comparison, further: Sequence[FurtherDataset]
) -> list[str]:
    training, variation = request.settings.training, request.settings.variation
    changes = {name: getattr(variation, name) for name in ("label_noise", "long_tail", "corruption")}
    plain_values = {"label_noise": 0.0, "long_tail": 1.0, "corruption": 0.0}
    changed = "".join(f", {name} {value:g}" for name, value in changes.items() if value != plain_values[name])
    if request.budget == "steps":
        source = (
            "given by training.steps" if training.steps else f"those of {training.epochs} epochs on all of the data"
        )
        budget = f"budget=steps: every training takes {comparison.full_steps} steps, {source}, whatever its ratio."
    else:
        budget = (
            f"budget=epochs: every training makes {training.epochs} passes over its own samples, so that a smaller "
            "ratio takes fewer steps."
        )
    seeds = ", ".join(map(str, request.seeds))
    models = ", ".join(model.name for model in request.train_models or (request.settings.model,))
    return [
        f"Data: {dataset.name}, {len(dataset.train)} training samples{changed}, {len(dataset.test)} samples to measure "
        f"on ({_measured_on(dataset, variation)}), "
        f"{dataset.num_classes} classes.",
        f"Selection with {request.settings.model.name}, one target training a seed for all selectors. Trained on the "
        f"selections: {models}, from scratch.",
        budget,
        *(f"`{row.name}` is {' '.join(row.overrides) or row.selector.name}." for row in request.variants),
        f"Seeds: {seeds}. A seed drives the selection and the training through separate random streams, and a random "
        "choice is drawn anew for each seed.",
        "Accuracy is the mean of the looks at the end of a training and 2.5 and 5 % of it before, never the best look.",
        *_further_protocol(further),
        "Intervals are 95 % t-intervals of the differences paired by seed. They are not corrected for the number of "
        "comparisons" + (", and one seed gives none." if len(request.seeds) == 1 else "."),
    ]


def _measured_on(dataset: Dataset, variation: Variation) -> str:
    if variation.measure_on == "validation":
        return "a validation part of the training split"
    return "held out of the given ones" if dataset.test_from_train else "test split"


def _further_protocol(further: Sequence[FurtherDataset]) -> list[str]:
    lines: list[str] = []
    if any(corruptions_of(one.name) for one in further):
        lines.append(
            "Corruptions are made from the test split, the same for every model. Without @severity, the accuracy is "
            "the mean over the severities 1 to 5; that of corruptions is the mean over all kinds."
        )
    for one in further:
        for part in () if corruptions_of(one.name) else one.parts:
            classes = "all" if part.among is None else f"{int(part.among.sum())}"
            lines.append(f"{one.name}: {len(part.split)} images, guessed among {classes} classes.")
    if lines:
        lines.insert(0, "Out of distribution, the model at the end of its training is measured, by its first guess.")
    return lines
