"""How and on what the functions of `rlsel` compute, and the data that they are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from rlsel.data.dataset import Dataset
from rlsel.data.variation import Variation
from rlsel.data.wrapping import Columns, as_dataset
from rlsel.models.target import ModelSpec
from rlsel.naming import model_by_name
from rlsel.runs.datasets import read_dataset
from rlsel.runs.settings import GivenDataset, RunSettings
from rlsel.training.devices import DeviceSettings
from rlsel.training.reporting import Reporter, SilentReporter
from rlsel.training.settings import TrainingSettings

Model = str | ModelSpec | Callable[..., Any] | None
"""A name, a class or function that makes an `nn.Module`, or what builds a model; None for `small_cnn`, or `head` for
rows of features."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How and on what things are computed, the same for every function here.

    Attributes:
        model: The network that is trained: a name of ours or of torchvision, or a class or function that makes
            an `nn.Module`.
        training: The recipe.
        seed: At least 0; drives selection and training through separate streams.
        device: The hardware.
        columns: The columns of a Hugging Face data set.
        reporter: Told what goes on; silent by default.
        targets_from: Packages whose classes and functions the settings of a run folder may name, besides rlsel, timm
            and torchvision.
    """

    model: Model = None
    training: TrainingSettings = field(default_factory=TrainingSettings)
    seed: int = 0
    device: DeviceSettings = field(default_factory=DeviceSettings)
    columns: Columns = field(default_factory=Columns)
    reporter: Reporter = field(default_factory=SilentReporter)
    targets_from: tuple[str, ...] = ()


def settle(
    setup: Setup | None, *, model: Model = None, training: TrainingSettings | None = None, seed: int | None = None
) -> Setup:
    """Returns the setup with what was given beside it in its place."""
    setup = setup or Setup()
    return replace(
        setup,
        model=setup.model if model is None else model,
        training=training or setup.training,
        seed=setup.seed if seed is None else seed,
    )


def read(
    given: object, setup: Setup, *, test: object = None, holdout: float = 0.0, needs_labels: bool = True
) -> tuple[RunSettings, Dataset]:
    """Reads what a program holds.

    Args:
        given: The samples.
        setup: How they are read, and what they are for.
        test: What models are measured on; None for nothing.
        holdout: Share that is set aside to measure on, where there is nothing.
        needs_labels: Whether something is to be trained on the labels.

    Returns:
        What decides a result on them, and the data set.

    Raises:
        RlselError: for unfit data or settings.
    """
    source = as_dataset(given, test=test, columns=setup.columns)
    settings = RunSettings(
        dataset=GivenDataset.of(source),
        variation=Variation(holdout=holdout),
        model=model_by_name(setup.model, of_features=source.image_shape[1:] == (1, 1)),
        training=setup.training,
        seed=setup.seed,
    )
    return settings, read_dataset(settings, needs_labels=needs_labels, usual_holdout=holdout)
