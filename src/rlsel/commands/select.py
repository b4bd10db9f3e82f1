"""`rlsel select`: every selector at every ratio, from one target training, one coreset folder each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from lightning_fabric import Fabric

from rlsel.commands.missing import make_missing
from rlsel.commands.requests import SelectRequest
from rlsel.data.dataset import Dataset
from rlsel.making import make
from rlsel.runs.datasets import features_digest, read_features
from rlsel.runs.plan import Planned, planned_selection
from rlsel.selectors.base import SelectionTask
from rlsel.training.reporting import Reporter


def select(request: SelectRequest, reporter: Reporter) -> Path:
    """Makes the coresets that do not exist yet.

    Returns:
        The run folder; the folder that holds all of them where there are several.

    Raises:
        RlselError: for a user's mistake; no folder is left then.
    """
    began = time.monotonic()

    def work(missing: Sequence[Planned], dataset: Dataset, fabric: Fabric) -> None:
        task = SelectionTask(
            dataset=dataset,
            model=request.settings.model,
            training=request.settings.training,
            purpose=request.settings.purpose,
            fabric=fabric,
            seed=request.settings.seed,
            features=read_features(request.features, dataset),
            reporter=reporter,
        )
        make(missing, task, began=began, resume=request.options.resume == "auto")

    return make_missing(plan(request), work, settings=request.settings, options=request.options, reporter=reporter)


def plan(request: SelectRequest) -> list[Planned]:
    """Returns every coreset of a request, whether made already or not.

    Args:
        request: What is to be selected.

    Raises:
        ConfigurationError: if an export does not fit its selector.
    """
    features = features_digest(request.features)
    several = len(request.selectors) * len(request.ratios) > 1
    return [
        planned_selection(
            request.settings,
            selector,
            ratio,
            export=request.export,
            features=features,
            options=request.options,
            several=several,
        )
        for selector in request.selectors
        for ratio in request.ratios
    ]
