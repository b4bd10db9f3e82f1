"""What each command is asked to do: plain objects, whoever made them (the command line, a script, a test)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rlsel.budget import parse_ratios
from rlsel.checks import int_at_least, one_of, positive_int, refuse
from rlsel.cover.settings import CoverSettings
from rlsel.data.variation import Variation
from rlsel.errors import ConfigurationError
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.export import ExportSettings
from rlsel.models.target import ModelSpec
from rlsel.policy.a2c import A2C
from rlsel.policy.mdp import PolicySpec
from rlsel.policy.rewards import Dynamics, Reward
from rlsel.runs.settings import DatasetSource, RunOptions, RunSettings
from rlsel.selectors.base import Selector


@dataclass(frozen=True, kw_only=True)
class SelectRequest:
    """`rlsel select`: every selector at every ratio, from one target training.

    Attributes:
        settings: Data, model and training.
        selectors: The methods, each once; one training of the target model serves them all.
        ratios: Share of the training samples to keep, in (0, 1]; a list gives a coreset for each.
        export: How scores become sets, over the selectors' own defaults.
        features: An `.npy` file of (N, D) features that replace the target model's.
        options: Where and on what.
    """

    settings: RunSettings
    selectors: tuple[Selector, ...]
    ratios: tuple[float, ...]
    export: ExportSettings = field(default_factory=ExportSettings)
    features: Path | None = None
    options: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        _require_some("selectors", self.selectors)
        _require_each_once("selectors", [selector.name for selector in self.selectors])
        parse_ratios(self.ratios)


@dataclass(frozen=True, kw_only=True)
class FinetuneRequest:
    """`rlsel finetune-ratio`: a saved policy, adapted to another ratio.

    Attributes:
        run: The folder of a complete `select` run of a policy.
        settings: Data, model, training and seed that the run recorded, unless given.
        selector: The method that the run recorded.
        ratios: The new share of the training samples to keep, in (0, 1]; a list adapts to each.
        epochs: Passes of fine-tuning (15 in the paper).
        features: `saved` uses the features that the run stored; `continued` goes on training its target model.
        export: How scores become a set, as the run recorded it, unless given.
        options: Where and on what.
    """

    run: Path
    settings: RunSettings
    selector: Selector
    ratios: tuple[float, ...]
    epochs: int = 15
    features: Literal["saved", "continued"] = "saved"
    export: ExportSettings = field(default_factory=ExportSettings)
    options: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        parse_ratios(self.ratios)
        positive_int("epochs", self.epochs)
        one_of("features", self.features, ("saved", "continued"))


@dataclass(frozen=True, kw_only=True)
class ApplyRequest:
    """`rlsel apply`: a saved policy judges data that it has not seen.

    Attributes:
        run: The folder of a complete `select` run of a policy.
        settings: The data to select from; model, training and seed as recorded in that run, unless given.
        selector: The method that the run recorded.
        ratios: Share of the samples to keep, in (0, 1]; a list gives a coreset for each.
        export: How scores become a set, as the run recorded it, unless given.
        options: Where and on what.
    """

    run: Path
    settings: RunSettings
    selector: Selector
    ratios: tuple[float, ...]
    export: ExportSettings = field(default_factory=ExportSettings)
    options: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        parse_ratios(self.ratios)


@dataclass(frozen=True, kw_only=True)
class TrainOnSubsetRequest:
    """`rlsel train-on-subset`: any model, trained on a coreset and measured on the test split.

    Attributes:
        coreset: A run folder or an `indices.npy`; nothing, which the command line calls `full`, for the whole split.
        settings: Data, model and training.
        evaluation: What the model is measured on besides the test split.
        options: Where and on what.
    """

    coreset: Path | None
    settings: RunSettings
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    options: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True, kw_only=True)
class FeaturesRequest:
    """`rlsel features`: what a network that is not trained here makes of every sample.

    Attributes:
        dataset: The images.
        variation: What is changed in them; samples that it leaves out get rows of zeros.
        model: The network, as it is: with pretrained weights, where it has them.
        seed: Whole number of at least 0 that draws the weights that are not pretrained.
        options: Where and on what.
    """

    dataset: DatasetSource
    variation: Variation = field(default_factory=Variation)
    model: ModelSpec
    seed: int = 0
    options: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        int_at_least("seed", self.seed, 0)


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
        budget: `steps`: every training takes the steps of the full one. `epochs`: it makes as many passes over its
            samples, so that a smaller ratio takes fewer steps.
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
    budget: Literal["steps", "epochs"] = "steps"
    train_models: tuple[ModelSpec, ...] = ()
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    policy: PolicySpec = field(default_factory=A2C)
    reward: Reward = field(default_factory=Dynamics)
    cover: CoverSettings = field(default_factory=CoverSettings)
    export: ExportSettings = field(default_factory=ExportSettings)
    options: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        _require_some("selectors", self.selectors)
        _require_each_once("selectors", [selector.name for selector in self.selectors])
        _require_each_once("variants", [row.name for row in self.variants])
        taken = {"full", "random", *(selector.name for selector in self.selectors)}
        for row in self.variants:
            if row.name in taken:
                raise refuse("variants", f"named differently from {', '.join(sorted(taken))}", row.name)
        _require_each_once("train_models", [model.name for model in self.train_models])
        parse_ratios(self.ratios, "ratios")
        _require_some("seeds", self.seeds)
        _require_each_once("seeds", self.seeds)
        for seed in self.seeds:
            int_at_least("seeds", seed, 0)
        one_of("budget", self.budget, ("steps", "epochs"))
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


def _require_some(name: str, given: Sequence[object]) -> None:
    if not given:
        raise refuse(name, "a list of at least one", "[]")


def _require_each_once(name: str, given: Sequence[object]) -> None:
    for value in given:
        if given.count(value) > 1:
            raise ConfigurationError(f"{name} must name each once, got {value} twice: remove one")
