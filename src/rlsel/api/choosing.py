"""Choosing the part of a data set worth training on, and the features that some methods choose by."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.api.setup import Model, Setup, read, settle
from rlsel.applying import LearnedPolicy, judging_selector
from rlsel.budget import AUTO, kept_count, parse_ratios
from rlsel.checks import refuse
from rlsel.commands.requests import SelectRequest
from rlsel.coreset import Coreset
from rlsel.cutting import cut
from rlsel.data.dataset import Dataset
from rlsel.data.wrapping import as_array
from rlsel.embedding import embed
from rlsel.errors import CoresetError, DataError
from rlsel.export import ExportSettings
from rlsel.importing import targets_from
from rlsel.making import coreset_of
from rlsel.naming import model_by_name, selector_by_name
from rlsel.predicting import TOLERANCE, AutoPlan, choose_ratio
from rlsel.runs.in_memory import RunInMemory
from rlsel.runs.plan import Plan, plan_one
from rlsel.runs.reader import read_run
from rlsel.selection import Wanted, select_from
from rlsel.selectors.base import SelectionTask, Selector
from rlsel.training.fabric import Fabric
from rlsel.training.settings import TrainingSettings


def select(
    dataset: object,
    ratio: float | Literal["auto"] = 0.7,
    *,
    tolerance: float | None = None,
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
        ratio: Share to keep, in (0, 1]; `auto` trains on the choices at several ratios, and takes the smallest that
            costs at most `tolerance`.
        tolerance: With `auto`, the points of accuracy that may be lost against all of the data; None for 0.5.
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
    given = _Given(
        dataset,
        selectors=[selector],
        ratios=() if ratio == AUTO else parse_ratios([ratio]),
        tolerance=TOLERANCE if ratio == AUTO and tolerance is None else tolerance,
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
    )
    if ratio == AUTO:
        return given.find_ratio()
    [coreset] = given.make().values()
    return coreset


def select_many(
    dataset: object,
    *,
    selectors: str | Sequence[str | Selector] = ("rl_selector",),
    ratios: float | Sequence[float] = (0.7,),
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
        dataset: What is selected from, as in `select`.
        selectors: The methods, each once; a name stands for a list of one.
        ratios: Shares to keep, each once; a number stands for a list of one.
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
    return _Given(
        dataset,
        selectors=[selectors] if isinstance(selectors, str) else selectors,
        ratios=parse_ratios(ratios),
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
    ).make()


class _Given:
    """What a program asked for, as a command would be asked, and the data that it gave."""

    def __init__(
        self,
        dataset: object,
        *,
        selectors: Sequence[str | Selector],
        ratios: tuple[float, ...],
        tolerance: float | None = None,
        model: Model,
        seed: int | None,
        training: TrainingSettings | None,
        export: ExportSettings | None,
        features: NDArray[Any] | Tensor | None,
        holdout: float,
        for_model: Model,
        for_steps: int | None,
        for_epochs: int | None,
        setup: Setup | None,
    ) -> None:
        self._began = time.monotonic()
        self._setup = settle(setup, model=model, training=training, seed=seed)
        settings, self._data = read(dataset, self._setup, holdout=holdout)
        to_come = None if for_model is None else model_by_name(for_model)
        self._settings = replace(settings, for_model=to_come, for_steps=for_steps, for_epochs=for_epochs)
        self._request = SelectRequest(
            settings=self._settings,
            selectors=tuple(selector_by_name(one) for one in selectors),
            ratios=ratios,
            tolerance=tolerance,
            export=export or ExportSettings(),
        )
        for ratio in ratios:
            kept_count(ratio, len(self._data.train))
        self._digest, self._features = _features(features, self._data)

    def make(self) -> dict[tuple[str, float], Coreset]:
        """Makes a coreset of each selector at each ratio."""
        plans = [
            plan_one(self._settings, one, ratio, export=self._request.export, features=self._digest)
            for one in self._request.selectors
            for ratio in self._request.ratios
        ]
        with self._setup.device.computing() as fabric:
            found = _made(plans, self._task(fabric), setup_seconds=time.monotonic() - self._began)
        return {(plan.wanted.selector.name, plan.wanted.ratio): found[plan] for plan in plans}

    def find_ratio(self) -> Coreset:
        """Makes the coreset of the smallest ratio that costs little enough."""
        request = self._request
        auto = AutoPlan.of(
            self._settings,
            request.selectors[0],
            tolerance=request.tolerance or 0.0,
            export=request.export,
            features=self._digest,
        )
        with self._setup.device.computing() as fabric:
            found = choose_ratio(auto, self._task(fabric), setup_seconds=time.monotonic() - self._began)
        return replace(found.coreset, run=RunInMemory(plan=found.plan, metrics=found.metrics))

    def _task(self, fabric: Fabric) -> SelectionTask:
        return SelectionTask(
            dataset=self._data,
            model=self._settings.model,
            training=self._settings.training,
            purpose=self._settings.purpose,
            fabric=fabric,
            seed=self._settings.seed,
            features=self._features,
            reporter=self._setup.reporter,
        )


def _made(plans: Sequence[Plan], task: SelectionTask, *, setup_seconds: float) -> dict[Plan, Coreset]:
    """Makes the planned coresets, each with what its run folder would hold."""
    by_wanted = {plan.wanted: plan for plan in plans}
    rows: dict[Wanted, list[Mapping[str, float]]] = {wanted: [] for wanted in by_wanted}
    found = {}
    for made in select_from(
        task, list(by_wanted), setup_seconds=setup_seconds, on_epoch=lambda wanted, row: rows[wanted].append(row)
    ):
        plan = by_wanted[made.wanted]
        run = RunInMemory(plan=plan, metrics=rows[made.wanted])
        found[plan] = replace(coreset_of(made, plan, task), run=run)
    return found


def apply(
    policy: Coreset | Path | str,
    dataset: object,
    ratio: float = 0.7,
    *,
    seed: int | None = None,
    export: ExportSettings | None = None,
    setup: Setup | None = None,
) -> Coreset:
    """Lets a learned policy choose from data that it has not seen; trains nothing, and needs no labels.

    Args:
        policy: A coreset of `rl_selector`, as `select` gives it in this process, or the folder of a `select` run.
        dataset: What is selected from: images of the same shape and on the same scale.
        ratio: Share to keep, in (0, 1].
        seed: Seed of the draw; None for that of the setup.
        export: How scores become a set, over the method's own default.
        setup: Device, columns of a Hugging Face data set, a reporter, and packages that a run folder may name.

    Raises:
        CoresetError: if there is no policy that can judge other samples, or a file of the run is missing or damaged.
        RlselError: for unfit data or settings.
    """
    began = time.monotonic()
    (ratio,) = parse_ratios(ratio)
    if not isinstance(policy, Coreset | Path | str):
        raise refuse("policy", "a coreset, or the folder of a select run", type(policy).__name__)
    setup = setup or Setup()
    source = _in_memory(policy) if isinstance(policy, Coreset) else _on_disk(Path(policy), setup.targets_from)
    learned = source.policy
    setup = settle(setup, model=learned.spec, training=learned.training, seed=seed)
    settings, data = read(dataset, setup, needs_labels=False)
    kept_count(ratio, len(data.train))
    plan = plan_one(
        settings,
        learned.selector,
        ratio,
        export=export or ExportSettings(),
        command="apply",
        further={
            "run": None if source.folder is None else str(source.folder),
            "run_settings_hash": source.settings_hash,
        },
    )
    with setup.device.computing() as fabric:
        scores = learned.scores(learned.features_of(data, fabric), data, ratio)
    origin = plan.origin(wall_seconds=time.monotonic() - began, parent=source.folder)
    return replace(cut(scores, data, origin, setup.reporter.note), run=RunInMemory(plan=plan))


class _Source(NamedTuple):
    """A learned policy, the hash of the settings that it was learned with, and its run folder, where it has one."""

    policy: LearnedPolicy
    settings_hash: str
    folder: Path | None


def _in_memory(coreset: Coreset) -> _Source:
    if not isinstance(coreset.policy, LearnedPolicy):
        raise CoresetError(
            "policy must be a coreset that rlsel.select made with selector='rl_selector', got one of "
            f"{coreset.provenance.selector.name} without a policy: of a run on disk, give its folder"
        )
    return _Source(coreset.policy, coreset.provenance.settings_hash, None)


def _on_disk(folder: Path, packages: Sequence[str]) -> _Source:
    run = read_run(folder.absolute(), "policy")
    with targets_from(packages):
        selector, recorded = judging_selector(run, run.selector())
        return _Source(LearnedPolicy.load(run, selector, run.run_settings()), recorded.settings_hash, run.folder)


def features(
    dataset: object, *, model: Model = None, seed: int | None = None, setup: Setup | None = None
) -> NDArray[np.float32]:
    """Computes what a network that is not trained makes of every sample, for `features=` of `select`.

    Args:
        dataset: Images, with or without labels.
        model: The network, with pretrained weights where it has them, as `TimmModel(name=..., pretrained=True)`.
        seed: Seed of weights that are not pretrained; None for that of the setup.
        setup: Device, columns of a Hugging Face data set, a reporter.

    Returns:
        (N, D) float32, a row for each sample.

    Raises:
        RlselError: for unfit data, or a network that does not take it.

    Example:
        >>> import rlsel
        >>> from sklearn.datasets import load_digits
        >>> images, labels = load_digits().images.astype("float32"), load_digits().target
        >>> features = rlsel.features(images, model="small_cnn")  # random weights: for want of a download
        >>> features.shape
        (1797, 32)
        >>> len(rlsel.select((images, labels), ratio=0.1, selector="k_center", features=features))
        180
    """
    setup = settle(setup, model=model, seed=seed)
    settings, data = read(dataset, setup, needs_labels=False)
    with setup.device.computing() as fabric:
        embedding = embed(data, settings.model, fabric=fabric, seed=settings.seed)
    for line in embedding.notes:
        setup.reporter.note(line)
    return embedding.features


def _features(given: NDArray[Any] | Tensor | None, dataset: Dataset) -> tuple[str | None, Tensor | None]:
    """Returns the digest of the user's features, that of an `.npy` file with them, and those of the candidates."""
    if given is None:
        return None, None
    array = as_array(given)
    if array.ndim != 2 or len(array) != len(dataset.source) or array.dtype.kind not in "fiu":
        got = f"{type(given).__name__} of {array.dtype} and shape {array.shape}"
        raise refuse("features", f"an array of ({len(dataset.source)}, D) numbers, a row for each sample", got)
    values = torch.from_numpy(array.astype(np.float32))
    if not torch.isfinite(values).all():
        raise DataError("features must be finite numbers, got NaN or infinity")
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return hashlib.sha256(file.getvalue()).hexdigest(), values[dataset.train.in_source()]
