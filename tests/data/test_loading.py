from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from rlsel.data.augmentation import Augmentation, augment
from rlsel.data.dataset import Dataset, MemoryImages
from rlsel.data.loading import centre_crop, load_batches, normalise

MakeDataset = Callable[..., Dataset]
CPU = torch.device("cpu")


def test_bytes_are_scaled_to_one_before_they_are_normalised(dataset_of: MakeDataset) -> None:
    dataset = replace(dataset_of(torch.arange(4) % 2, shape=(2, 1, 2)), mean=(0.5, 0.2), std=(0.25, 0.1))
    images = torch.tensor([[[[0, 255]], [[51, 102]]]], dtype=torch.uint8)
    # (0 - 0.5) / 0.25, (1 - 0.5) / 0.25; 51 / 255 = 0.2: (0.2 - 0.2) / 0.1, (0.4 - 0.2) / 0.1
    expected = torch.tensor([[[[-2.0, 2.0]], [[0.0, 2.0]]]])
    # A few roundings of float32 numbers near 2.
    torch.testing.assert_close(normalise(images, dataset), expected, atol=1e-6, rtol=0)


def test_floats_are_taken_as_they_are(dataset_of: MakeDataset) -> None:
    dataset = replace(dataset_of(torch.arange(4) % 2), mean=(100.0,), std=(50.0,))
    images = torch.tensor([[[[50.0, 100.0, 175.0]]]])
    torch.testing.assert_close(normalise(images, dataset), torch.tensor([[[[-1.0, 0.0, 1.5]]]]), atol=1e-6, rtol=0)
    assert torch.equal(images, torch.tensor([[[[50.0, 100.0, 175.0]]]]))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_batches_hold_what_they_say(dataset_of: MakeDataset, layout: torch.memory_format) -> None:
    dataset = dataset_of(torch.arange(10) % 2, shape=(3, 6, 5))
    assert isinstance(dataset.train.images, MemoryImages)
    pixels = dataset.train.images.pixels
    train = replace(dataset.train, images=MemoryImages(pixels.contiguous(memory_format=layout)))
    index_batches = [torch.tensor([3, 1, 9]), torch.tensor([0]), torch.tensor([9, 9])]
    batches = list(load_batches(dataset, train, index_batches, device=CPU, augmentation=None, generator=None))
    assert [batch.indices.tolist() for batch in batches] == [[3, 1, 9], [0], [9, 9]]
    for batch in batches:
        expected = (pixels[batch.indices].float() / 255 - 0.5) / 0.25
        # A few roundings of float32 numbers up to 2.
        torch.testing.assert_close(batch.images, expected, atol=1e-6, rtol=0)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(batch.labels, dataset.train.labels[batch.indices])


def test_augmented_batches_are_the_clean_ones_augmented(dataset_of: MakeDataset) -> None:
    dataset = dataset_of(torch.arange(10) % 2, shape=(3, 6, 5))
    index_batches = list(torch.arange(10).split(4))
    settings = Augmentation(crop_padding=1, flip=True, cutout=2)

    def load(augmentation: Augmentation | None) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        batches = load_batches(
            dataset, dataset.train, index_batches, device=CPU, augmentation=augmentation, generator=generator
        )
        return [batch.images for batch in batches]

    again = torch.Generator().manual_seed(0)
    clean, augmented = load(None), load(settings)
    assert len(clean) == 3
    for before, after in zip(clean, augmented, strict=True):
        assert torch.equal(after, augment(before, settings, again))
        assert after.is_contiguous(memory_format=torch.channels_last)


def test_clean_images_are_cropped_in_the_middle_and_augmented_ones_anywhere(dataset_of: MakeDataset) -> None:
    dataset = replace(dataset_of(torch.arange(40) % 2, shape=(1, 8, 8)), crop=4)
    assert dataset.image_shape == (1, 4, 4)
    index_batches = [torch.arange(40)]

    def load(augmentation: Augmentation | None) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        (batch,) = load_batches(
            dataset, dataset.train, index_batches, device=CPU, augmentation=augmentation, generator=generator
        )
        return batch.images

    whole = normalise(next(dataset.train.images.batches(index_batches)), dataset)
    assert torch.equal(load(None), whole[:, :, 2:6, 2:6])
    assert torch.equal(load(Augmentation()), whole[:, :, 2:6, 2:6])
    cropped = load(Augmentation(crop=4))
    assert cropped.shape == (40, 1, 4, 4)
    # 25 places: a window of the middle is drawn for 1.6 of 40 images on average.
    assert 0 <= (cropped == whole[:, :, 2:6, 2:6]).flatten(1).all(dim=1).sum() < 10


def test_the_middle_of_an_odd_rest_is_towards_the_start() -> None:
    assert torch.equal(
        centre_crop(torch.arange(5).view(1, 1, 1, 5).expand(1, 1, 5, 5), 2)[0, 0, 0], torch.tensor([1, 2])
    )


def test_an_augmentation_without_a_generator_is_refused(dataset_of: MakeDataset) -> None:
    dataset = dataset_of(torch.arange(4) % 2)
    batches = load_batches(
        dataset, dataset.train, [torch.arange(2)], device=CPU, augmentation=Augmentation(), generator=None
    )
    with pytest.raises(ValueError, match="needs a generator"):
        next(batches)
