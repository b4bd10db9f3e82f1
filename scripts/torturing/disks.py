"""Disks without room, and such as nothing may be written to: one line, and the same line goes on once there is room."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from torturing.kills import LINES, begin, fresh, require
from torturing.outcomes import Outcome, outcome_of
from torturing.processes import Ended, run
from torturing.program import USER_ERROR, Account, everything_in

_NAMES = ("select", "select, several", "finetune-ratio", "apply", "train-on-subset", "compare", "features", "report")
_DISK = "disk"
"""The folder of the results, below the working folder."""


def try_disks(root: Path, count: int, seed: int, account: Account) -> None:
    """Lets runs come to the end of their disk, and start again when there is room.

    Args:
        root: An empty folder.
        count: How many runs, spread over the commands and over the ways in which a disk says no.
        seed: Decides where there is no more room.
        account: What came of it is added here.
    """
    generator = np.random.default_rng(seed)
    begin(root)
    kinds = ("no room", "quota", *(("full disk", "read-only") if may_mount(root) else ()))
    for k, name in enumerate(_NAMES):
        line = (*LINES[name][:-1], f"run_dir={_DISK}/new")
        folder = fresh(root)
        (folder / _DISK).mkdir()
        calm = run(folder, line)
        require(calm)
        expected, left = outcome_of(folder / _DISK), everything_in(folder)
        sizes = [path.stat().st_size for path in (folder / _DISK).rglob("*") if path.is_file()]
        for i in range(count // len(_NAMES) + (k < count % len(_NAMES))):
            kind = kinds[(i + k) % len(kinds)]
            share = float(generator.random())
            starved = _starved(fresh(root), line, kind, share, calm, sizes)
            account.note(f"disks, {kind}", f"{name}, {share:.2f} of the room", _fault(starved, expected, left))


def may_mount(root: Path) -> bool:
    """Returns whether this process may mount a small file system."""
    place = root / "mounted"
    place.mkdir()
    done = _mount(place, "size=64k")
    if done:
        _unmount(place)
    return done


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Callable[[str], bool]]:
    """Mounts a file system of so many bytes in memory; gives what mounts it again with other options."""
    place.mkdir()
    if not _mount(place, f"size={size}"):
        raise PermissionError(f"cannot mount on {place}")
    try:
        yield lambda options: _mount(place, f"remount,{options}")
    finally:
        _unmount(place)


def _mount(place: Path, options: str) -> bool:
    line = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        return subprocess.run(line, check=False, capture_output=True).returncode == 0  # noqa: S603 - no user's text
    except FileNotFoundError:
        return False


def _unmount(place: Path) -> None:
    subprocess.run(["umount", str(place)], check=True)  # noqa: S603, S607 - no user's text


Starved = tuple[Ended, Ended, frozenset[str], Outcome | None]
"""The run without room, the one with room, what lies there at the end, and what it came to."""


def _starved(folder: Path, line: Sequence[str], kind: str, share: float, calm: Ended, sizes: Sequence[int]) -> Starved:
    place = folder / _DISK
    if kind in ("no room", "quota"):
        place.mkdir()
        few = int(share * calm.files)
        limit = 2048 + int(share * max(sizes))
        first = run(folder, line, prepare=partial(_no_room, few) if kind == "no room" else partial(_quota, limit))
        return _with_room(folder, line, first)
    with small_disk(place, 4096 + int(share * 1.2 * sum(sizes))) as remount:
        if kind == "read-only":
            remount("ro")
        first = run(folder, line)
        remount("rw,size=1g")
        return _with_room(folder, line, first)


def _with_room(folder: Path, line: Sequence[str], first: Ended) -> Starved:
    second = run(folder, line)
    outcome = None if second.code else outcome_of(folder / _DISK)
    return first, second, everything_in(folder), outcome


def _no_room(files: int) -> None:
    """Lets the disk be full after so many files."""
    written, flush = 0, os.fsync

    def full(descriptor: int) -> None:
        nonlocal written
        written += 1
        if written > files:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    os.fsync = full


def _quota(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def _fault(starved: Starved, expected: Outcome, left: frozenset[str]) -> str | None:
    first, second, there, outcome = starved
    errors = [text for text in first.said.splitlines() if text.startswith("error: ")]
    if first.code not in (0, USER_ERROR) or (first.code and (len(errors) != 1 or "Traceback" in first.said)):
        return f"exit code {first.code} without room: {first.said[-800:]!r}"
    if outcome is None:
        return f"exit code {second.code} with room again: {second.said[-500:]!r}"
    if outcome != expected:
        return (
            f"another result: {[name for name in {**expected, **outcome} if expected.get(name) != outcome.get(name)]}"
        )
    return f"left behind: {sorted(there - left)}" if there - left else None
