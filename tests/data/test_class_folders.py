import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import ImageFolder as PublicImageFolder

from rlsel.data import walking
from rlsel.data.class_folders import Listing, class_folders, class_numbers, list_images, list_unlabelled
from rlsel.data.dataset import MemoryImages
from rlsel.errors import DataError

WriteImage = Callable[..., np.ndarray]


@pytest.fixture(params=["", "train"], ids=["plain", "train"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of the class folders: the root `tmp_path / "root"`, or `train` in it."""
    folder = tmp_path / "root" / request.param
    folder.mkdir(parents=True)
    return folder


def list_own(base: Path) -> Listing:
    root = base if base.name == "root" else base.parent
    return list_images(root, base.relative_to(root).as_posix(), class_folders(base), dataset="own")


def check_against_torchvision(base: Path) -> list[str]:
    """Checks that every position names the same file for torchvision, and returns the paths read, below the base.

    The class of a file that is read must be torchvision's too, by name and by its number as text.
    """
    listing = list_own(base)
    public = PublicImageFolder(base, allow_empty=True)
    assert [str(listing.root / path) for path in listing.listed] == [path for path, _ in public.samples]
    assert len(listing.listed) == len(listing.listed_labels) > 0
    names, numbers = class_folders(base), class_numbers(base)
    for position, label in zip(listing.positions.tolist(), listing.labels.tolist(), strict=True):
        number = public.samples[position][1]
        assert (names[label], numbers[label]) == (public.classes[number], str(number))
    source = listing.source(MemoryImages(torch.zeros(len(listing.paths), 1, 1, 1)))
    assert (source is None) == (len(listing.paths) == len(listing.listed))
    return [str((listing.root / path).relative_to(base)) for path in listing.paths]


def test_positions_are_those_of_torchvision(base: Path, write_image: WriteImage) -> None:
    names = ["b/2.png", "b/10.png", "b/1.JPEG", "a/z.webp", "a/y/2.png", "a/y/1.png", "a/x.bmp", "a/Z.png", "B/1.ppm"]
    odd = ["a/y.d/1.png", "a/y d/2 3.Png", "a/y-d/k\u00e4se.TIF", "b/\u96ea/\u2603.png", "a/y/x/1.png", "b/c.tar.pgm"]
    for name in [*names, *odd]:
        write_image(base / name, mode="L" if name.endswith("pgm") else "RGB")
    (base / "a" / "notes.txt").write_text("no image")
    assert class_folders(base) == ("B", "a", "b")
    assert sorted(check_against_torchvision(base)) == sorted([*names, *odd])
    listing = list_own(base)
    assert listing.notes == ()
    assert listing.split(MemoryImages(torch.zeros(15, 1, 1, 1))).positions is None


def test_what_is_hidden_keeps_its_place(base: Path, write_image: WriteImage) -> None:
    for name in ("b/1.png", "b/2.png", "c/1.png", ".trash/1.png", "b/.ipynb_checkpoints/1-checkpoint.png"):
        write_image(base / name)
    write_image(base / "c" / ".shadow" / "deep" / "1.png")
    (base / "c" / "._1.png").write_bytes(b"metadata of another system")
    assert check_against_torchvision(base) == ["b/1.png", "b/2.png", "c/1.png"]
    listing = list_own(base)
    # torchvision takes .trash as class 0.
    assert class_numbers(base) == ("1", "2")
    # .trash/1, b/.ipynb_checkpoints/1 (its folder sorts behind b itself), ._1 before 1 in c, then c/.shadow.
    assert listing.listed_labels.tolist() == [-1, 0, 0, -1, -1, 1, -1]
    assert listing.positions.tolist() == [1, 2, 5]
    assert len(listing.notes) == 1
    assert listing.notes[0].startswith(f"own: 4 images of {base} are hidden and not read, such as ")
    split = listing.split(MemoryImages(torch.zeros(3, 1, 1, 1)))
    assert split.in_source().tolist() == [1, 2, 5]
    assert split.labels.tolist() == [0, 0, 1]


def test_a_link_that_leads_back_is_listed_until_the_system_refuses(base: Path, write_image: WriteImage) -> None:
    for name in ("a/1.png", "a/sub/2.png", "b/1.png", "loose.png"):
        write_image(base / name)
    (base / "a" / "back").symlink_to(base / "a")
    (base / "b" / "up").symlink_to("..")
    assert check_against_torchvision(base) == ["a/1.png", "a/sub/2.png", "b/1.png"]
    listing = list_own(base)
    assert len(listing.listed) > 100
    assert [note.split(", ")[0] for note in listing.notes] == [
        f"own: {len(listing.listed) - 3} images of {base} are not read",
        f"own: 1 images in no class folder of {base} are not read",
    ]


def test_a_folder_is_read_once_and_where_it_really_lies(base: Path, tmp_path: Path, write_image: WriteImage) -> None:
    for name in ("b/1.png", "b/part/2.png", "c/1.png"):
        write_image(base / name)
    for name in ("far/x/1.png", "far/2.png"):
        write_image(tmp_path / name)
    (base / "a").symlink_to(tmp_path / "far")
    (base / "c" / "far").symlink_to(tmp_path / "far" / "x")
    (base / "a" / "near").symlink_to(base / "b")
    assert check_against_torchvision(base) == ["a/2.png", "a/x/1.png", "b/1.png", "b/part/2.png", "c/1.png"]
    listing = list_own(base)
    assert len(listing.listed) == 8
    assert listing.notes[0].startswith(f"own: 3 images of {base} are not read, as links lead to their folders a second")


def test_links_that_branch_are_cut_short(base: Path, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(base / "a" / "1.png")
    for name in ("left", "right"):
        (base / "a" / name).symlink_to(base / "a")
    monkeypatch.setattr(walking, "MOST_REPEATS", 500)
    with pytest.raises(
        DataError, match=rf"^{base}/a/(left|right) must be no link that leads back .*500 .*: remove the link"
    ):
        list_own(base)


def test_a_folder_that_cannot_be_listed_is_not_passed_over(
    base: Path, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(base / "a" / "sub" / "1.png")
    scandir = os.scandir

    def locked(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(DataError, match=r"a folder cannot be listed \(.*Permission denied: '.*/a/sub'\): make it"):
        list_own(base)


def test_images_of_other_kinds_are_counted(base: Path, write_image: WriteImage) -> None:
    write_image(base / "a" / "1.png")
    for name in ("2.gif", "3.GIF", "4.heic", "5.txt", ".6.gif"):
        (base / "a" / name).write_bytes(b"x")
    (base / "a" / ".hidden").mkdir()
    (base / "a" / ".hidden" / "1.gif").write_bytes(b"x")
    assert list_own(base).notes == (
        f"own: files in {base} that may be images are not read: 2 .gif, 1 .heic (convert them to .png)",
    )


def test_images_without_classes_are_listed_by_folder_and_name(tmp_path: Path, write_image: WriteImage) -> None:
    for name in ("b.png", "a.JPG", "x/2.png", "x/1.png", "x/y/1.png", ".trash/1.png", "x/.old.png"):
        write_image(tmp_path / name)
    (tmp_path / "x" / "back").symlink_to(tmp_path)
    listing = list_unlabelled(tmp_path, dataset="own")
    assert listing.listed == listing.paths == ("a.JPG", "b.png", "x/1.png", "x/2.png", "x/y/1.png")
    assert listing.labels.tolist() == [0] * 5
    hidden, again = listing.notes
    assert hidden.startswith("own: ")
    assert hidden.endswith("are hidden and not read, such as .trash/1.png")
    assert f" images of {tmp_path} are not read, as links lead to their folders a second time" in again


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
