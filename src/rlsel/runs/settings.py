"""What every run is made of: data, model, training and seed, which decide it, and where and on what it is computed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

from rlsel.checks import int_at_least, one_of, positive_int, refuse
from rlsel.data.dataset import Dataset
from rlsel.data.variation import Variation
from rlsel.dynamic.settings import DynamicSettings
from rlsel.errors import DataError
from rlsel.models.target import ModelSpec
from rlsel.selectors.base import Purpose
from rlsel.training.devices import DeviceSettings
from rlsel.training.settings import TrainingSettings


class DatasetSource(Protocol):
    """Where a data set is read from: a frozen dataclass."""

    @property
    def name(self) -> str:
        """The name on the command line and in `conf/dataset/`. A class variable will do."""
        ...

    def load(self) -> Dataset:
        """Reads the data set.

        Raises:
            DataError: if it is missing, damaged or unfit.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class GivenDataset:
    """A data set that a program holds already.

    Attributes:
        name: What results call it.
        fingerprint: The data set's; with the name, this stands for it in what is recorded.
        dataset: The data set itself; None where it is only known from such a record.
    """

    name: str
    fingerprint: str
    dataset: Dataset | None = field(default=None, repr=False, compare=False, metadata={"recorded": False})

    @classmethod
    def of(cls, dataset: Dataset) -> GivenDataset:
        """Returns the source that gives this data set."""
        return cls(name=dataset.name, fingerprint=dataset.fingerprint, dataset=dataset)

    def load(self) -> Dataset:
        """Returns it.

        Raises:
            DataError: if it is only known from a record.
        """
        if self.dataset is None:
            raise DataError(
                f"dataset must be given for a run on data that a program held in memory, got none for {self.name!r}: "
                "give where it lies now, as in dataset=arrays dataset.path=FILE.npz"
            )
        return self.dataset


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What decides a result, the same for every command that trains.

    Attributes:
        dataset: What is selected from and trained on.
        variation: What is changed in it (sizes, noise, long tail, corruption).
        model: The network that is trained.
        training: How it is trained.
        for_model: The network that will be trained on the coreset; None for the one that selects. Naming it, or one of
            the next two, lets a method that can do so try its choice on that training.
        for_steps: Optimiser steps that it will take, with the recipe of `training`.
        for_epochs: Passes over the coreset that it will make, in place of `for_steps`.
        dynamic: What each pass of a training is over, where that is chosen while the model trains; None for all of it.
        seed: Whole number of at least 0 that drives selection and training, through separate streams.
    """

    dataset: DatasetSource
    variation: Variation = field(default_factory=Variation)
    model: ModelSpec
    training: TrainingSettings
    for_model: ModelSpec | None = None
    for_steps: int | None = None
    for_epochs: int | None = None
    dynamic: DynamicSettings | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        int_at_least("seed", self.seed, 0)
        for name in ("for_steps", "for_epochs"):
            if getattr(self, name) is not None:
                positive_int(name, getattr(self, name))
        if self.for_steps is not None and self.for_epochs is not None:
            raise refuse("for_steps", "null beside for_epochs", self.for_steps, "the training to come has one length")

    @property
    def purpose(self) -> Purpose | None:
        """The training that a coreset is made for; None where nothing is said of it."""
        if self.for_model is None and self.for_steps is None and self.for_epochs is None:
            return None
        training = self.training
        if self.for_steps is not None:
            training = replace(training, steps=self.for_steps)
        if self.for_epochs is not None:
            training = replace(training, steps=None, epochs=self.for_epochs)
        return Purpose(model=self.for_model or self.model, training=training)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What does not decide a result: where it goes and on what it is computed; no settings hash includes it.

    Attributes:
        run_dir: The run folder, or the parent of several; None for the place under `outputs`.
        several: Whether `run_dir` is the parent of several runs even where this request is for one.
        resume: `auto` takes a complete run as it is and goes on with an interrupted one; `never` starts anew.
        jobs: How many processes share the work; the results are the same for any number.
        device: The hardware that the run may use.
    """

    run_dir: Path | None = None
    several: bool = False
    resume: Literal["auto", "never"] = "auto"
    jobs: int = 1
    device: DeviceSettings = field(default_factory=DeviceSettings)

    def __post_init__(self) -> None:
        one_of("resume", self.resume, ("auto", "never"))
        positive_int("jobs", self.jobs)
