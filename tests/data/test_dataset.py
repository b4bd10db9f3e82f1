from collections.abc import Callable
from dataclasses import replace

import torch

from rlsel.data.dataset import Dataset, MemoryImages


def test_the_digest_knows_pixels_shape_and_type_but_not_the_layout() -> None:
    pixels = torch.arange(3 * 2 * 4 * 4, dtype=torch.uint8).view(3, 2, 4, 4)
    digest = MemoryImages(pixels).digest()
    assert digest == MemoryImages(pixels.contiguous(memory_format=torch.channels_last)).digest()
    others = [pixels + 1, pixels.view(3, 2, 2, 8), pixels.flip(0), pixels.to(torch.float32)]
    assert len({digest, *(MemoryImages(other).digest() for other in others)}) == 5


def test_the_digest_of_many_images_is_that_of_all_of_them() -> None:
    pixels = torch.zeros(3000, 1, 1, 1, dtype=torch.uint8)
    changed = pixels.clone()
    changed[-1] = 1
    assert MemoryImages(pixels).digest() != MemoryImages(changed).digest()


def test_the_fingerprint_knows_images_labels_and_order(dataset_of: Callable[..., Dataset]) -> None:
    dataset = dataset_of(torch.tensor([0, 1, 0, 1]))
    train = dataset.train
    reversed_train = train.subset(torch.arange(4).flip(0))
    others = [replace(train, labels=1 - train.labels), reversed_train, train.subset(torch.arange(3))]
    assert len({dataset.fingerprint, *(replace(dataset, train=other).fingerprint for other in others)}) == 4
    assert replace(dataset, train=reversed_train.subset(torch.arange(4).flip(0))).fingerprint == dataset.fingerprint


def test_a_subset_moves_everything_together(dataset_of: Callable[..., Dataset]) -> None:
    train = dataset_of(torch.tensor([0, 1, 0, 1, 2, 2])).train
    train = replace(train, mislabelled=torch.arange(6) == 4, corrupted=torch.arange(6) == 1)
    part = train.subset(torch.tensor([4, 1]))
    assert len(part) == 2
    assert part.labels.tolist() == [2, 1]
    assert part.paths == ("4", "1")
    assert part.mislabelled is not None
    assert part.mislabelled.tolist() == [True, False]
    assert part.corrupted is not None
    assert part.corrupted.tolist() == [False, True]
    assert next(part.images.batches([torch.tensor([0, 1])]))[:, 0, 0, 0].tolist() == [4, 1]


def test_counts_by_class(dataset_of: Callable[..., Dataset]) -> None:
    dataset = dataset_of(torch.tensor([0, 1, 0, 2, 2, 2]))
    assert dataset.class_counts() == [2, 1, 3]
    assert dataset.class_counts(torch.tensor([0, 5])) == [1, 0, 1]
    assert (dataset.num_classes, dataset.image_shape) == (3, (1, 6, 6))
