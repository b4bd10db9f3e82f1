"""`rlsel verify`: the paper's propositions and the influence of samples, measured on a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from rlsel.commands.places import beside_run
from rlsel.commands.requests import VerifyRequest
from rlsel.data.dataset import Dataset
from rlsel.data.loading import load_batches
from rlsel.data.variation import apply_variation
from rlsel.errors import CoresetError
from rlsel.files import make_folder, write_atomically, write_json
from rlsel.models.target import TargetModel
from rlsel.report.of_run import require_data_of
from rlsel.report.terminal_page import Page
from rlsel.report.theory_page import theory_page
from rlsel.report.theory_plot import theory_png
from rlsel.report.theory_text import sentences
from rlsel.runs.datasets import require_labels
from rlsel.runs.folder import check_writable
from rlsel.runs.reader import Run, read_run
from rlsel.runs.rebuilding import dataset_and_variation, model_spec
from rlsel.structure import as_node
from rlsel.theory.verification import Subject, verify_theory
from rlsel.training.evaluation import clean_pass
from rlsel.training.fabric import Fabric

JSON_FILE, PICTURE_FILE = "verify.json", "verify.png"
_SCHEMA_VERSION = 1


def verify(request: VerifyRequest, display: Callable[[Page], None]) -> Path:
    """Measures a run, writes `verify.json` and `verify.png`, over those that are there, and shows the numbers.

    Returns:
        The folder that holds them: the run's own, unless another was asked for.

    Raises:
        RlselError: for a user's mistake; nothing is written then.
    """
    run = read_run(request.run)
    run.finished_coreset()
    if run.target is None:
        raise CoresetError(
            f"run must be the folder of a selection that stored its target model, got {str(run.folder)!r} without "
            "one: give a run of selector=rl_selector"
        )
    folder = beside_run(run, request.options)
    check_writable(folder)
    dataset = _data(request, run)
    run.target.check(dataset)
    model = run.target_model(model_spec(as_node(run.settings.get("model"), "model"), "model"))
    with request.options.device.computing() as fabric:
        found = verify_theory(_subject(run, model.to(fabric.device).eval(), dataset, fabric), request.settings())
    said = sentences(found)
    picture = theory_png(found, said)
    make_folder(folder)
    write_json(folder / JSON_FILE, {"schema_version": _SCHEMA_VERSION, "sentences": said, **asdict(found)})
    write_atomically(folder / PICTURE_FILE, lambda file: file.write(picture))
    display(theory_page(found, said))
    return folder


def _data(request: VerifyRequest, run: Run) -> Dataset:
    source, variation = request.dataset, request.variation
    if source is None:
        source, variation = dataset_and_variation(as_node(run.settings.get("dataset"), "dataset"))
    dataset = apply_variation(source.load(), variation)
    require_data_of(run.finished_coreset(), dataset)
    require_labels(dataset)
    return dataset


def _subject(run: Run, model: TargetModel, dataset: Dataset, fabric: Fabric) -> Subject:
    coreset, train = run.finished_coreset(), dataset.train
    seen = clean_pass(model, dataset, train, fabric=fabric)
    has_test = len(dataset.test) > 0
    probe = clean_pass(model, dataset, dataset.test, fabric=fabric) if has_test else seen
    kept = torch.zeros(len(train), dtype=torch.bool)
    kept[dataset.places_in_train(torch.from_numpy(coreset.indices))] = True

    def images(positions: Tensor) -> Tensor:
        batches = load_batches(dataset, train, [positions], device=fabric.device, augmentation=None, generator=None)
        return next(iter(batches)).images

    return Subject(
        model=model,
        images=images,
        features=seen.features,
        logits=seen.logits,
        labels=train.labels,
        probe_features=probe.features,
        probe_labels=(dataset.test if has_test else train).labels,
        measured_on="test" if has_test else "train",
        kept=kept,
        scores=torch.from_numpy(coreset.scores)[train.in_source()],
    )
