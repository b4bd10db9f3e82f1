"""A folder of images with one folder for each class, as `ImageFolder` of torchvision reads it: `imagefolder`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from rlsel.errors import DataError
from rlsel.formats.rows import Rows

Mode = Literal["symlink", "hardlink", "copy"]
"""How an image gets into another folder."""


def _symlink(source: Path, target: Path) -> None:
    target.symlink_to(source)


def _hardlink(source: Path, target: Path) -> None:
    os.link(source, target)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


MODES: Mapping[Mode, Callable[[Path, Path], None]] = {"symlink": _symlink, "hardlink": _hardlink, "copy": _copy}


def fill_with_images(rows: Rows, folder: Path, mode: Mode) -> None:
    """Puts the images into class folders, named as in the data set; both parts go to `kept` and `dropped`.

    Args:
        rows: What to put there.
        folder: An empty folder.
        mode: Links to the files, second names of them on the same disk, or copies.

    Raises:
        DataError: if an image lies in no class folder, and its class has no name that a folder can have.
        OSError: if a file cannot be made.
    """
    put = MODES[mode]
    for source, place, kept in zip(rows.files(), _places(rows), rows.selected.tolist(), strict=True):
        part = "" if rows.part != "both" else "kept" if kept else "dropped"
        target = folder / part / place
        target.parent.mkdir(parents=True, exist_ok=True)
        put(source, target)


def _places(rows: Rows) -> list[PurePosixPath]:
    places = [PurePosixPath(path.removeprefix(rows.class_base)) for path in rows.named()]
    return [
        place if len(place.parts) > 1 else _class_folder(name) / place
        for place, name in zip(places, rows.class_names, strict=True)
    ]


def _class_folder(name: str) -> PurePosixPath:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise DataError(f"class names must be names of folders for format=imagefolder, got {name!r}: take format=csv")
    return PurePosixPath(name)
