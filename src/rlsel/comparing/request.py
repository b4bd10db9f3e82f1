"""What is compared: methods at ratios over seeds, on one data set."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from rlsel.budget import parse_ratios
from rlsel.checks import int_at_least, one_of, refuse, require_each_once, require_some
from rlsel.cover.settings import CoverSettings
from rlsel.dynamic.rules import RULES
from rlsel.errors import ConfigurationError
from rlsel.evaluation.comparison import FULL, RANDOM
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.export import ExportSettings
from rlsel.models.target import ModelSpec
from rlsel.policy.a2c import A2C
from rlsel.policy.mdp import PolicySpec
from rlsel.policy.rewards import Dynamics, Reward
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.base import Selector
from rlsel.selectors.random import Random

Budget = Literal["steps", "epochs", "seconds"]
"""What all trainings of a comparison have in common."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method with settings of its own, under a name of its own in a comparison.

    Attributes:
        name: What tables and folders call it.
        selector: The method.
        export: How its scores become sets, over the selector's own default.
        overrides: How the user wrote its settings, for the report.
    """

    name: str
    selector: Selector
    export: ExportSettings = field(default_factory=ExportSettings)
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", self.name):
            raise refuse("variants", "named with letters, digits and _ . + -", self.name)


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """`rlsel compare`: selectors at ratios over seeds, beside a random choice and all of the data.

    Attributes:
        settings: Data, the model that selects, and the training; its seed stands for each of the seeds.
        selectors: The methods, each once; `random` is added where it is missing.
        variants: Further methods, each with settings and a name of its own.
        ratios: Shares of the training samples to keep, in (0, 1], each once.
        seeds: Seeds of selection and training, at least 0, each once; two or more give intervals.
        dynamic: Rules that choose what each pass is over while the model trains (`dynamic`, `rs2`, `infobatch`), each a
            row at each ratio.
        budget: `steps`: every training takes the steps of the full one. `epochs`: it makes as many passes over its
            samples, so that a smaller ratio takes fewer steps. `seconds`: it takes as many as there is time for, when
            every row may spend what the dearest selection and a training on all of the data take together.
        train_models: Models that are trained on the coresets; without any, the model that selects.
        evaluation: What each of them is measured on besides the test split.
        policy: The learner of the selectors that have a policy.
        reward: What a decision earns, for the selectors that have a reward.
        cover: How E_c is measured, for the selectors that do so.
        export: How scores become sets, over the selectors' own defaults.
        options: Where and on what.
    """

    settings: RunSettings
    selectors: tuple[Selector, ...]
    ratios: tuple[float, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    variants: tuple[Row, ...] = ()
    dynamic: tuple[str, ...] = ()
    budget: Budget = "steps"
    train_models: tuple[ModelSpec, ...] = ()
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    policy: PolicySpec = field(default_factory=A2C)
    reward: Reward = field(default_factory=Dynamics)
    cover: CoverSettings = field(default_factory=CoverSettings)
    export: ExportSettings = field(default_factory=ExportSettings)
    options: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        require_some("selectors", self.selectors)
        require_each_once("selectors", [selector.name for selector in self.selectors])
        require_each_once("variants", [row.name for row in self.variants])
        taken = {FULL, RANDOM, *(selector.name for selector in self.selectors)}
        for row in self.variants:
            if row.name in taken:
                raise refuse("variants", f"named differently from {', '.join(sorted(taken))}", row.name)
        require_each_once("dynamic", self.dynamic)
        for rule in self.dynamic:
            one_of("dynamic", rule, tuple(sorted(RULES)))
            if rule in {row.name for row in self.variants}:
                raise refuse("variants", f"named differently from {', '.join(self.dynamic)}", rule)
        require_each_once("train_models", [model.name for model in self.train_models])
        parse_ratios(self.ratios, "ratios")
        require_some("seeds", self.seeds)
        require_each_once("seeds", self.seeds)
        for seed in self.seeds:
            int_at_least("seeds", seed, 0)
        one_of("budget", self.budget, get_args(Budget))
        training = self.settings.training
        if training.weighting != "none":
            raise refuse(
                "training.weighting", "none for compare", training.weighting, "its selections share a training"
            )
        if self.budget == "epochs" and training.steps is not None:
            raise ConfigurationError(
                f"training.steps must not be given with budget=epochs, got {training.steps}: give training.epochs, or "
                "budget=steps"
            )

    @property
    def rows(self) -> tuple[Row, ...]:
        """All methods as rows, in the order of the tables."""
        plain = (Row(name=selector.name, selector=selector, export=self.export) for selector in self.selectors)
        return (*plain, *self.variants)

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """The models that are trained on the selections."""
        return self.train_models or (self.settings.model,)

    def with_random(self) -> CompareRequest:
        """Returns the request with a random choice among its methods, to compare the others with."""
        if RANDOM in [selector.name for selector in self.selectors]:
            return self
        return replace(self, selectors=(Random(), *self.selectors))
