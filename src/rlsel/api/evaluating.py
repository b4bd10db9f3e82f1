"""Measuring what a coreset is worth: trainings on it, and comparisons of methods."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.api.setup import Model, Setup, read, settle
from rlsel.checks import refuse
from rlsel.commands.outcomes import PartlyFailedError
from rlsel.comparing.core import carry_out, prepare
from rlsel.comparing.request import Budget, CompareRequest
from rlsel.coreset import Coreset
from rlsel.data.dataset import Dataset
from rlsel.errors import CoresetError
from rlsel.evaluation.comparison import Run, Summary
from rlsel.evaluation.subset_training import SubsetResult, train_on
from rlsel.export import ExportSettings
from rlsel.models.target import TargetModel
from rlsel.naming import selector_by_name
from rlsel.runs.settings import RunOptions
from rlsel.selectors.base import Selector
from rlsel.training.settings import TrainingSettings


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
        seed: Seed of the training; None for that of the setup.
        training: The recipe.
        holdout: The share that was given to `select`: it is not trained on but measured on; 0 beside test data.
        setup: The rest.

    Raises:
        RlselError: for unfit data or settings, and for samples held out that the coreset was chosen from.
    """
    if test is not None and holdout:
        raise refuse("holdout", "0 beside test data", holdout, "one of them is measured on: leave the other out")
    setup = settle(setup, model=model, training=training, seed=seed)
    settings, data = read(dataset, setup, test=test, holdout=holdout)
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
            model=settings.model,
            settings=settings.training,
            fabric=fabric,
            seed=settings.seed,
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
    dynamic: Sequence[str] = (),
    budget: Budget = "steps",
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
        holdout: The share that is held out where there is no test data.
        model: The network that selects and is trained.
        training: The recipe.
        dynamic: Rules that choose what each pass is over while the model trains: `dynamic`, `rs2`, `infobatch`.
        budget: `steps`: every training takes as many as one on all of the data; `epochs`: as many passes; `seconds`: as
            many as there is time for, beside its selection.
        export: How scores become sets.
        setup: The rest; its seed is not used.

    Raises:
        RlselError: for unfit data or settings.
        PartlyFailedError: if some of the runs failed.
    """
    setup = settle(setup, model=model, training=training)
    settings, _ = read(dataset, setup, test=test, holdout=holdout)  # refused before a folder is made
    request = CompareRequest(
        settings=settings,
        selectors=tuple(selector_by_name(one) for one in selectors),
        ratios=tuple(ratios),
        seeds=tuple(seeds),
        dynamic=tuple(dynamic),
        budget=budget,
        export=export or ExportSettings(),
        options=RunOptions(device=setup.device),
    )
    with tempfile.TemporaryDirectory(prefix="rlsel-") as folder:  # selections and trainings are kept there meanwhile
        results = carry_out(prepare(request, Path(folder), setup.reporter))
        if results.failures:
            raise PartlyFailedError(results.failed, folder=Path(folder), by_user=results.failed_by_user)
    return Comparison(results.runs, results.summaries, results.page)


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
