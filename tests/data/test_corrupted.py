from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rlsel.data.arrays import Arrays
from rlsel.data.corrupted import CorruptedImages, corrupted_test_split, value_range
from rlsel.data.corruption import KINDS
from rlsel.data.dataset import Dataset, ImageStore, MemoryImages, Split
from rlsel.data.digits import Digits
from rlsel.data.embeddings import Embeddings
from rlsel.data.imagefolder import ImageFolder
from rlsel.errors import DataError


@pytest.fixture
def dataset(dataset_of: Callable[..., Dataset]) -> Dataset:
    return dataset_of(torch.arange(20) % 4, shape=(3, 8, 8), test=200)


def read(images: ImageStore, size: int = 512) -> torch.Tensor:
    return torch.cat(list(images.batches(torch.split(torch.arange(len(images)), size))))


@pytest.mark.parametrize("kind", KINDS)
def test_every_pass_sees_the_same_images(dataset: Dataset, kind: str) -> None:
    split = corrupted_test_split(dataset, kind, 3, seed=0)
    once = read(split.images)
    assert (once.shape, once.dtype) == ((200, 3, 8, 8), torch.uint8)
    assert not torch.equal(once, read(dataset.test.images))
    again = corrupted_test_split(dataset, kind, 3, seed=0)
    assert torch.equal(read(again.images), once)
    assert torch.equal(read(again.images, 64), once), "batches of another size"
    assert torch.equal(split.labels, dataset.test.labels)


@pytest.mark.parametrize(("kind", "draws"), [("shot_noise", True), ("motion_blur", True), ("contrast", False)])
def test_the_data_set_s_own_seed_decides(dataset: Dataset, kind: str, draws: bool) -> None:
    first, other = (read(corrupted_test_split(dataset, kind, 3, seed=seed).images) for seed in (0, 1))
    assert torch.equal(first, other) == (not draws)


def test_images_and_blocks_have_draws_of_their_own(dataset: Dataset) -> None:
    gray = MemoryImages(torch.full((200, 1, 8, 8), 128, dtype=torch.uint8))
    even = replace(dataset, test=replace(dataset.test, images=gray))
    noisy = read(corrupted_test_split(even, "gaussian_noise", 5, seed=0).images)
    assert len(torch.unique(noisy.flatten(1), dim=0)) == 200


def test_a_corrupted_store_is_a_store(dataset: Dataset) -> None:
    images = corrupted_test_split(dataset, "contrast", 2, seed=0).images
    assert isinstance(images, CorruptedImages)
    assert (images.shape, len(images)) == ((3, 8, 8), 200)
    positions = torch.tensor([150, 3, 77])
    assert torch.equal(read(images.subset(positions)), read(images)[positions])
    digests = {replace(images, severity=severity).digest() for severity in (1, 2)}
    assert len({*digests, dataset.test.images.digest()}) == 3
    assert images.digest() in digests


def test_images_in_files_are_corrupted_too(tmp_path: Path, write_image: Callable[..., np.ndarray]) -> None:
    for part, count in (("train", 2), ("test", 3)):
        for name in "ab":
            for number in range(count):
                write_image(tmp_path / part / name / f"{number}.png", size=(32, 32), seed=number)
    stores = {}
    for storage in ("files", "memory"):
        dataset = ImageFolder(root=tmp_path, storage=storage).load()  # type: ignore[arg-type]
        stores[storage] = read(corrupted_test_split(dataset, "gaussian_noise", 1, seed=0).images)
    assert torch.equal(stores["files"], stores["memory"])


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (torch.tensor([3, 7], dtype=torch.uint8), (0.0, 255.0)),
        (torch.tensor([0.25, 0.5]), (0.0, 1.0)),
        (torch.tensor([-1.0, 0.5]), (-1.0, 0.5)),
        (torch.tensor([0.0, 255.0]), (0.0, 255.0)),
        (torch.tensor([7.0, 7.0]), (0.0, 1.0)),
    ],
)
def test_black_and_white(pixels: torch.Tensor, expected: tuple[float, float]) -> None:
    assert value_range(MemoryImages(pixels.view(1, 1, 1, -1))) == expected


def test_floats_of_any_range_stay_in_it(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.uniform(-3, 2, (20, 8, 8)).astype(np.float32)
    labels = np.arange(20) % 2
    np.savez(tmp_path / "x.npz", images=images, labels=labels, test_images=images, test_labels=labels)
    dataset = Arrays(path=tmp_path / "x.npz").load()
    for kind in KINDS:
        values = read(corrupted_test_split(dataset, kind, 5, seed=0).images)
        assert values.dtype == torch.float32
        assert float(images.min()) - 1e-6 <= values.min() < values.max() <= float(images.max()) + 1e-6


def test_features_are_no_images(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 4)))
    np.save(tmp_path / "y.npy", np.arange(30) % 3)
    features = Embeddings(path=tmp_path / "x.npy", labels=tmp_path / "y.npy").load()
    with pytest.raises(DataError, match=r"contrast must be made from test images of at least 2 x 2 pixels, but embedd"):
        corrupted_test_split(features, "contrast", 1, seed=0)
    empty = Split(images=MemoryImages(torch.zeros(0, 1, 8, 8)), labels=torch.zeros(0, dtype=torch.int64))
    with pytest.raises(DataError, match="digits has no test samples"):
        corrupted_test_split(replace(Digits().load(), test=empty), "contrast", 1, seed=0)
