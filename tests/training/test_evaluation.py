"""Passes over a split that change nothing, and accuracy."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.models.target import TargetModel
from rlsel.training.evaluation import accuracy, clean_pass, right_guesses
from rlsel.training.fabric import Fabric
from rlsel.training.loop import Training

SIZE = 1100
"""More than two batches of a clean pass."""


@pytest.fixture
def large(dataset: Dataset) -> Dataset:
    pixels = torch.arange(SIZE, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 6, 6)
    split = Split(images=MemoryImages(pixels.contiguous()), labels=torch.arange(SIZE) % 3)
    return replace(dataset, train=split)


@pytest.fixture
def model() -> TargetModel:
    head = nn.Linear(36, 3)
    nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(0))
    return TargetModel(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(36), nn.Dropout(0.5)), head)


def test_a_clean_pass_keeps_the_order_and_augments_nothing(large: Dataset, model: TargetModel, fabric: Fabric) -> None:
    seen = clean_pass(model.eval(), large, large.train, fabric=fabric)
    # an image of value i becomes (i - mean) / std; fresh batch statistics are 0 and 1, with an epsilon of 1e-5
    expected = (torch.arange(SIZE) - 0.3) / 0.7 / math.sqrt(1 + 1e-5)
    torch.testing.assert_close(seen.features, expected[:, None].expand(SIZE, 36))
    torch.testing.assert_close(seen.logits, model.head(seen.features).detach())
    torch.testing.assert_close(seen.probabilities.sum(dim=1), torch.ones(SIZE))
    assert not seen.logits.requires_grad


@pytest.mark.parametrize("training", [True, False])
def test_a_clean_pass_leaves_the_model_as_it_was(
    large: Dataset, model: TargetModel, fabric: Fabric, training: bool
) -> None:
    model.train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = clean_pass(model, large, large.train, fabric=fabric)
    assert model.training is training
    assert model.backbone[2].training is training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(first.logits, clean_pass(model, large, large.train, fabric=fabric).logits), "no dropout"


def test_a_pass_over_a_part_is_the_part_of_a_pass(
    training: Callable[..., Training], dataset: Dataset, fabric: Fabric
) -> None:
    model, chosen = training().run(), torch.tensor([40, 3, 17])
    whole = clean_pass(model, dataset, dataset.train, fabric=fabric)
    part = clean_pass(model, dataset, dataset.train.subset(chosen), fabric=fabric)
    # other batch sizes take other matrix kernels: equal up to the rounding of float32
    torch.testing.assert_close(part.logits, whole.logits[chosen])


def test_accuracy_by_hand() -> None:
    # ranks of the label among seven classes: 1, 2, 5, 6, 1
    logits = torch.tensor(
        [
            [9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            [8.0, 9.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            [5.0, 9.0, 8.0, 7.0, 6.0, 1.0, 2.0],
            [9.0, 4.0, 8.0, 7.0, 6.0, 5.0, 2.0],
            [1.0, 9.0, 8.0, 7.0, 6.0, 5.0, 2.0],
        ]
    )
    labels = torch.tensor([0, 0, 0, 1, 1])
    measured = accuracy(logits, labels)
    assert measured.top1 == pytest.approx(2 / 5)
    assert measured.top5 == pytest.approx(4 / 5)
    assert measured.by_class[:2] == pytest.approx((1 / 3, 1 / 2))
    assert all(math.isnan(value) for value in measured.by_class[2:]), "no samples, no accuracy"
    assert len(measured.by_class) == 7


def test_five_guesses_are_always_right_among_five_classes() -> None:
    labels = torch.arange(5)
    measured = accuracy(torch.zeros(5, 5).scatter(1, (labels[:, None] + 1) % 5, 1.0), labels)
    assert (measured.top1, measured.top5) == (0.0, 1.0)


def test_only_some_classes_may_be_guessed() -> None:
    logits = torch.tensor([[9.0, 8.0, 7.0], [1.0, 8.0, 7.0]])
    answers = torch.tensor([[1], [2]])
    assert right_guesses(logits, answers).tolist() == [[False, True, False], [False, True, False]]
    among = torch.tensor([False, True, True])
    assert right_guesses(logits, answers, among=among)[:, :2].tolist() == [[True, False], [False, True]]
    assert logits[0, 0] == 9, "the logits are not changed"


def test_one_of_several_answers_is_enough() -> None:
    logits = torch.tensor([[9.0, 8.0, 7.0], [1.0, 8.0, 7.0]])
    answers = torch.tensor([[2, 0], [0, -1]])
    assert right_guesses(logits, answers).tolist() == [[True, False, True], [False, False, True]]
