"""`ratio=auto`: the smallest ratio whose predicted loss of accuracy stays under what the user allows.

One target training serves the choices at all ratios, as it does wherever several ratios are asked for. Then the model
to come is trained on some of these choices and on all of the data, as long as it will be, and measured on samples held
out of the training split; a curve through the differences (`rlsel.evaluation.loss_curve`) says what each ratio costs.
The test split is never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from rlsel.budget import AUTO, kept_count
from rlsel.checks import refuse
from rlsel.coreset import Coreset
from rlsel.cutting import cut
from rlsel.evaluation.loss_curve import fit_loss_curve
from rlsel.export import ExportSettings
from rlsel.making import coreset_of
from rlsel.provenance import Prediction, RatioLoss
from rlsel.runs.folder import RunFolder, cell_name, run_folder
from rlsel.runs.layout import selects_by_defaults, settings_hash
from rlsel.runs.plan import Plan, plan_one
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selection import Made, Wanted, select_from
from rlsel.selectors.base import Purpose, SelectionTask, Selector
from rlsel.selectors.held_out import HeldOut, Measured

RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""What can be chosen."""

TOLERANCE = 0.5
"""Points that may be lost where nothing is said."""

_TRIED = (0.1, 0.3, 0.5, 0.7, 0.9)
_ROUNDS = 2

_FEWEST = 50
"""Samples to measure on, below which a difference of points says nothing."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A coreset whose ratio was found.

    Attributes:
        plan: What was to be made, at that ratio.
        coreset: The coreset.
        metrics: The measurements of each epoch of the target training; none where nothing was trained.
    """

    plan: Plan
    coreset: Coreset
    metrics: Sequence[Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class AutoPlan:
    """A coreset whose ratio is to be found.

    Attributes:
        plans: The choice at each of the `RATIOS`.
        settings: All that decides the result.
        tolerance: How many points of accuracy may be lost against all of the data.
    """

    plans: Sequence[Plan]
    settings: Mapping[str, Any]
    tolerance: float

    @classmethod
    def of(
        cls,
        settings: RunSettings,
        selector: Selector,
        *,
        tolerance: float,
        export: ExportSettings,
        features: str | None = None,
    ) -> AutoPlan:
        """Plans the choices of a method.

        Args:
            settings: Data, model, training and seed.
            selector: The method.
            tolerance: How many points of accuracy may be lost.
            export: How scores become a set, over the method's own default.
            features: Digest of the features that the user brought; None for the target model's.

        Raises:
            ConfigurationError: if the export does not fit the method.
        """
        plans = [plan_one(settings, selector, ratio, export=export, features=features) for ratio in RATIOS]
        if plans[0].wanted.export.mode == "threshold":
            raise refuse("export.mode", "one that a ratio moves, with ratio=auto", "threshold")
        return cls(
            plans=plans, settings={**plans[0].settings, "ratio": AUTO, "tolerance": tolerance}, tolerance=tolerance
        )

    def folder(self, settings: RunSettings, export: ExportSettings, options: RunOptions) -> RunFolder:
        """Returns its run folder."""
        digest, selector = settings_hash(self.settings), self.plans[0].wanted.selector
        plain = self.tolerance == TOLERANCE and self.settings["features"] is None
        plain = plain and selects_by_defaults(settings, selector, export)
        return run_folder(
            "select",
            settings.dataset.name,
            selector.name,
            cell_name(None, settings.seed, None if plain else digest),
            run_dir=options.run_dir,
            several=options.several,
            digest=digest,
        )


def choose_ratio(
    auto: AutoPlan,
    task: SelectionTask,
    *,
    setup_seconds: float,
) -> Found:
    """Makes the choices, tries some of them, and returns the one at the smallest ratio that costs little enough.

    Args:
        auto: What was planned.
        task: What is selected from.
        setup_seconds: Spent before.

    Raises:
        RlselError: for a user's mistake, and for too few samples to measure on.
    """
    for ratio in RATIOS:
        kept_count(ratio, len(task))
    purpose = task.purpose or Purpose(model=task.model, training=task.training)
    held_out = HeldOut(task, purpose)
    if len(held_out.measured) < _FEWEST:
        raise refuse(
            "ratio", "a number for so few samples", "auto", f"{len(held_out.measured)} of them would be measured on"
        )
    wanted = {plan.wanted: plan for plan in auto.plans}
    rows: dict[Wanted, list[Mapping[str, float]]] = {one: [] for one in wanted}
    made: dict[float, tuple[Made, Plan]] = {}
    for one in select_from(
        task,
        list(wanted),
        setup_seconds=setup_seconds,
        on_epoch=lambda own, row: rows[own].append(row),
    ):
        made[one.wanted.ratio] = (one, wanted[one.wanted])
    prediction = _predict({ratio: _places(*made[ratio], task) for ratio in _TRIED}, held_out, purpose, auto.tolerance)
    task.reporter.note(f"note: {prediction}")
    ratio = min((one.ratio for one in prediction.curve if one.high <= auto.tolerance), default=1.0)
    chosen, plan = made[ratio]
    plan = replace(plan, settings=auto.settings)
    coreset = coreset_of(replace(chosen, seconds=chosen.seconds + prediction.seconds), plan, task)
    coreset = replace(coreset, provenance=replace(coreset.provenance, prediction=prediction))
    return Found(plan=plan, coreset=coreset, metrics=rows[chosen.wanted])


def _places(made: Made, plan: Plan, task: SelectionTask) -> Tensor:
    """Returns the places of a choice in the training split."""
    coreset = cut(made.scores, task.dataset, plan.origin(wall_seconds=0.0), lambda _: None)
    return task.dataset.places_in_train(torch.from_numpy(coreset.indices))


def _predict(choices: Mapping[float, Tensor], held_out: HeldOut, purpose: Purpose, tolerance: float) -> Prediction:
    everything = held_out.train
    allowed = torch.zeros(len(everything) + len(held_out.measured), dtype=torch.bool)
    allowed[everything] = True
    tried = {1.0: everything, **{ratio: places[allowed[places]] for ratio, places in choices.items()}}
    found: dict[float, list[Measured]] = {ratio: [] for ratio in tried}
    for number in range(_ROUNDS):
        for ratio, places in tried.items():
            share = "all of the data" if ratio == 1.0 else f"{ratio:g} of the data"
            steps = purpose.training.total_steps(len(places))
            title = f"round {number + 1} of {_ROUNDS}, {purpose.model.name} on {share}"
            found[ratio].append(held_out.try_on(places, steps=steps, number=number, title=title))
    full = found.pop(1.0)
    lost = {
        ratio: held_out.mean([100 * (before.right - after.right) for before, after in zip(full, some, strict=True)])
        for ratio, some in found.items()
    }
    errors = [max(one.error, 100 / len(held_out.measured)) for one in lost.values()]
    curve = fit_loss_curve(list(lost), [one.mean for one in lost.values()], errors)
    return Prediction(
        tolerance=tolerance,
        measured=tuple(
            RatioLoss(ratio=ratio, points=one.mean, low=one.mean - one.error, high=one.mean + one.error)
            for ratio, one in lost.items()
        ),
        curve=tuple(
            RatioLoss(ratio=ratio, points=points, low=low, high=high)
            for ratio in RATIOS
            for points, low, high in [curve.at(ratio)]
        ),
        model=purpose.model.name,
        steps=purpose.training.total_steps(len(everything)),
        rounds=_ROUNDS,
        seconds=held_out.seconds,
    )
