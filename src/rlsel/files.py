"""Writing files so that a reader, or a run killed at any moment, never sees half of one, and reading them back."""

import glob
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rlsel.errors import StorageError


def write_atomically(path: Path, write: Callable[[IO[bytes]], object], *, setting: str = "run_dir") -> None:
    """Writes a file under a temporary name, flushes it to disk and moves it into place.

    Args:
        path: The final path; its folder must exist.
        write: Receives the open binary file; what it returns is not looked at.
        setting: Where the user chose the place, for the message.

    Raises:
        StorageError: if the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    _remove_halves(path)
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error, setting) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _remove_halves(path: Path) -> None:
    """Removes what processes that were killed have written of a file."""
    for half in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        process = half.name.removeprefix(f".{path.name}.").removesuffix(".part")
        if process.isdecimal() and not _is_alive(int(process)):
            with suppress(OSError):
                half.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)  # sends nothing
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _unwritable(path: Path, error: OSError, setting: str) -> StorageError:
    reason = error.strerror or error
    return StorageError(f"cannot write {path}: {reason}: free space or choose another {setting}")


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def append_line(path: Path, line: str, *, anew: bool) -> None:
    """Appends a line to a UTF-8 text file, which may be read while it grows.

    Args:
        path: The file.
        line: The line, without its end.
        anew: Whether what is there goes first.

    Raises:
        StorageError: if it cannot be written.
    """
    try:
        with path.open("w" if anew else "a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise _unwritable(path, error, "run_dir") from error


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - JSON
    """Writes an indented JSON file atomically."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Writes an `.npy` file atomically, without pickle."""
    write_atomically(path, lambda file: np.save(file, array, allow_pickle=False))


def read_array(path: Path) -> NDArray[Any]:
    """Reads an `.npy` file, without pickle.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is not exactly one `.npy` array of numbers.
    """
    with path.open("rb") as file:
        try:
            array = np.lib.format.read_array(file, allow_pickle=False)
        except (ValueError, MemoryError, OverflowError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{path.name} is no complete .npy file: {reason}") from error
        if file.read(1):
            raise ValueError(f"{path.name} goes on after the end of its array")
    return array


def make_folder(path: Path, *, setting: str = "run_dir") -> Path:
    """Makes a folder and its parents.

    Args:
        path: The folder.
        setting: Where the user chose the place, for the message.

    Raises:
        StorageError: if that is not possible, for example below a regular file.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"cannot make the folder {path}: {reason}: choose another {setting}") from error
    return path


def remove_file(path: Path) -> None:
    """Removes a file if it exists.

    Raises:
        StorageError: if it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"cannot remove {path}: {reason}: choose another run_dir") from error


def stays_below(path: str) -> bool:
    """Returns whether a relative path with forward slashes names something below its root, whatever that root is."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and "\0" not in path
