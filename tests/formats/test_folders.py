"""Folders of images, read back by torchvision."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import ImageFolder

from rlsel.coreset import Coreset
from rlsel.errors import ConfigurationError, DataError, StorageError
from rlsel.formats.writing import export_coreset


def contents(folder: Path) -> dict[str, tuple[str, int]]:
    """Returns the files that torchvision finds below a folder, each with its class and its grey."""
    found = ImageFolder(str(folder))
    return {
        os.path.relpath(path, folder): (found.classes[label], int(np.asarray(image)[0, 0, 0]))
        for (path, label), (image, _) in zip(found.samples, found, strict=True)
    }


KEPT = {
    "cats, big/a.png": ("cats, big", 0),
    "cats, big/line\nbreak.png": ("cats, big", 40),
    "dögs/ü 猫.png": ("dögs", 20),
}
DROPPED = {'cats, big/b "quoted".png': ("cats, big", 10), "dögs/nested/d.png": ("dögs", 30)}


@pytest.mark.parametrize("mode", ["symlink", "hardlink", "copy"])
def test_torchvision_reads_the_kept_images(
    coreset: Callable[..., Coreset], broken: list[str], root: Path, tmp_path: Path, mode: Any
) -> None:
    folder = export_coreset(coreset(broken), "imagefolder", tmp_path / "out", root=root, mode=mode)
    assert contents(folder) == KEPT
    image, source = folder / "cats, big" / "a.png", root / broken[0]
    assert image.is_symlink() == (mode == "symlink")
    assert image.samefile(source) == (mode != "copy")
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_both_parts_stand_side_by_side(
    coreset: Callable[..., Coreset], broken: list[str], root: Path, tmp_path: Path
) -> None:
    folder = export_coreset(coreset(broken), "imagefolder", tmp_path / "out", root=root, part="both")
    assert contents(folder / "kept") == KEPT
    assert contents(folder / "dropped") == DROPPED
    assert sorted(path.name for path in folder.iterdir()) == ["dropped", "kept"]


def test_a_folder_with_something_in_it_is_left_alone(
    coreset: Callable[..., Coreset], root: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    export_coreset(coreset(), "imagefolder", tmp_path / "out", root=root)  # an empty one will do
    message = "out must be a folder that does not exist or is empty, got .*: give another or remove it"
    for overwrite in (False, True):
        with pytest.raises(ConfigurationError, match=message):
            export_coreset(coreset(), "imagefolder", tmp_path / "out", root=root, overwrite=overwrite)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=message):
        export_coreset(coreset(), "imagefolder", tmp_path / "file", root=root, overwrite=True)


def test_an_image_that_lies_in_no_folder_goes_to_its_class(
    coreset: Callable[..., Coreset], tmp_path: Path, root: Path
) -> None:
    (root / "train" / "cats, big" / "a.png").rename(root / "loose.png")
    folder = export_coreset(coreset(["loose.png"], names=("all", "other")), "imagefolder", tmp_path / "out", root=root)
    assert contents(folder) == {"all/loose.png": ("all", 0)}
    with pytest.raises(DataError, match=r"class names must be names of folders for format=imagefolder, got '\.\.'"):
        export_coreset(coreset(["loose.png"], names=("..", "other")), "imagefolder", tmp_path / "none", root=root)
    assert not (tmp_path / "none").exists()


def test_the_folder_lies_outside_of_the_data_set(coreset: Callable[..., Coreset], root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"out must be outside of the data set in .*: its links would become"):
        export_coreset(coreset(), "imagefolder", root / "kept", root=root)
    assert not (root / "kept").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "root must be given for format=imagefolder: add root=FOLDER"),
        ("nowhere", "root must be the folder of the images, got .*nowhere', which is none"),
        (".", "root must hold the images of the coreset, but there is no .*a.png: give root=FOLDER"),
    ],
)
def test_images_that_are_not_there_are_told(
    coreset: Callable[..., Coreset], tmp_path: Path, given: str | None, message: str
) -> None:
    with pytest.raises((ConfigurationError, DataError), match=message):
        export_coreset(coreset(), "imagefolder", tmp_path / "out", root=given and tmp_path / given)


def test_hard_links_stay_on_one_disk(
    coreset: Callable[..., Coreset], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    with pytest.raises(
        ConfigurationError, match=r"mode must be symlink or copy for files on another disk than .*'hard"
    ):
        export_coreset(coreset(), "imagefolder", tmp_path / "new" / "out", root=root, mode="hardlink")
    assert not (tmp_path / "new").exists()


def test_a_full_disk_leaves_nothing(
    coreset: Callable[..., Coreset], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", refuse)
    with pytest.raises(StorageError, match=r"cannot write .*out: No space left on device: free space or choose anot"):
        export_coreset(coreset(), "imagefolder", tmp_path / "new" / "out", root=root, mode="copy")
    assert not (tmp_path / "new").exists()
