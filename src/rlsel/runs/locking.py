"""One process at a time in a run folder, by a lock that the system releases when the process dies."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rlsel.errors import StorageError

LOCK_FILE = ".rlsel.lock"

_SECONDS_BETWEEN_LOOKS = 0.2


@contextmanager
def held(folder: Path, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Keeps other processes out of a folder; the file of the lock goes with the block.

    Args:
        folder: An existing folder.
        on_wait: Told once that another process is in it, which is then waited for; None refuses.

    Raises:
        StorageError: if another process is in it and is not waited for, or the lock cannot be written.
    """
    path = folder / LOCK_FILE
    descriptor = _lock(path)
    if descriptor is None and on_wait is not None:
        on_wait()
        while (descriptor := _lock(path)) is None:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    if descriptor is None:
        raise StorageError(
            f"run_dir must be a folder that no other process works in, got {folder}: wait for that process, or choose "
            "another run_dir"
        )
    try:
        yield
    finally:
        # first the name, so that nobody finds the file without a lock on it
        with suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(path: Path) -> int | None:
    """Locks a file, made where it does not exist; returns None where another process holds it."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            reason = error.strerror or error
            raise StorageError(f"cannot write {path}: {reason}: free space or choose another run_dir") from error
        try:
            # a lock of this process alone: the processes that decode images are forked, and may outlive it for seconds
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                os.close(descriptor)
                return None
            return descriptor  # a file system without locks: nothing is promised there
        if _is(descriptor, path):
            return descriptor
        os.close(descriptor)  # its holder removed it after it was opened here


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
