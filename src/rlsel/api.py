"""rlsel from Python: the same core as the command line, on data that a program holds; nothing is written.

Every function takes a data set as `rlsel.data.wrapping.as_dataset` does: a pair of arrays or tensors, a torch data set
of (image, label) pairs, a Hugging Face `datasets.Dataset`, or an rlsel data set. Indices count in it, in its own order.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.applying import LearnedPolicy
from rlsel.budget import kept_count, parse_ratios
from rlsel.checks import refuse
from rlsel.commands.compare import run_comparison
from rlsel.commands.datasets import require_labels
from rlsel.commands.requests import CompareRequest, SelectRequest
from rlsel.coreset import Coreset
from rlsel.cutting import Origin, cut
from rlsel.data.dataset import Dataset
from rlsel.data.variation import Variation, apply_variation
from rlsel.data.wrapping import Columns, as_dataset
from rlsel.errors import CoresetError, DataError
from rlsel.evaluation.comparison import Run, Summary
from rlsel.evaluation.subset_training import SubsetResult, train_on
from rlsel.export import ExportSettings, resolve
from rlsel.making import coreset_of, plan_one
from rlsel.models.target import ModelSpec, TargetModel
from rlsel.naming import model_by_name, selector_by_name
from rlsel.runs.layout import selection_settings, settings_hash
from rlsel.runs.settings import GivenDataset, RunOptions, RunSettings
from rlsel.selection import select_from
from rlsel.selectors.base import SelectionTask, Selector
from rlsel.training.devices import DeviceSettings
from rlsel.training.reporting import Reporter, SilentReporter
from rlsel.training.settings import TrainingSettings

Model = str | ModelSpec | Callable[..., Any] | None
"""A name, a class or function that makes an `nn.Module`, or what builds a model; None for `small_cnn`."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How and on what things are computed, the same for every function here.

    Attributes:
        model: The network that is trained: a name of ours or of torchvision, or a class or function that makes
            an `nn.Module`.
        training: The recipe.
        seed: At least 0; drives selection and training through separate streams.
        device: The hardware.
        columns: Of a Hugging Face data set.
        reporter: Told what goes on; silent by default.
    """

    model: Model = None
    training: TrainingSettings = field(default_factory=TrainingSettings)
    seed: int = 0
    device: DeviceSettings = field(default_factory=DeviceSettings)
    columns: Columns = field(default_factory=Columns)
    reporter: Reporter = field(default_factory=SilentReporter)

    def run_settings(self, dataset: Dataset) -> RunSettings:
        """Returns what decides a result on a data set."""
        return RunSettings(
            dataset=GivenDataset.of(dataset), model=model_by_name(self.model), training=self.training, seed=self.seed
        )


def select(
    dataset: object,
    ratio: float = 0.7,
    *,
    model: Model = None,
    selector: str | Selector = "rl_selector",
    seed: int | None = None,
    training: TrainingSettings | None = None,
    export: ExportSettings | None = None,
    features: NDArray[Any] | Tensor | None = None,
    holdout: float = 0.0,
    for_model: Model = None,
    for_steps: int | None = None,
    for_epochs: int | None = None,
    setup: Setup | None = None,
) -> Coreset:
    """Chooses the part of a data set worth training on.

    Args:
        dataset: What is selected from; see the module.
        ratio: Share to keep, in (0, 1].
        model: The target model that is trained to judge the samples.
        selector: The method, by name or with settings of its own.
        seed: At least 0; None for that of the setup, which is 0 where nothing is said.
        training: How the target model is trained.
        export: How scores become a set, over the method's own default.
        features: (N, D) features of all samples, in place of the target model's.
        holdout: Share that is set aside first, class by class, to measure on.
        for_model: The model that will be trained on the coreset; None for the one that selects. Naming it, or one of
            the next two, lets `rl_selector` try its choice on that training.
        for_steps: Optimiser steps that it will take.
        for_epochs: Passes over the coreset that it will make, in place of `for_steps`.
        setup: The rest: device, columns of a Hugging Face data set, a reporter; what is given beside it wins.

    Returns:
        The coreset; `coreset.indices` are positions in `dataset`, and `coreset.save(folder)` writes it to disk.

    Raises:
        RlselError: for unfit data or settings.

    Example:
        >>> import numpy as np, rlsel
        >>> from sklearn.datasets import load_digits
        >>> images, labels = load_digits().images.astype("float32"), load_digits().target
        >>> coreset = rlsel.select((images, labels), ratio=0.5, selector="random")
        >>> images[coreset.indices].shape
        (899, 8, 8)
    """
    [coreset] = select_many(
        dataset,
        selectors=[selector],
        ratios=[ratio],
        model=model,
        seed=seed,
        training=training,
        export=export,
        features=features,
        holdout=holdout,
        for_model=for_model,
        for_steps=for_steps,
        for_epochs=for_epochs,
        setup=setup,
    ).values()
    return coreset


def select_many(
    dataset: object,
    *,
    selectors: Sequence[str | Selector] = ("rl_selector",),
    ratios: Sequence[float] = (0.7,),
    model: Model = None,
    seed: int | None = None,
    training: TrainingSettings | None = None,
    export: ExportSettings | None = None,
    features: NDArray[Any] | Tensor | None = None,
    holdout: float = 0.0,
    for_model: Model = None,
    for_steps: int | None = None,
    for_epochs: int | None = None,
    setup: Setup | None = None,
) -> dict[tuple[str, float], Coreset]:
    """Makes the coresets of several methods at several ratios from one training of the target model.

    Args:
        dataset: As in `select`, and so are the others.
        selectors: The methods, each once.
        ratios: Shares to keep, each once.
        model: The target model.
        seed: At least 0; None for that of the setup, which is 0 where nothing is said.
        training: How the target model is trained.
        export: How scores become sets.
        features: (N, D) features in place of the target model's.
        holdout: Share that is set aside first.
        for_model: The model that will be trained on the coresets, as in `select`, and so are the next two.
        for_steps: Optimiser steps that it will take.
        for_epochs: Passes over the coreset that it will make.
        setup: The rest.

    Returns:
        The coresets by the selector's name and the ratio, in the order asked for; each is the one that `select` gives.

    Raises:
        RlselError: for unfit data or settings.
    """
    began = time.monotonic()
    setup = _setup(setup, model=model, training=training, seed=seed)
    data = _read(dataset, setup, holdout=holdout)
    require_labels(data)
    request = SelectRequest(
        settings=replace(
            setup.run_settings(data),
            for_model=None if for_model is None else model_by_name(for_model),
            for_steps=for_steps,
            for_epochs=for_epochs,
        ),
        selectors=tuple(selector_by_name(one) for one in selectors),
        ratios=tuple(ratios),
        export=export or ExportSettings(),
    )
    for ratio in request.ratios:
        kept_count(ratio, len(data.train))
    digest, own = _features(features, data)
    plans = [
        plan_one(request.settings, one, ratio, export=request.export, features=digest)
        for one in request.selectors
        for ratio in request.ratios
    ]
    with setup.device.computing() as fabric:
        task = SelectionTask(
            dataset=data,
            model=request.settings.model,
            training=request.settings.training,
            purpose=request.settings.purpose,
            fabric=fabric,
            seed=setup.seed,
            features=own,
            reporter=setup.reporter,
        )
        by_wanted = {plan.wanted: plan for plan in plans}
        made = select_from(task, list(by_wanted), setup_seconds=time.monotonic() - began)
        found = {one.wanted: coreset_of(one, by_wanted[one.wanted], task) for one in made}
    return {(plan.wanted.selector.name, plan.wanted.ratio): found[plan.wanted] for plan in plans}


def apply(
    policy: Coreset,
    dataset: object,
    ratio: float = 0.7,
    *,
    seed: int | None = None,
    export: ExportSettings | None = None,
    setup: Setup | None = None,
) -> Coreset:
    """Lets a learned policy choose from data that it has not seen; trains nothing, and needs no labels.

    Args:
        policy: A coreset of `rl_selector`, as `select` gives it in this process.
        dataset: What is selected from: images of the same shape and on the same scale.
        ratio: Share to keep, in (0, 1].
        seed: Of the draw; None for that of the setup.
        export: How scores become a set, over the method's own default.
        setup: Device, columns of a Hugging Face data set, a reporter.

    Raises:
        CoresetError: if the coreset has no policy that can judge other samples.
        RlselError: for unfit data or settings.
    """
    began = time.monotonic()
    learned = policy.policy
    if not isinstance(learned, LearnedPolicy):
        raise CoresetError(
            "policy must be a coreset that rlsel.select made with selector='rl_selector', got one of "
            f"{policy.provenance.selector.name} without a policy: of a run on disk, use rlsel apply run=FOLDER"
        )
    (ratio,) = parse_ratios(ratio)
    setup = _setup(setup, model=learned.spec, training=None, seed=seed)
    data = _read(dataset, setup)
    kept_count(ratio, len(data.train))
    selector = learned.selector
    settings = selection_settings(
        setup.run_settings(data), selector=selector, ratio=ratio, export=export or ExportSettings(), features=None
    )
    with setup.device.computing() as fabric:
        scores = learned.scores(learned.features_of(data, fabric), data, ratio)
    origin = Origin(
        selector=selector.name,
        settings=settings,
        digest=settings_hash(settings),
        ratio=ratio,
        seed=setup.seed,
        export=resolve(export or ExportSettings(), selector.export),
        wall_seconds=time.monotonic() - began,
        parent=policy.folder,
    )
    return cut(scores, data, origin, setup.reporter.note)


class Trained(NamedTuple):
    """A model that was trained on a coreset, in evaluation mode, and what it is worth."""

    model: TargetModel
    result: SubsetResult


def train_on_subset(
    coreset: Coreset | NDArray[np.int64] | None,
    dataset: object,
    *,
    test: object = None,
    model: Model = None,
    seed: int | None = None,
    training: TrainingSettings | None = None,
    holdout: float = 0.0,
    setup: Setup | None = None,
) -> Trained:
    """Trains a fresh model on a coreset.

    Args:
        coreset: What to train on: a coreset, (K,) positions in the data set, or None for all of it.
        dataset: What it was selected from.
        test: What the model is measured on; None for nothing but what was held out.
        model: The network to train.
        seed: Of the training; None for that of the setup.
        training: The recipe.
        holdout: As it was given to `select`: this share is not trained on but measured on.
        setup: The rest.

    Raises:
        RlselError: for unfit data or settings, and for samples held out that the coreset was chosen from.
    """
    setup = _setup(setup, model=model, training=training, seed=seed)
    data = _read(dataset, setup, test=test, holdout=holdout)
    require_labels(data)
    positions = _positions(coreset, data)
    places = data.places_in_train(positions).numpy()
    if (places < 0).any():
        raise CoresetError(
            f"coreset must keep candidates only, got sample {int(positions[int(np.argmax(places < 0))])}, which is "
            "held out: give the same holdout to select"
        )
    if len(places) < 2:
        raise CoresetError(f"coreset must have at least 2 samples to train on, got {len(places)}")
    with setup.device.computing() as fabric:
        result, trained = train_on(
            data,
            places,
            model=model_by_name(setup.model),
            settings=setup.training,
            fabric=fabric,
            seed=setup.seed,
            reporter=setup.reporter,
        )
    return Trained(trained, result)


class Comparison(NamedTuple):
    """What a comparison came to.

    Attributes:
        runs: One for each selector, ratio and seed.
        summaries: Mean, standard error and differences with 95 % intervals, by selector and ratio.
        markdown: All of it as a page.
    """

    runs: list[Run]
    summaries: list[Summary]
    markdown: str


def compare(
    dataset: object,
    *,
    selectors: Sequence[str | Selector] = ("rl_selector",),
    ratios: Sequence[float] = (0.3, 0.5, 0.7),
    seeds: Sequence[int] = (0, 1, 2),
    test: object = None,
    holdout: float = 0.2,
    model: Model = None,
    training: TrainingSettings | None = None,
    budget: Literal["steps", "epochs"] = "steps",
    export: ExportSettings | None = None,
    setup: Setup | None = None,
) -> Comparison:
    """Compares selectors with a random choice and with all of the data: selects, trains and measures.

    Args:
        dataset: What is selected from.
        selectors: The methods, each once; random is always among them.
        ratios: Shares to keep, each once.
        seeds: At least 0, each once.
        test: What models are measured on; None for a share that is held out.
        holdout: That share.
        model: The network that selects and is trained.
        training: The recipe.
        budget: `steps`: every training takes as many as one on all of the data; `epochs`: as many passes.
        export: How scores become sets.
        setup: The rest; its seed is not used.

    Raises:
        RlselError: for unfit data or settings.
        PartlyFailedError: if some of the runs failed.
    """
    setup = _setup(setup, model=model, training=training, seed=None)
    data = _read(dataset, setup, test=test, holdout=holdout)
    require_labels(data)
    with tempfile.TemporaryDirectory(prefix="rlsel-") as folder:  # cells are kept there while it runs
        request = CompareRequest(
            settings=setup.run_settings(data),
            selectors=tuple(selector_by_name(one) for one in selectors),
            ratios=tuple(ratios),
            seeds=tuple(seeds),
            budget=budget,
            export=export or ExportSettings(),
            options=RunOptions(run_dir=Path(folder), device=setup.device),
        )
        compared = run_comparison(request, setup.reporter)
    return Comparison(compared.runs, compared.summaries, compared.markdown)


def _setup(setup: Setup | None, *, model: Model, training: TrainingSettings | None, seed: int | None) -> Setup:
    """Returns the setup with what was given in its place."""
    setup = setup or Setup()
    return replace(
        setup,
        model=setup.model if model is None else model,
        training=training or setup.training,
        seed=setup.seed if seed is None else seed,
    )


def _read(given: object, setup: Setup, *, test: object = None, holdout: float = 0.0) -> Dataset:
    data = as_dataset(given, test=test, columns=setup.columns)
    return apply_variation(data, Variation(holdout=holdout))


def _features(given: NDArray[Any] | Tensor | None, dataset: Dataset) -> tuple[str | None, Tensor | None]:
    """Returns the digest of the user's features, that of an `.npy` file with them, and those of the candidates."""
    if given is None:
        return None, None
    array = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if array.ndim != 2 or len(array) != len(dataset.source) or array.dtype.kind not in "fiu":
        raise refuse("features", f"({len(dataset.source)}, D) numbers, a row for each sample", array.shape)
    values = torch.from_numpy(array.astype(np.float32))
    if not torch.isfinite(values).all():
        raise DataError("features must be finite numbers, got NaN or infinity")
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return hashlib.sha256(file.getvalue()).hexdigest(), values[dataset.train.in_source()]


def _positions(coreset: Coreset | NDArray[np.int64] | None, data: Dataset) -> Tensor:
    """Returns the (K,) ascending positions to train on, after checking that they belong to the data."""
    if coreset is None:
        return data.train.in_source()
    if isinstance(coreset, Coreset):
        coreset.check(size=len(data.source), fingerprint=data.fingerprint)
        seen = np.intersect1d(coreset.candidates, data.held_out.numpy())
        if len(seen):
            raise CoresetError(
                f"holdout must be what select was given, got {len(seen)} samples held out that were chosen from"
            )
        return torch.from_numpy(coreset.indices)
    indices = np.unique(np.asarray(coreset))
    if indices.dtype.kind not in "iu" or indices.shape != np.shape(coreset):
        raise refuse("coreset", "(K,) whole numbers, each once", f"{np.shape(coreset)} {np.asarray(coreset).dtype}")
    if len(indices) and (indices[0] < 0 or indices[-1] >= len(data.source)):
        wrong = int(indices[0] if indices[0] < 0 else indices[-1])
        raise refuse("coreset", f"positions from 0 to {len(data.source) - 1}", wrong)
    return torch.from_numpy(indices.astype(np.int64))
