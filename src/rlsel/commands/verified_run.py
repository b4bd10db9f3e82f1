"""What `rlsel verify` looks at, read from a run: its data, its target model, and what that makes of the samples."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rlsel.commands.requests import VerifyRequest
from rlsel.data.dataset import Dataset, Split
from rlsel.data.loading import load_batches
from rlsel.data.variation import apply_variation
from rlsel.errors import CoresetError
from rlsel.models.target import TargetModel
from rlsel.report.of_run import require_data_of
from rlsel.runs.datasets import require_labels
from rlsel.runs.reader import Run, read_run
from rlsel.runs.rebuilding import dataset_and_variation, model_spec
from rlsel.selectors.base import SelectionTask
from rlsel.structure import as_node
from rlsel.theory.subject import Subject
from rlsel.training.evaluation import clean_pass
from rlsel.training.fabric import Fabric
from rlsel.training.reporting import Reporter


def run_with_target(request: VerifyRequest) -> Run:
    """Reads the run.

    Raises:
        CoresetError: if it is no finished selection, or stored no target model.
    """
    run = read_run(request.run)
    run.finished_coreset()
    if run.target is None:
        raise CoresetError(
            f"run must be the folder of a selection that stored its target model, got {str(run.folder)!r} without "
            "one: give a run of selector=rl_selector"
        )
    return run


def data_of(request: VerifyRequest, run: Run) -> Dataset:
    """Reads the data that was selected from.

    Raises:
        RlselError: if it is not there, has no labels, or is other data.
    """
    source, variation = request.dataset, request.variation
    if source is None:
        source, variation = dataset_and_variation(as_node(run.settings.get("dataset"), "dataset"))
    dataset = apply_variation(source.load(), variation)
    require_data_of(run.finished_coreset(), dataset)
    require_labels(dataset)
    if run.target is not None:
        run.target.check(dataset)
    return dataset


def target_of(run: Run) -> TargetModel:
    """Reads the target model.

    Raises:
        CoresetError: if a file is missing or damaged.
    """
    return run.target_model(model_spec(as_node(run.settings.get("model"), "model"), "model"))


def task_of(run: Run, dataset: Dataset, fabric: Fabric, reporter: Reporter) -> SelectionTask:
    """Returns the training of the target model, to be repeated.

    Raises:
        RlselError: if the settings of the run do not say what it was.
    """
    settings = run.run_settings()
    return SelectionTask(
        dataset=dataset,
        model=settings.model,
        training=settings.training,
        fabric=fabric,
        seed=settings.seed,
        reporter=reporter,
    )


def subject_of(run: Run, model: TargetModel, dataset: Dataset, fabric: Fabric) -> Subject:
    """Computes what the target model makes of the candidates and of the split that removals are judged on."""
    coreset, train = run.finished_coreset(), dataset.train
    judged = dataset.test if len(dataset.test) else train
    seen = clean_pass(model, dataset, train, fabric=fabric)
    probe = seen if judged is train else clean_pass(model, dataset, judged, fabric=fabric)
    kept = torch.zeros(len(train), dtype=torch.bool)
    kept[dataset.places_in_train(torch.from_numpy(coreset.indices))] = True
    return Subject(
        model=model,
        images=_images(dataset, train, fabric),
        features=seen.features,
        logits=seen.logits,
        labels=train.labels,
        probe_images=_images(dataset, judged, fabric),
        probe_features=probe.features,
        probe_labels=judged.labels,
        measured_on="train" if judged is train else "test",
        kept=kept,
        scores=torch.from_numpy(coreset.scores)[train.in_source()],
    )


def _images(dataset: Dataset, split: Split, fabric: Fabric) -> Callable[[Tensor], Tensor]:
    def images(positions: Tensor) -> Tensor:
        batches = load_batches(dataset, split, [positions], device=fabric.device, augmentation=None, generator=None)
        return next(iter(batches)).images

    return images
