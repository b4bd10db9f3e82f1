"""The files of a run by name: their checksums, which whoever reads them again checks, and that old ones go. No torch.

`SHA256SUMS` is written when all other files of a run but `status.json` are, in the form that `sha256sum --check` reads.
Its first line, a comment there, holds the checksum of the lines below.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rlsel.errors import CoresetError
from rlsel.files import remove_file, write_text

SUMS_FILE = "SHA256SUMS"

CONFIG_FILE, STATUS_FILE = "config.yaml", "status.json"

RUN_FILES = (
    CONFIG_FILE,
    "metrics.jsonl",
    "estimate.json",
    "indices.npy",
    "scores.npy",
    "labels.npy",
    "held_out.npy",
    "near_duplicates.npy",
    "hardness.npy",
    "selected.csv",
    "coreset.json",
    "policy.safetensors",
    "features.safetensors",
    "target.safetensors",
    "target.json",
    "model.safetensors",
    "result.json",
    "runs.csv",
    "summary.csv",
    "likeness.csv",
    "summary.md",
    "summary.tex",
    "comparison.png",
    "comparison.svg",
    "report.html",
)
"""What commands leave in their folders. `features.npy` is not here: it may be what the next run is given."""

_HALF_WRITTEN = re.compile(r"\..+\.\d+\.part")
"""The name under which `rlsel.files` writes, until all is written."""

_CHECKPOINT = re.compile(r"\.training-[0-9a-f]+(\.\w+-[0-9a-f]+)*\.ckpt")


def seal(folder: Path, names: Iterable[str] = RUN_FILES) -> None:
    """Writes the checksums of the files of a run.

    Args:
        folder: The run folder.
        names: Files in it; those that do not exist are passed over.

    Raises:
        StorageError: if the checksums cannot be written.
    """
    found = sorted(name for name in names if (folder / name).is_file())
    body = "".join(f"{_sha256(folder / name)}  {name}\n" for name in found)
    write_text(folder / SUMS_FILE, _first_line(body) + body)


def damage_of(folder: Path, names: Iterable[str] | None = None) -> str | None:
    """Looks for a file that is not the one that was sealed.

    Args:
        folder: The run folder.
        names: The files to look at, of those that were sealed; None for all.

    Returns:
        The path of the first, and what is wrong with it; None where nothing is, and for a run without checksums, as
        earlier versions made them.
    """
    path = folder / SUMS_FILE
    try:
        sums = _read_sums(path)
        if not sums and says_sealed(folder):
            return f"{path}: it is missing, though {STATUS_FILE} says that there are checksums"
        for name in sums if names is None else names:
            path = folder / name
            if name in sums and _sha256(path) != sums[name]:
                return f"{path}: its SHA-256 is not the one in {SUMS_FILE}"
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    except ValueError:
        return f"{path}: it is no complete list of checksums"
    return None


def says_sealed(folder: Path) -> bool:
    """Returns whether a run says of itself that its files were sealed; those of earlier versions do not."""
    try:
        status = json.loads((folder / STATUS_FILE).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(status, dict) and status.get("checksums") is True


def require_intact(folder: Path, *names: str) -> None:
    """Refuses files that are not those that were sealed; all others pass.

    Args:
        folder: The run folder.
        names: Files in it.

    Raises:
        CoresetError: if one of them, or the list of checksums, is damaged or missing.
    """
    damage = damage_of(folder, names)
    if damage is not None:
        raise CoresetError(f"cannot read {damage}: make the run again, by the command that made it")


def remove_run(folder: Path, *, checkpoints: bool) -> None:
    """Removes what an earlier run left in a folder, half-written files included; never a file of another name.

    Args:
        folder: An existing folder. One without `status.json` is that of no run, and keeps all.
        checkpoints: Whether those of interrupted trainings go too.

    Raises:
        StorageError: if a file cannot be removed.
    """
    if not (folder / STATUS_FILE).is_file():
        return
    remove_file(folder / SUMS_FILE)
    for name in RUN_FILES:
        remove_file(folder / name)
    for path in sorted(folder.iterdir()):
        if _HALF_WRITTEN.fullmatch(path.name) or (checkpoints and _CHECKPOINT.fullmatch(path.name)):
            remove_file(path)


def has_checkpoint(folder: Path) -> bool:
    """Returns whether an interrupted training can be taken up again in a folder."""
    return folder.is_dir() and any(_CHECKPOINT.fullmatch(path.name) for path in folder.iterdir())


def _read_sums(path: Path) -> Mapping[str, str]:
    """Reads the checksums by file; none where there is no list."""
    try:
        text = path.read_bytes().decode("ascii")
    except FileNotFoundError:
        return {}
    first, end, body = text.partition("\n")
    if first + end != _first_line(body):
        raise ValueError("the checksum of the list itself differs")
    pairs = (line.split("  ", 1) for line in body.splitlines())
    return {name: digest for digest, name in pairs}


def _first_line(body: str) -> str:
    return f"# {hashlib.sha256(body.encode()).hexdigest()} of the lines below\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
