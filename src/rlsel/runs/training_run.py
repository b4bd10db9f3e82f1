"""The run folder of a training on a part of a data set: the part, the model, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rlsel.coreset import INDICES_FILE
from rlsel.data.dataset import Dataset
from rlsel.data.description import tell
from rlsel.evaluation.robustness import FurtherDataset
from rlsel.evaluation.subset_training import SubsetResult, train_on
from rlsel.files import write_array, write_json
from rlsel.run_files import seal
from rlsel.runs.checkpoint import checkpoint_at, training_checkpoint
from rlsel.runs.folder import RunFolder, begun
from rlsel.runs.metrics import METRICS_FILE, MetricsFile
from rlsel.runs.settings import RunSettings
from rlsel.training.checkpoints import save_tensors
from rlsel.training.fabric import Fabric
from rlsel.training.reporting import Reporter

MODEL_FILE, RESULT_FILE = "model.safetensors", "result.json"


def train_in(
    folder: RunFolder,
    recorded: Mapping[str, Any],
    *,
    dataset: Dataset,
    positions: NDArray[np.int64],
    settings: RunSettings,
    further: Sequence[FurtherDataset],
    fabric: Fabric,
    reporter: Reporter,
    resume: bool,
) -> SubsetResult:
    """Trains a fresh model, measures it, and writes both.

    Args:
        folder: The run folder.
        recorded: What `config.yaml` says.
        dataset: Its training split is trained on, its test split measured on.
        positions: (K,) ascending positions of what is trained on, in what the user gave.
        settings: Model, training and seed, and what each pass is over.
        further: What the model is measured on besides the test split.
        fabric: The device and the precision.
        reporter: Told the progress.
        resume: Whether an interrupted training is taken up again.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
    """
    train = partial(
        train_on,
        dataset,
        dataset.places_in_train(torch.from_numpy(positions)).numpy(),
        model=settings.model,
        settings=settings.training,
        fabric=fabric,
        seed=settings.seed,
        reporter=reporter,
        dynamic=settings.dynamic,
        further=further,
    )
    if fabric.processes.rank > 0:  # it takes part, and the first process writes what comes of it
        return train(checkpointing=checkpoint_at(folder.path, folder.digest, writes=False) if resume else None)[0]
    with (
        begun([folder], "train-on-subset", [recorded]),
        training_checkpoint(folder.path, folder.digest, resume=resume) as checkpointing,
    ):
        tell(dataset, reporter.note)
        write_array(folder.path / INDICES_FILE, positions)
        metrics = MetricsFile(folder.path / METRICS_FILE)
        result, model = train(on_epoch=lambda record: metrics.append(record.training), checkpointing=checkpointing)
        save_tensors(folder.path / MODEL_FILE, model.state_dict())
        write_json(folder.path / RESULT_FILE, asdict(result))
        seal(folder.path)
        folder.set_state("complete")
    return result
