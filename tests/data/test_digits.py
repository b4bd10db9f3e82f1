import torch
from sklearn.datasets import load_digits

from rlsel.data.augmentation import Augmentation
from rlsel.data.dataset import MemoryImages
from rlsel.data.digits import Digits


def test_the_original_is_divided_and_scaled() -> None:
    dataset = Digits().load()
    assert (len(dataset.train), len(dataset.test)) == (1437, 360)
    assert dataset.image_shape == (1, 8, 8)
    assert dataset.class_names == tuple("0123456789")
    assert dataset.augmentation == Augmentation(crop_padding=1)
    assert isinstance(dataset.train.images, MemoryImages)
    assert isinstance(dataset.test.images, MemoryImages)
    assert dataset.train.images.pixels.dtype == torch.uint8

    def rows(pixels: torch.Tensor, labels: torch.Tensor) -> list[list[int]]:
        return sorted(torch.cat([pixels.flatten(1).long(), labels[:, None]], dim=1).tolist())

    images, labels = load_digits(return_X_y=True)
    # 255 / 16 = 15.9375 for each of the 16 steps of grey.
    original = (torch.from_numpy(images) * 15.9375).round()
    parts = [(part.images.pixels, part.labels) for part in (dataset.train, dataset.test)]
    together = rows(torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]))
    assert together == rows(original, torch.from_numpy(labels))


def test_positions_are_those_of_the_original() -> None:
    dataset = Digits().load()
    images, labels = load_digits(return_X_y=True)
    assert len(dataset.source) == 1797
    assert dataset.source.labels.tolist() == labels.tolist()
    assert dataset.held_out.tolist() == dataset.test.in_source().tolist()
    for part in (dataset.train, dataset.test):
        places = part.in_source().numpy()
        assert isinstance(part.images, MemoryImages)
        assert part.labels.tolist() == labels[places].tolist()
        assert (part.images.pixels.flatten(1).numpy() == (images[places] * 15.9375).round()).all()


def test_the_division_is_stratified_and_always_the_same() -> None:
    first, again = Digits().load(), Digits().load()
    assert first.fingerprint == again.fingerprint
    sizes = torch.bincount(torch.cat([first.train.labels, first.test.labels]))
    # The share of each class is a fifth (360 of 1797), rounded down or up.
    exact = sizes * 360 / 1797
    assert ((torch.bincount(first.test.labels) - exact).abs() < 1).all()


def test_the_statistics_are_those_of_the_training_split() -> None:
    dataset = Digits().load()
    assert isinstance(dataset.train.images, MemoryImages)
    scaled = dataset.train.images.pixels.double() / 255
    # Sums in another order, in float64.
    assert abs(dataset.mean[0] - scaled.mean().item()) < 1e-9
    assert abs(dataset.std[0] - scaled.std(correction=0).item()) < 1e-9
