"""A small data set, a model with batch normalisation and dropout, and trainings of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

from rlsel.data.augmentation import Augmentation
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.models.target import TargetModel
from rlsel.randomness import Streams
from rlsel.training.devices import DeviceSettings
from rlsel.training.fabric import Fabric
from rlsel.training.loop import EpochRecord, Progress, Training, build_model
from rlsel.training.observation import Callbacks, Inspection, Observer, PassRule
from rlsel.training.reporting import Reporter, SilentReporter
from rlsel.training.settings import TrainingSettings

CLASSES = 3


@dataclass(frozen=True, kw_only=True)
class NoisyModel:
    """One hidden layer with all that makes two trainings differ: random weights, batch statistics and dropout."""

    name: ClassVar[str] = "noisy"

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        channels, height, width = image_shape
        hidden = nn.Linear(channels * height * width, 12)
        backbone = nn.Sequential(nn.Flatten(), hidden, nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.3))
        return TargetModel(backbone, nn.Linear(12, num_classes))


def blobs(size: int, seed: int) -> Split:
    """Noisy 6 x 6 images, of which each class is brighter in two columns of its own."""
    labels = torch.arange(size) % CLASSES
    images = 0.5 * torch.randn(size, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    for label in range(CLASSES):
        images[labels == label, :, :, 2 * label : 2 * label + 2] += 1.0
    return Split(images=MemoryImages(images), labels=labels)


@pytest.fixture
def fabric() -> Iterator[Fabric]:
    with DeviceSettings(accelerator="cpu").computing() as fabric:
        yield fabric


@pytest.fixture
def dataset() -> Dataset:
    """61 training samples: three batches of 20, the last of which takes the sample that is left."""
    return Dataset(
        name="blobs",
        train=blobs(61, seed=0),
        test=blobs(30, seed=1),
        class_names=("a", "b", "c"),
        mean=(0.3,),
        std=(0.7,),
        augmentation=Augmentation(crop_padding=1, flip=True, cutout=2),
    )


@pytest.fixture
def recipe() -> TrainingSettings:
    """Four epochs of three steps."""
    return TrainingSettings(epochs=4, batch_size=20)


@pytest.fixture
def training(fabric: Fabric, dataset: Dataset, recipe: TrainingSettings) -> Callable[..., Training]:
    """Prepares a training of a fresh model on the data set; what is given replaces its arguments or parts of them."""

    def make(
        seed: int = 0,
        *,
        names: tuple[str, ...] = ("made",),
        reporter: Reporter | None = None,
        on_epoch: Callable[[EpochRecord], None] | None = None,
        observers: Sequence[Observer] = (),
        inspection: Inspection | None = None,
        passes: PassRule | None = None,
        **given: object,
    ) -> Training:
        return Training(
            build_model(NoisyModel(), dataset, Streams(seed=seed, names=("made",))),
            dataset,
            **{
                "split": dataset.train,
                "settings": recipe,
                "fabric": fabric,
                "streams": Streams(seed=seed, names=names),
                "progress": Progress(reporter=reporter or SilentReporter(), title="made", on_epoch=on_epoch),
                "callbacks": Callbacks(observers=observers, inspection=inspection, passes=passes),
                **given,
            },
        )

    return make


@pytest.fixture
def bytes_of() -> Callable[[nn.Module], dict[str, bytes]]:
    """Returns what a model consists of, to compare exactly."""
    return lambda model: {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
