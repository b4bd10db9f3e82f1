"""Where data sets lie on a machine, and how a public one gets there."""

from __future__ import annotations

import contextlib
import http.client
import os
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from rlsel.checks import refuse
from rlsel.errors import DataError


def check_location(name: str, value: object) -> None:
    """Raises `ConfigurationError` unless a setting is a path that is not empty, or None."""
    if value is not None and (not isinstance(value, str | Path) or not str(value)):
        raise refuse(name, "a path", value)


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, or its type where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def existing_folder(root: Path, dataset: str, *, setting: str = "dataset.root") -> Path:
    """Returns the absolute folder that a user named.

    Args:
        root: The folder, as given.
        dataset: Name of the data set, for messages.
        setting: Where it was given, for messages.

    Raises:
        DataError: if there is no such folder.
    """
    folder = _absolute(root)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{dataset}: {setting} must be an existing folder, got {str(root)!r}, which {what}")
    return folder


def existing_file(path: Path | None, setting: str, dataset: str) -> Path:
    """Returns the absolute file that a user named.

    Raises:
        DataError: if none was named or there is no such file.
    """
    if path is None:
        raise DataError(f"{dataset}: {setting} must name a file, got nothing: give {setting}=<file>")
    file = _absolute(path)
    if not file.is_file():
        what = "is not a file" if file.exists() else "does not exist"
        raise DataError(f"{dataset}: {setting} must be an existing file, got {str(path)!r}, which {what}")
    return file


def _absolute(path: Path) -> Path:
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - `~name` of nobody stays as it is


def cache_folder() -> Path:
    """Returns the folder for downloads: `rlsel` in `XDG_CACHE_HOME`, or in `~/.cache` where that is not set."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "rlsel"


def downloaded(dataset: str, fetch: Callable[[Path], object], *, searched: str, remedy: str) -> Path:
    """Returns the cache folder of a public data set, which is filled on first use and is never seen half full.

    Args:
        dataset: Name of the data set and of its folder.
        fetch: Downloads into the empty folder that it is given.
        searched: Where the data set was not found before, for the message.
        remedy: What to do without a network, for the message.

    Raises:
        DataError: if the download fails.
    """
    target = cache_folder() / dataset
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{dataset}.", dir=target.parent) as temporary:
            content = Path(temporary) / "content"
            content.mkdir()
            # The last line on stdout belongs to the command, whatever a library says while it downloads.
            with contextlib.redirect_stdout(sys.stderr):
                fetch(content)
            try:
                content.rename(target)
            except OSError:
                # Another process may have been faster; its folder holds the same.
                if not target.is_dir():
                    raise
    except (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError) as error:
        raise DataError(
            f"{dataset} was not found in {searched}, and its download failed ({first_line(error)}): {remedy}"
        ) from error
    return target
