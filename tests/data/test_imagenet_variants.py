"""Three classes of ImageNet stand for the thousand: n01440764, n01443537 and n01484850, numbered 0, 1 and 2."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.data.files import FileImages
from rlsel.data.imagenet import ImageNet
from rlsel.data.imagenet_variants import read_imagenet_variant
from rlsel.errors import DataError

WriteImage = Callable[..., np.ndarray]
WNIDS = ("n01440764", "n01443537", "n01484850")


@pytest.fixture
def trained(tmp_path: Path, write_image: WriteImage) -> Dataset:
    root = tmp_path / "imagenet"
    for wnid in WNIDS:
        for number in range(2):
            write_image(root / "train" / wnid / f"{number}.JPEG", size=(20, 30), seed=number)
        write_image(root / "val" / wnid / "0.JPEG", size=(20, 30))
    return ImageNet(root=root, image_size=14).load()


@pytest.fixture
def thousand() -> Dataset:
    """A thousand classes by WordNet id, with an image each."""
    split = Split(images=MemoryImages(torch.zeros(1000, 3, 8, 8, dtype=torch.uint8)), labels=torch.arange(1000))
    return Dataset(
        name="imagenet",
        train=split,
        test=split,
        class_names=tuple(f"n{number:08d}" for number in range(0, 3000, 3)),
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
    )


@pytest.fixture
def root(tmp_path: Path, write_image: WriteImage) -> Path:
    """ImageNet-A and ImageNet-R with the last and the first class, and ImageNet-Hard."""
    for folder in ("imagenet-a", "imagenet-r"):
        write_image(tmp_path / folder / WNIDS[2] / "0.25_x_1.jpg", size=(40, 20))
        write_image(tmp_path / folder / WNIDS[0] / "art_0.jpg", size=(20, 40))
        write_image(tmp_path / folder / WNIDS[2] / "0.75_x_2.jpg", size=(16, 16))
        (tmp_path / folder / "README.txt").write_text("class names")
    for number in range(3):
        write_image(tmp_path / "imagenet-hard" / "images" / f"{number}.jpg", size=(30, 20), seed=number)
    return tmp_path


def write_labels(root: Path, *lines: str, head: str = "path,labels") -> Path:
    path = root / "imagenet-hard" / "labels.csv"
    path.write_text("".join(f"{line}\n" for line in (head, *lines)))
    return path


@pytest.mark.parametrize("name", ["imagenet_a", "imagenet_r"])
def test_class_folders_are_matched_by_their_ids(root: Path, trained: Dataset, name: str) -> None:
    found = read_imagenet_variant(name, root, trained)
    assert found.name == name
    assert found.split.paths == (f"{WNIDS[0]}/art_0.jpg", f"{WNIDS[2]}/0.25_x_1.jpg", f"{WNIDS[2]}/0.75_x_2.jpg")
    assert found.answers.tolist() == [[0], [2], [2]]
    assert found.split.labels.tolist() == [0, 2, 2]
    assert found.among is not None
    assert found.among.tolist() == [True, False, True]


def test_images_come_in_the_size_of_the_training_images(root: Path, trained: Dataset) -> None:
    images = read_imagenet_variant("imagenet_a", root, trained).split.images
    assert isinstance(images, FileImages)
    (batch,) = images.batches([torch.arange(3)])
    assert batch.shape == (3, 3, 16, 16)
    assert batch.dtype == torch.uint8


def test_the_folder_may_be_spelt_like_the_name_and_lie_in_the_cache(
    root: Path, trained: Dataset, empty_cache: Path
) -> None:
    empty_cache.mkdir(parents=True)
    (root / "imagenet-a").rename(empty_cache / "imagenet_a")
    assert len(read_imagenet_variant("imagenet_a", None, trained).split) == 3


def test_hard_images_have_several_answers(root: Path, trained: Dataset) -> None:
    write_labels(root, f"images/2.jpg,{WNIDS[1]}", f"images/0.jpg,{WNIDS[2]} {WNIDS[0]}", f"images/1.jpg,{WNIDS[0]}")
    found = read_imagenet_variant("imagenet_hard", root, trained)
    assert found.answers.tolist() == [[1, -1], [2, 0], [0, -1]]
    assert found.split.labels.tolist() == [1, 2, 0]
    assert found.split.paths == ("images/2.jpg", "images/0.jpg", "images/1.jpg")
    assert found.among is None


def test_numbers_are_classes_of_imagenet_1k_only(root: Path, trained: Dataset, thousand: Dataset) -> None:
    write_labels(root, "images/0.jpg,999 0", "images/1.jpg,n00000003")
    assert read_imagenet_variant("imagenet_hard", root, thousand).answers.tolist() == [[999, 0], [1, -1]]
    write_labels(root, "images/0.jpg,2")
    with pytest.raises(DataError, match="must be classes of imagenet, which lacks 1, for example '2'"):
        read_imagenet_variant("imagenet_hard", root, trained)


@pytest.mark.parametrize("name", ["imagenet_a", "imagenet_r", "imagenet_hard"])
def test_what_is_missing_is_named(tmp_path: Path, trained: Dataset, name: str) -> None:
    with pytest.raises(DataError, match=rf"{name}: evaluation.root must be an existing folder, got .*which does not"):
        read_imagenet_variant(name, tmp_path / "none", trained)
    (tmp_path / "empty").mkdir()
    folder = name.replace("_", "-")
    for root in (tmp_path / "empty", None):
        with pytest.raises(DataError, match=rf"{name} was not found in .*{folder}/.*give evaluation.root=<folder>$"):
            read_imagenet_variant(name, root, trained)
    (tmp_path / "empty" / folder).mkdir()
    with pytest.raises(DataError, match=rf"{name}: .*(must have class folders with images|labels.csv cannot be read)"):
        read_imagenet_variant(name, tmp_path / "empty", trained)


def test_an_empty_class_folder_is_no_image(tmp_path: Path, trained: Dataset) -> None:
    (tmp_path / "imagenet-a" / WNIDS[0]).mkdir(parents=True)
    with pytest.raises(DataError, match=r"imagenet_a: .*must have class folders with images"):
        read_imagenet_variant("imagenet_a", tmp_path, trained)


def test_a_class_that_is_not_trained_is_refused(root: Path, trained: Dataset, write_image: WriteImage) -> None:
    write_image(root / "imagenet-a" / "n99999999" / "x.jpg")
    message = "imagenet_a: all of its 3 classes must be classes of imagenet, which lacks 1, for example 'n99999999'"
    with pytest.raises(DataError, match=message):
        read_imagenet_variant("imagenet_a", root, trained)


def test_a_model_of_gray_or_float_images_cannot_be_measured(
    root: Path, dataset_of: Callable[..., Dataset], thousand: Dataset
) -> None:
    gray = dataset_of(torch.arange(6) % 3, test=3)
    with pytest.raises(DataError, match=r"imagenet_r must be measured with .* but planted has 1 channels: train on"):
        read_imagenet_variant("imagenet_r", root, gray)
    floats = Split(images=MemoryImages(torch.zeros(1000, 3, 8, 8)), labels=torch.arange(1000))
    with pytest.raises(DataError, match="has 3 channels of floats"):
        read_imagenet_variant("imagenet_r", root, Dataset(**{**vars(thousand), "train": floats}))


def test_a_broken_image_is_found_before_a_training(root: Path, trained: Dataset) -> None:
    (root / "imagenet-r" / WNIDS[2] / "0.25_x_1.jpg").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"0.25_x_1.jpg cannot be read as an image"):
        read_imagenet_variant("imagenet_r", root, trained)


@pytest.mark.parametrize(
    ("head", "lines", "message"),
    [
        (
            "file,labels",
            ["images/0.jpg,n01440764"],
            "must have the columns path,labels and .* got the columns file,lab",
        ),
        ("path,labels", [], "must have the columns path,labels and a line for each image, got no lines"),
        ("path,labels", ["images/0.jpg,"], "each line of .* must have a path and a class, got .*images/0.jpg"),
        ("path,labels", ["images/0.jpg"], "each line of .* must have a path and a class"),
        ("path,labels", [",n01440764"], "each line of .* must have a path and a class"),
        ("path,labels", ["../secret.jpg,n01440764"], "paths in .* must lie below its folder, got '../secret.jpg'"),
        ("path,labels", ["/etc/secret.jpg,n01440764"], "paths in .* must lie below its folder, got '/etc/secret.jpg'"),
        ("path,labels", ["images/9.jpg,n01440764"], "images/9.jpg cannot be read as an image"),
        ("path,labels", ["images/0.jpg,n01440764 n7"], "all of its 1 classes must be classes of imagenet, which lacks"),
    ],
)
def test_an_unfit_label_file_is_explained(
    root: Path, trained: Dataset, head: str, lines: list[str], message: str
) -> None:
    write_labels(root, *lines, head=head)
    with pytest.raises(DataError, match=message):
        read_imagenet_variant("imagenet_hard", root, trained)


def test_a_label_file_that_is_no_text_is_explained(root: Path, trained: Dataset) -> None:
    write_labels(root).write_bytes(b"path,labels\n\xff\xfe\x00,1\n")
    with pytest.raises(DataError, match=r"labels\.csv cannot be read"):
        read_imagenet_variant("imagenet_hard", root, trained)
