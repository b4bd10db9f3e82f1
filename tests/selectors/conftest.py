from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.models.small_cnn import SmallCNN
from rlsel.selectors.base import Scores, SelectionTask, Selector
from rlsel.selectors.target import SharedTraining
from rlsel.training.settings import TrainingSettings


@dataclass
class RecordingReporter:
    notes: list[str] = field(default_factory=list)
    measurements: list[Mapping[str, float]] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def start(self, task: str, epochs: int, steps: int) -> None:
        return

    def step(self, done: int) -> None:
        return

    def epoch(self, measurements: Mapping[str, float]) -> None:
        self.measurements.append(measurements)

    def finish(self) -> None:
        return


FeatureTask = Callable[..., SelectionTask]


@pytest.fixture
def reporter() -> RecordingReporter:
    return RecordingReporter()


@pytest.fixture
def feature_task(reporter: RecordingReporter) -> FeatureTask:
    """Makes a task of given labels, with features, images, or both."""

    def make(
        labels: Tensor, *, features: Tensor | None = None, images: Tensor | None = None, seed: int = 0
    ) -> SelectionTask:
        pixels = torch.zeros(len(labels), 1, 4, 4) if images is None else images
        channels = pixels.shape[1]
        split = Split(images=MemoryImages(pixels), labels=labels)
        dataset = Dataset(
            name="made",
            train=split,
            test=split.subset(torch.arange(1)),
            class_names=tuple(str(label) for label in range(int(labels.max()) + 1)),
            mean=(0.0,) * channels,
            std=(1.0,) * channels,
        )
        return SelectionTask(
            dataset=dataset,
            model=SmallCNN(width=4),
            training=TrainingSettings(epochs=1),
            fabric=Fabric(accelerator="cpu", devices=1),
            seed=seed,
            features=features,
            reporter=reporter,
        )

    return make


@pytest.fixture
def tiny_task(feature_task: FeatureTask) -> SelectionTask:
    """Ninety noisy 8 x 8 blobs of three classes, a class in each third of the image, and three epochs."""
    labels = torch.arange(90) % 3
    generator = torch.Generator().manual_seed(0)
    images = 0.5 * torch.randn(90, 1, 8, 8, generator=generator)
    for label in range(3):
        images[labels == label, :, :, 2 * label + 1 : 2 * label + 3] += 1.0
    task = feature_task(labels, images=images)
    return replace(task, training=TrainingSettings(epochs=3, batch_size=16))


@pytest.fixture
def scores_of(tiny_task: SelectionTask) -> Callable[[Selector], Scores]:
    """Runs the shared training on `tiny_task` for one selector, and scores."""

    def score(selector: Selector) -> Scores:
        [observed] = SharedTraining(task=tiny_task, needs=[selector.needs(tiny_task)]).run()
        return selector.score(tiny_task, observed)

    return score
