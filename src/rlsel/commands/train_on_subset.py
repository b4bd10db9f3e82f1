"""`rlsel train-on-subset`: any model, trained on a coreset and measured on the test split and on further data sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rlsel.commands.missing import taken
from rlsel.commands.requests import TrainOnSubsetRequest
from rlsel.commands.subsets import Subset, load_subset, subset_of
from rlsel.coreset import indices_sha256
from rlsel.errors import ConfigurationError
from rlsel.evaluation.subset_training import SubsetResult
from rlsel.runs.checkpoint import checkpoint_at
from rlsel.runs.datasets import read_dataset, read_further_datasets
from rlsel.runs.folder import OUTPUTS, RunFolder, cell_name, check_writable, note_damage, require_apart
from rlsel.runs.layout import are_defaults, settings_hash, training_settings
from rlsel.runs.training_run import train_in
from rlsel.training.reporting import Reporter


def train_on_subset(request: TrainOnSubsetRequest, reporter: Reporter) -> Path:
    """Trains and measures, unless that is done already.

    Returns:
        The run folder.

    Raises:
        RlselError: for a user's mistake, a coreset of another data set included; no folder is left then.
    """
    if request.settings.training.weighting != "none":
        raise ConfigurationError(
            "training.weighting must be none for train-on-subset, got policy: there is no policy while a coreset is "
            "trained on"
        )
    given = load_subset(request.coreset)
    dataset = read_dataset(request.settings)
    subset = subset_of(given, dataset, request.settings.variation)
    settings = training_settings(request.settings, indices_sha256(subset.positions), request.evaluation)
    digest = settings_hash(settings)
    dynamic = request.settings.dynamic
    if dynamic is not None:
        subset = replace(subset, title=dynamic.rule)
    ratio = len(subset.positions) / len(dataset.train) if dynamic is None else dynamic.ratio
    place = _place(request, subset, ratio, digest)
    folder = RunFolder(path=place.absolute(), digest=digest)
    if request.options.resume == "auto" and folder.complete:
        checkpoint_at(folder.path, folder.digest).remove()  # of a process that was killed right after its end
        reporter.note(taken())
        return folder.path
    if request.coreset is not None:
        require_apart([folder], "coreset", request.coreset)
    further = read_further_datasets(request.evaluation, request.settings, dataset)
    check_writable(folder.path)
    note_damage([folder], reporter.note)
    source = subset.title if request.coreset is None else str(request.coreset.absolute())
    with request.options.device.computing() as fabric:
        result = train_in(
            folder,
            {**settings, "coreset": source},
            dataset=dataset,
            positions=subset.positions,
            settings=request.settings,
            further=further,
            fabric=fabric,
            reporter=reporter,
            resume=request.options.resume == "auto",
        )
    reporter.note(_measured(result))
    return folder.path


def _measured(result: SubsetResult) -> str:
    """Says in a line what the model is worth."""
    if result.top1_last is None:
        return (
            "note: nothing was measured, since there is no test data: give some, or hold some out before a selection, "
            "as in rlsel select dataset.holdout=0.2"
        )
    further = [f"{name} {found.top1:.4f}" for name, found in result.ood.items() if found.top1 is not None]
    return (
        f"test accuracy {result.top1_last:.4f} of {result.model}, trained on {result.num_train:,} samples for "
        f"{result.steps:,} steps" + (f"; on other data: {', '.join(further)}" if further else "")
    )


def _place(request: TrainOnSubsetRequest, subset: Subset, ratio: float, digest: str) -> Path:
    if request.options.run_dir is not None and not request.options.several:
        return request.options.run_dir
    source = request.settings
    requested = ratio if subset.coreset is None else subset.coreset.provenance.ratio.requested
    plain = subset.coreset is None and subset.title == "full"
    plain = plain and are_defaults(
        [source.dataset, source.variation, source.model, source.training, request.evaluation]
    )
    name = cell_name(requested, source.seed, None if plain else digest)
    if request.options.run_dir is not None:
        return request.options.run_dir / subset.title / name
    return OUTPUTS / "train-on-subset" / source.dataset.name / source.model.name / subset.title / name
