"""`rlsel train-on-subset`: any model, trained on a coreset and measured on the test split and on further data sets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlsel.commands.datasets import read_dataset, read_further_datasets
from rlsel.commands.folders import OUTPUTS, RunFolder, begun, cell_name, check_writable
from rlsel.commands.metrics import MetricsFile
from rlsel.commands.requests import TrainOnSubsetRequest
from rlsel.commands.settings import are_defaults, settings_hash, training_settings
from rlsel.coreset import Coreset, indices_sha256, load_indices, require_within
from rlsel.data.dataset import Dataset
from rlsel.errors import ConfigurationError
from rlsel.evaluation.subset_training import train_on
from rlsel.files import write_array, write_json
from rlsel.training.checkpoints import save_tensors
from rlsel.training.loop import Checkpointing
from rlsel.training.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class _Subset:
    """What is trained on.

    Attributes:
        indices: (K,) positions in the training split.
        coreset: The run that they belong to; None for bare indices and for the full split.
        title: What the folder is named after: the selector, `indices` or `full`.
    """

    indices: NDArray[np.int64]
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
    given = None if request.coreset is None else load_indices(request.coreset)
    dataset = read_dataset(request.settings)
    subset = _subset(given, dataset)
    ratio = len(subset.indices) / len(dataset.train)
    settings = training_settings(request.settings, indices_sha256(subset.indices), request.evaluation)
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
        write_array(folder.path / "indices.npy", subset.indices)
        metrics = MetricsFile(folder.path / "metrics.jsonl")
        result, model = train_on(
            dataset,
            subset.indices,
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
    return folder.path


def _subset(given: tuple[NDArray[np.int64], Coreset | None] | None, dataset: Dataset) -> _Subset:
    """Checks that what was given belongs to the data set."""
    size = len(dataset.train)
    if given is None:
        return _Subset(indices=np.arange(size, dtype=np.int64), coreset=None, title="full")
    indices, coreset = given
    if coreset is None:
        require_within(indices, size)
        return _Subset(indices=indices, coreset=None, title="indices")
    coreset.check(size=size, fingerprint=dataset.fingerprint)
    return _Subset(indices=indices, coreset=coreset, title=coreset.provenance.selector.name)


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
