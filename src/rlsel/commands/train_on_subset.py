"""`rlsel train-on-subset`: any model, trained on a coreset and measured on the test split and on further data sets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rlsel.commands.datasets import read_dataset, read_further_datasets
from rlsel.commands.requests import TrainOnSubsetRequest
from rlsel.coreset import INDICES_FILE, RECORD_FILE, Coreset, indices_sha256
from rlsel.data.dataset import Dataset
from rlsel.data.description import tell
from rlsel.data.variation import Variation
from rlsel.errors import ConfigurationError, CoresetError
from rlsel.evaluation.subset_training import train_on
from rlsel.files import write_array, write_json
from rlsel.index_files import IndexFile, read_index_file
from rlsel.runs.folder import OUTPUTS, RunFolder, begun, cell_name, check_writable
from rlsel.runs.layout import are_defaults, settings_hash, training_settings
from rlsel.runs.metrics import MetricsFile
from rlsel.training.checkpoints import save_tensors
from rlsel.training.loop import Checkpointing
from rlsel.training.reporting import Reporter

_LEAST = 2
"""Samples: batch norm knows no variance of one."""


@dataclass(frozen=True, kw_only=True)
class _Subset:
    """What is trained on.

    Attributes:
        positions: (K,) positions in what the user gave, ascending.
        coreset: The run that they belong to; None for bare indices and for the full split.
        title: What the folder is named after: the selector, `indices` or `full`.
    """

    positions: NDArray[np.int64]
    coreset: Coreset | None
    title: str


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
    given = None if request.coreset is None else _load(request.coreset)
    dataset = read_dataset(request.settings)
    subset = _subset(given, dataset, request.settings.variation)
    if len(subset.positions) < _LEAST:
        raise CoresetError(
            f"the coreset must have at least {_LEAST} samples to train on, got {len(subset.positions)}: select with a "
            "larger ratio"
        )
    ratio = len(subset.positions) / len(dataset.train)
    settings = training_settings(request.settings, indices_sha256(subset.positions), request.evaluation)
    digest = settings_hash(settings)
    folder = RunFolder(path=_place(request, subset, ratio, digest).absolute(), digest=digest)
    if request.options.resume == "auto" and folder.complete:
        return folder.path
    further = read_further_datasets(request.evaluation, request.settings, dataset)
    check_writable(folder.path)
    checkpoint = folder.path / f".training-{digest}.ckpt"
    if request.options.resume == "never":
        checkpoint.unlink(missing_ok=True)
    source = "full" if request.coreset is None else str(request.coreset.absolute())
    with (
        request.options.device.computing() as fabric,
        begun([folder], "train-on-subset", [{**settings, "coreset": source}]),
    ):
        tell(dataset, reporter.note)
        write_array(folder.path / INDICES_FILE, subset.positions)
        metrics = MetricsFile(folder.path / "metrics.jsonl")
        result, model = train_on(
            dataset,
            dataset.places_in_train(torch.from_numpy(subset.positions)).numpy(),
            model=request.settings.model,
            settings=request.settings.training,
            fabric=fabric,
            seed=request.settings.seed,
            reporter=reporter,
            further=further,
            on_epoch=lambda record: metrics.append(record.training),
            checkpointing=Checkpointing(path=checkpoint),
        )
        save_tensors(folder.path / "model.safetensors", model.state_dict())
        write_json(folder.path / "result.json", asdict(result))
        folder.set_state("complete")
        checkpoint.unlink(missing_ok=True)
    if result.top1_last is None:
        reporter.note(
            "note: nothing was measured, since there is no test data: give some, or hold some out before a selection, "
            "as in rlsel select dataset.holdout=0.2"
        )
    return folder.path


def _load(given: Path) -> Coreset | IndexFile:
    """Reads a run, or any file of positions or paths; a `coreset.json`, or an `indices.npy` beside it, is the run."""
    of_a_run = given.name in (INDICES_FILE, RECORD_FILE) and (given.parent / RECORD_FILE).is_file()
    return read_index_file(given) if given.is_file() and not of_a_run else Coreset.load(given)


def _subset(given: Coreset | IndexFile | None, dataset: Dataset, variation: Variation) -> _Subset:
    """Checks that what was given belongs to the data set, and that nothing of it is measured on."""
    source = dataset.source
    if given is None:
        return _Subset(positions=dataset.train.in_source().numpy(), coreset=None, title="full")
    if isinstance(given, Coreset):
        given.check(size=len(source), fingerprint=dataset.fingerprint)
        _require_unseen(given.candidates, dataset, variation, "was selected from")
        subset = _Subset(positions=given.indices, coreset=given, title=given.provenance.selector.name)
    else:
        subset = _Subset(positions=given.positions(len(source), source.paths), coreset=None, title="indices")
        _require_unseen(subset.positions, dataset, variation, "keeps")
    outside = np.flatnonzero(dataset.places_in_train(torch.from_numpy(subset.positions)).numpy() < 0)
    if len(outside):
        raise CoresetError(
            f"the coreset keeps sample {subset.positions[outside[0]]}, which is none of the {len(dataset.train)} "
            f"candidates of the {len(source)} samples: give the settings of dataset. that it was selected with"
        )
    return subset


def _require_unseen(positions: NDArray[np.int64], dataset: Dataset, variation: Variation, verb: str) -> None:
    """Refuses a test split with samples that the choice has seen."""
    shared = np.intersect1d(positions, dataset.held_out.numpy())
    if len(shared):
        remedy = "hold them out before, as in rlsel select dataset.holdout=0.2, or leave dataset.holdout= out"
        if not variation.holdout and variation.measure_on == "test":
            remedy = "this data set always measures on them, leave them out of the coreset"
        raise CoresetError(
            f"the coreset {verb} {len(shared)} of the {len(dataset.held_out)} samples that are held out to measure on, "
            f"for example {shared[0]}: {remedy}"
        )


def _place(request: TrainOnSubsetRequest, subset: _Subset, ratio: float, digest: str) -> Path:
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
