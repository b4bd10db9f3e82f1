from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import ImageFolder as PublicImageFolder

from rlsel.data.class_folders import class_folders, list_images
from rlsel.errors import DataError

WriteImage = Callable[..., np.ndarray]


def test_positions_are_those_of_torchvision(tmp_path: Path, write_image: WriteImage) -> None:
    names = ["b/2.png", "b/10.png", "b/1.JPEG", "a/z.webp", "a/y/2.png", "a/y/1.png", "a/x.bmp", "a/Z.png", "B/1.ppm"]
    for name in names:
        write_image(tmp_path / "train" / name)
    (tmp_path / "train" / "a" / "notes.txt").write_text("no image")
    classes = class_folders(tmp_path / "train")
    listing = list_images(tmp_path, "train", classes, dataset="own")
    public = PublicImageFolder(tmp_path / "train")
    assert classes == tuple(public.classes) == ("B", "a", "b")
    assert [
        (str(tmp_path / path), label) for path, label in zip(listing.paths, listing.labels.tolist(), strict=True)
    ] == (public.samples)
    assert len(listing.paths) == 9


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path, write_image: WriteImage) -> None:
    write_image(tmp_path / "a" / "1.png")
    write_image(tmp_path / ".trash" / "1.png")
    (tmp_path / "a" / "._1.png").write_bytes(b"metadata of another system")
    assert class_folders(tmp_path) == ("a",)
    assert list_images(tmp_path, ".", ("a",), dataset="own").paths == ("a/1.png",)


def test_classes_may_lack_but_not_be_new(tmp_path: Path, write_image: WriteImage) -> None:
    write_image(tmp_path / "val" / "b" / "1.png")
    assert list_images(tmp_path, "val", ("a", "b"), dataset="own").labels.tolist() == [1]
    with pytest.raises(DataError, match=r"own: .*val must have the classes of the training split, got 'b'"):
        list_images(tmp_path, "val", ("a",), dataset="own")


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "val" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match=r"own: .*val must have class folders with images \(.jpg .*\), got none"):
        list_images(tmp_path, "val", ("a",), dataset="own")
    assert class_folders(tmp_path / "none") == ()
