from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.models.small_cnn import SmallCNN
from rlsel.selectors.base import Scores, SelectionTask, Selector
from rlsel.selectors.target_training import SharedTraining
from rlsel.training.fabric import OneProcess
from rlsel.training.observation import BatchObservation, EpochEnd, Observer
from rlsel.training.reporting import Reporter
from rlsel.training.settings import TrainingSettings

FeatureTask = Callable[..., SelectionTask]


@pytest.fixture
def feature_task(reporter: Reporter) -> FeatureTask:
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
            fabric=OneProcess(device=torch.device("cpu")),
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


Film = Callable[..., None]


@pytest.fixture
def film() -> Film:
    """Shows epochs of a training to observers: features that drift, in batches of twenty, each epoch in a new order."""

    def show(
        observers: Sequence[Observer],
        features: Tensor,
        labels: Tensor,
        *,
        epochs: range,
        total: int = 5,
        batches: slice = slice(None),
        measured: list[Mapping[str, float]] | None = None,
    ) -> None:
        for epoch in epochs:
            generator = torch.Generator().manual_seed(epoch)
            moved = features + 0.3 * torch.randn(features.shape, generator=generator)
            logits = torch.randn(len(labels), int(labels.max()) + 1, generator=generator)
            order = torch.randperm(len(labels), generator=generator)
            for indices in torch.split(order, 20)[batches]:
                batch = BatchObservation(
                    epoch=epoch,
                    step=0,
                    indices=indices,
                    labels=labels[indices],
                    logits=logits[indices],
                    features=moved[indices],
                    losses=torch.zeros(len(indices)),
                )
                for observer in observers:
                    observer.on_batch(batch)
            if batches.stop is not None:
                continue
            end = EpochEnd(
                epoch=epoch, epochs=total, complete=True, model=nn.Identity(), clean_pass=lambda: pytest.fail("a pass")
            )
            rows = [observer.on_epoch_end(end) for observer in observers]
            if measured is not None:
                measured.append(rows[-1])

    return show
