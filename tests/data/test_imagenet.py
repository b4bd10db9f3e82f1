from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import ImageFolder as PublicImageFolder

from rlsel.data.augmentation import Augmentation
from rlsel.data.files import FileImages
from rlsel.data.imagenet import ImageNet
from rlsel.data.loading import load_batches
from rlsel.data.variation import Variation, apply_variation
from rlsel.errors import ConfigurationError, DataError

WriteImage = Callable[..., np.ndarray]
WNIDS = ("n01440764", "n01443537", "n01484850")


@pytest.fixture
def root(tmp_path: Path, write_image: WriteImage) -> Path:
    """Three classes as ImageNet lays them out: 4 + 2 images each, wider than high."""
    for wnid in WNIDS:
        for number in range(4):
            write_image(tmp_path / "train" / wnid / f"{wnid}_{number}.JPEG", size=(20, 30), seed=number)
        for number in range(2):
            name = f"ILSVRC2012_val_{number:08d}.JPEG"
            write_image(tmp_path / "val" / wnid / name, size=(40, 20), seed=10 + number)
    return tmp_path


def test_the_tree_is_streamed(root: Path) -> None:
    dataset = ImageNet(root=root, image_size=14).load()
    assert isinstance(dataset.train.images, FileImages)
    assert dataset.class_names == WNIDS
    assert dataset.class_counts() == [4, 4, 4]
    assert torch.bincount(dataset.test.labels).tolist() == [2, 2, 2]
    assert dataset.train.paths is not None
    assert dataset.train.paths[5] == "train/n01443537/n01443537_1.JPEG"
    assert dataset.train.paths == dataset.train.images.paths
    # Stored at 14 * 8 / 7 = 16, seen at 14; by default 256 and 224.
    assert dataset.train.images.shape == (3, 16, 16)
    assert dataset.image_shape == (3, 14, 14)
    assert ImageNet(root=root).load().test.images.shape == (3, 256, 256)
    assert dataset.augmentation == Augmentation(crop=14, flip=True)
    assert dataset.mean == (0.485, 0.456, 0.406)
    for augmentation in (None, dataset.augmentation):
        batches = load_batches(
            dataset,
            dataset.train,
            list(torch.arange(12).split(5)),
            device=torch.device("cpu"),
            augmentation=augmentation,
            generator=torch.Generator().manual_seed(0),
        )
        assert [tuple(batch.images.shape) for batch in batches] == [(5, 3, 14, 14), (5, 3, 14, 14), (2, 3, 14, 14)]


def test_what_is_hidden_keeps_its_position(root: Path, write_image: WriteImage) -> None:
    write_image(root / "train" / ".cache" / "0.png")
    write_image(root / "train" / WNIDS[1] / "._n01443537_0.JPEG")
    dataset = ImageNet(root=root).load()
    public = PublicImageFolder(root / "train")
    assert dataset.source.paths is not None
    assert [str(root / path) for path in dataset.source.paths] == [path for path, _ in public.samples]
    assert dataset.source.labels.tolist() == [-1, 0, 0, 0, 0, -1, 1, 1, 1, 1, 2, 2, 2, 2]
    assert dataset.train.in_source().tolist() == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13]
    assert dataset.label_values == tuple(str(public.class_to_idx[wnid]) for wnid in WNIDS)
    assert dataset.notes == (
        f"imagenet: 2 images of {root / 'train'} are hidden and not read, such as train/.cache/0.png",
    )
    assert dataset.labelled


def test_sizes_and_noise_need_no_decoding_but_corruption_does(root: Path) -> None:
    dataset = ImageNet(root=root).load()
    changed = apply_variation(dataset, Variation(train_size=9, label_noise=0.2))
    assert changed.train.images.shape == dataset.train.images.shape
    assert len(changed.train.images) == len(changed.train) == 9
    assert changed.fingerprint != dataset.fingerprint
    with pytest.raises(ConfigurationError, match=r"dataset.corruption must be 0 for images that stay in their files"):
        apply_variation(dataset, Variation(corruption=0.5))


def test_a_broken_header_is_found_before_anything_else(root: Path) -> None:
    broken = root / "val" / WNIDS[1] / "ILSVRC2012_val_00000001.JPEG"
    broken.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"ILSVRC2012_val_00000001.JPEG cannot be read as an image"):
        ImageNet(root=root).load()


def test_a_flat_validation_folder_is_explained(root: Path) -> None:
    for path in list((root / "val").rglob("*.JPEG")):
        path.rename(root / "val" / f"{path.parent.name}_{path.name}")
    for folder in list((root / "val").iterdir()):
        if folder.is_dir():
            folder.rmdir()
    with pytest.raises(DataError, match=r"imagenet was not found in .*sort val into class folders.*dataset.root="):
        ImageNet(root=root).load()


def test_a_class_with_one_image_is_refused(root: Path) -> None:
    for number in range(3):
        (root / "train" / WNIDS[2] / f"{WNIDS[2]}_{number}.JPEG").unlink()
    with pytest.raises(DataError, match=r"imagenet: each class must have .* got 1 of class 'n01484850'"):
        ImageNet(root=root).load()


def test_it_is_looked_for_in_the_cache(root: Path, empty_cache: Path) -> None:
    with pytest.raises(DataError, match=f"imagenet was not found in {empty_cache}/imagenet, which needs train/<class>"):
        ImageNet().load()
    with pytest.raises(DataError, match=r"imagenet: dataset.root must be an existing folder"):
        ImageNet(root=root / "none").load()


@pytest.mark.parametrize("wrong", [{"image_size": 0}, {"image_size": 2.5}, {"root": ""}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=f"dataset.{next(iter(wrong))} must be"):
        ImageNet(**wrong)  # type: ignore[arg-type]
