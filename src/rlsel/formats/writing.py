"""The forms by their names, and how one is written: checked first, whole or not at all, over nothing that exists."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rlsel.checks import one_of, refuse
from rlsel.coreset import Coreset
from rlsel.errors import ConfigurationError, StorageError
from rlsel.files import make_folder, write_atomically
from rlsel.formats.folders import MODES, Mode, fill_with_images
from rlsel.formats.lists import txt_content, webdataset_content, yolo_content
from rlsel.formats.programs import torch_content
from rlsel.formats.rows import PARTS, Part, Rows, Shard, require_files, require_paths, require_unicode, rows_of
from rlsel.formats.shards import fill_with_shards, require_shards
from rlsel.formats.tables import csv_content, hf_content, parquet_content
from rlsel.formats.viewers import fiftyone_content, fill_for_lightly

IMAGE_FOLDER = "imagefolder"
"""The form that takes a mode."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A form that is one file.

    Attributes:
        name: What the file is called unless the user says otherwise.
        content: Its bytes.
    """

    name: str
    content: Callable[[Rows], bytes]


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A form that is a folder.

    Attributes:
        fill: Writes into an empty one.
    """

    fill: Callable[[Rows, Path, Mode], None]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A form of a coreset.

    Attributes:
        made: What it is.
        part: Which samples are written unless the user says otherwise: all where a row says which were kept.
        needs: What the samples must have: nothing, paths, files that exist, or shards that they lie in.
        unicode: Whether the names of files must be text.
    """

    made: File | Folder
    part: Part
    needs: Literal["nothing", "paths", "files", "shards"] = "nothing"
    unicode: bool = True


FORMATS: Mapping[str, Format] = {
    "csv": Format(made=File(name="selection.csv", content=csv_content), part="both", unicode=False),
    "fiftyone": Format(made=File(name="labels.csv", content=fiftyone_content), part="both", needs="files"),
    "hf": Format(made=File(name="selection.parquet", content=hf_content), part="both"),
    IMAGE_FOLDER: Format(made=Folder(fill=fill_with_images), part="kept", needs="files", unicode=False),
    "lightly": Format(made=Folder(fill=fill_for_lightly), part="both", needs="paths"),
    "parquet": Format(made=File(name="selection.parquet", content=parquet_content), part="both"),
    "shards": Format(made=Folder(fill=fill_with_shards), part="both", needs="shards"),
    "torch": Format(made=File(name="subset.py", content=torch_content), part="kept", unicode=False),
    "txt": Format(made=File(name="selection.txt", content=txt_content), part="kept", unicode=False),
    "webdataset": Format(
        made=File(name="files.txt", content=webdataset_content), part="kept", needs="paths", unicode=False
    ),
    "yolo": Format(made=File(name="images.txt", content=yolo_content), part="kept", needs="files"),
}
"""Every form by the name on the command line."""


def export_coreset(
    coreset: Coreset,
    format: str,  # noqa: A002 - the word of the command line
    out: Path | str,
    *,
    part: Part | None = None,
    root: Path | str | None = None,
    mode: Mode = "symlink",
    overwrite: bool = False,
    shards: Sequence[Shard] = (),
) -> Path:
    """Writes a coreset in the form of another tool.

    Args:
        coreset: One that was made, or loaded from its folder.
        format: csv, fiftyone, hf, imagefolder, lightly, parquet, shards, torch, txt, webdataset or yolo.
        out: The file or folder to write.
        part: kept, dropped or both; None for both where a row says which is which, else for those that are kept.
        root: The folder of the data set, for the forms that lead to its files.
        mode: symlink, hardlink or copy, for imagefolder.
        overwrite: Whether a file that exists is replaced; a folder with something in it never is.
        shards: The files of features that were selected from, for shards.

    Returns:
        The absolute path of what was written.

    Raises:
        RlselError: for a value that is not allowed, a package that is missing, or a file that is missing, exists, or
            cannot be named or written in this form.
    """
    form = FORMATS[one_of("format", format, FORMATS)]
    if part is not None:
        one_of("part", part, PARTS)
    one_of("mode", mode, MODES)
    target = Path(out).absolute()
    _require_free(target, form.made, overwrite=overwrite)
    rows = rows_of(coreset, part or form.part, None if root is None else Path(root))
    rows = replace(rows, shards=tuple(shards))
    _require_fit(rows, format, form, target)
    if isinstance(form.made, File):
        content = form.made.content(rows)
        with _parent_of(target):
            write_atomically(target, lambda file: file.write(content), setting="out")
    else:
        _write_folder(target, rows, form.made, mode)
    return target


def default_place(run: Path, format: str) -> Path:  # noqa: A002
    """Returns where a form of a run is written unless the user says otherwise.

    Raises:
        ConfigurationError: if there is no such form.
    """
    made = FORMATS[one_of("format", format, FORMATS)].made
    folder = run / "export" / format
    return folder / made.name if isinstance(made, File) else folder


def _require_free(target: Path, made: File | Folder, *, overwrite: bool) -> None:
    if isinstance(made, File):
        if target.is_dir():
            raise refuse("out", "a file", str(target), "it is a folder, name a file in it")
        if os.path.lexists(target) and not overwrite:
            raise refuse("out", "a file that does not exist", str(target), "give another, or overwrite=true")
    elif os.path.lexists(target) and (not target.is_dir() or any(target.iterdir())):
        remedy = "give another or remove it, a folder is never overwritten"
        raise refuse("out", "a folder that does not exist or is empty", str(target), remedy)


def _require_fit(rows: Rows, name: str, form: Format, target: Path) -> None:
    if form.needs in ("paths", "files"):
        require_paths(rows, name, [other for other, one in FORMATS.items() if one.needs == "nothing"])
    if form.needs == "files":
        require_files(rows, name)
    if form.needs == "shards":
        require_shards(rows)
    if form.unicode:
        require_unicode(rows, name)
    if name == IMAGE_FOLDER and rows.root is not None and target.is_relative_to(rows.root):
        raise refuse("out", f"outside of the data set in {rows.root}", str(target), "its links would become samples")


def _write_folder(target: Path, rows: Rows, made: Folder, mode: Mode) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    with _parent_of(target):
        try:
            temporary.mkdir()
            made.fill(rows, temporary, mode)
            temporary.replace(target)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise ConfigurationError(
                    f"mode must be symlink or copy for files on another disk than {target}, got {mode!r}"
                ) from error
            reason = error.strerror or error
            raise StorageError(f"cannot write {target}: {reason}: free space or choose another out") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _parent_of(target: Path) -> Iterator[None]:
    """Makes the folder that something is written into, and takes it away again where that fails."""
    missing = [folder for folder in target.parents if not folder.exists()]
    make_folder(target.parent, setting="out")
    try:
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise
