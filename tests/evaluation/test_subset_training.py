"""A model trained on a part of the training split and measured on the test split."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlsel.coreset import indices_sha256
from rlsel.data.augmentation import Augmentation
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.evaluation.robustness import FurtherAccuracy, read_further
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.evaluation.subset_training import SubsetResult, tail_steps, train_on
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.target import TargetModel
from rlsel.training.devices import DeviceSettings
from rlsel.training.evaluation import accuracy, clean_pass
from rlsel.training.fabric import Fabric
from rlsel.training.reporting import Reporter, SilentReporter
from rlsel.training.resuming import Checkpointing
from rlsel.training.settings import TrainingSettings

INDICES = np.arange(0, 60, 2)

Outcome = tuple[SubsetResult, TargetModel]


def noisy_blobs(size: int, seed: int) -> Split:
    """Images of six classes that cannot be told apart with certainty."""
    labels = torch.arange(size) % 6
    pixels = torch.randn(size, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    for label in range(6):
        pixels[labels == label, :, :, label : label + 2] += 0.6
    return Split(images=MemoryImages(pixels), labels=labels)


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(
        name="blobs",
        train=noisy_blobs(60, seed=0),
        test=noisy_blobs(40, seed=1),
        class_names=tuple("abcdef"),
        mean=(0.1,),
        std=(1.0,),
        augmentation=Augmentation(crop_padding=1),
    )


@pytest.fixture
def fabric() -> Iterator[Fabric]:
    with DeviceSettings(accelerator="cpu").computing() as fabric:
        yield fabric


@pytest.fixture
def train(dataset: Dataset, fabric: Fabric) -> Callable[..., Outcome]:
    def call(**given: Any) -> Outcome:
        arguments = {
            "dataset": dataset,
            "indices": INDICES,
            "model": SmallCNN(width=2),
            "settings": TrainingSettings(epochs=3, batch_size=8),
            "fabric": fabric,
            "seed": 0,
            "reporter": SilentReporter(),
        }
        return train_on(**{**arguments, **given})

    return call


def timeless(result: SubsetResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(result).items() if name not in ("seconds", "images_per_second")}


def same_parameters(first: TargetModel, second: TargetModel) -> bool:
    return all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (3, (1, 2, 3)),
        (79, (77, 78, 79)),  # 79 // 40 = 1
        (80, (76, 78, 80)),  # 80 // 40 = 2
        (400, (380, 390, 400)),  # 95, 97.5 and 100 %
    ],
)
def test_the_last_looks(total: int, expected: tuple[int, ...]) -> None:
    assert tail_steps(total) == expected


def test_a_result_says_what_was_done(train: Callable[..., Outcome], dataset: Dataset, fabric: Fabric) -> None:
    result, model = train()
    assert not model.training
    # 30 samples in batches of 8: four steps an epoch
    assert (result.num_train, result.epochs, result.steps) == (30, 3, 12)
    assert (result.model, result.seed) == ("small_cnn", 0)
    assert result.indices_sha256 == indices_sha256(INDICES)
    assert result.images_per_second == pytest.approx(12 * 8 / result.seconds)
    last = accuracy(clean_pass(model, dataset, dataset.test, fabric=fabric).logits, dataset.test.labels)
    assert 0 <= result.top1_last <= result.top1_best <= 1
    assert last.top1 <= result.top1_best
    assert result.worst_class_last <= result.top1_last <= result.top5_last


def test_the_last_accuracy_is_the_mean_of_the_looks(
    train: Callable[..., Outcome], dataset: Dataset, fabric: Fabric
) -> None:
    # trained to the same steps with the same schedule: a constant one knows nothing of its end
    settings = TrainingSettings(steps=12, batch_size=8, schedule="constant", warmup=0.0, learning_rate=0.1)
    result, _ = train(settings=settings)
    looks = []
    for steps in tail_steps(12):
        _, model = train(settings=replace(settings, steps=steps))
        looks.append(accuracy(clean_pass(model, dataset, dataset.test, fabric=fabric).logits, dataset.test.labels))
    assert len({look.top1 for look in looks}) > 1, "the looks differ, else this says nothing"
    assert result.top1_last == pytest.approx(np.mean([look.top1 for look in looks]))
    assert result.top1_best == max(look.top1 for look in looks)
    assert result.top5_last == pytest.approx(np.mean([look.top5 for look in looks]))
    assert result.worst_class_last == pytest.approx(np.mean([min(look.by_class) for look in looks]))


def test_a_class_without_test_samples_does_not_count(train: Callable[..., Outcome], dataset: Dataset) -> None:
    part = dataset.test.subset(torch.nonzero(dataset.test.labels != 2).flatten())
    result, _ = train(dataset=replace(dataset, test=part))
    assert result.worst_class_last == result.worst_class_last, "no NaN"


def test_the_test_split_teaches_nothing(train: Callable[..., Outcome], dataset: Dataset) -> None:
    test = replace(dataset.test, labels=(dataset.test.labels + 1) % 6)
    honest, swapped = train(), train(dataset=replace(dataset, test=test))
    assert same_parameters(honest[1], swapped[1])
    assert honest[0].top1_last != swapped[0].top1_last


def test_only_the_samples_at_the_indices_are_trained_on(train: Callable[..., Outcome], dataset: Dataset) -> None:
    labels = dataset.train.labels.clone()
    labels[1::2] = (labels[1::2] + 1) % 6  # of the samples that are left out
    changed = train(dataset=replace(dataset, train=replace(dataset.train, labels=labels)))
    assert same_parameters(train()[1], changed[1])
    assert not same_parameters(train()[1], train(indices=INDICES + 1)[1])


def test_the_seed_decides(train: Callable[..., Outcome]) -> None:
    first = train()
    other = train(seed=1)
    again = train()
    assert timeless(first[0]) == timeless(again[0])
    assert same_parameters(first[1], again[1])
    assert not same_parameters(first[1], other[1])


@pytest.mark.parametrize("step", [3, 9, 10, 11, 12])
def test_an_interruption_between_the_looks_changes_nothing(
    train: Callable[..., Outcome], stopping: Callable[..., Reporter], tmp_path: Path, step: int
) -> None:
    rows: list[Mapping[str, float]] = []
    assert tail_steps(12) == (10, 11, 12)
    checkpointing = Checkpointing(path=tmp_path / "state")
    with pytest.raises(KeyboardInterrupt):
        train(reporter=stopping(at=step), checkpointing=checkpointing)
    resumed = train(checkpointing=checkpointing, on_epoch=lambda record: rows.append(record.training))
    expected = train()
    assert timeless(resumed[0]) == timeless(expected[0])
    assert same_parameters(resumed[1], expected[1])
    assert [row["epoch"] for row in rows] == [1, 2, 3]


def test_the_model_at_the_end_is_measured_on_further_data(
    train: Callable[..., Outcome], dataset: Dataset, fabric: Fabric
) -> None:
    further = read_further(EvaluationSettings(datasets=("contrast@5", "gaussian_noise")), dataset, seed=0)
    result, model = train(further=further)
    assert list(result.ood) == ["contrast@5", "gaussian_noise"]
    ((part,), _) = (one.parts for one in further)
    last = accuracy(clean_pass(model, dataset, part.split, fabric=fabric).logits, dataset.test.labels)
    assert result.ood["contrast@5"] == FurtherAccuracy(top1=last.top1, top5=last.top5)
    plain, same = train()
    assert same_parameters(model, same)
    assert timeless(plain) == {**timeless(result), "ood": {}}
