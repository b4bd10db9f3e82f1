"""Comparisons of the same methods in different circumstances, which lie beside each other in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rlsel.errors import CoresetError, RlselError
from rlsel.runs.comparison_files import RUNS_FILE, RecordedComparison, read_comparison


def read_regimes(folder: Path) -> Mapping[str, RecordedComparison]:
    """Reads the comparisons in a folder by name; what else is there, and a comparison without tables, is left out."""
    regimes = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            regimes[path.name] = read_comparison(path)
        except RlselError:
            continue
    return regimes


def require_regimes(folder: Path, key: str) -> Mapping[str, RecordedComparison]:
    """Reads the comparisons in a folder, or the one that the folder is.

    Args:
        folder: The folder.
        key: The setting that names it, for messages.

    Raises:
        CoresetError: if there is none.
    """
    regimes = read_regimes(folder)
    if regimes:
        return regimes
    if (folder / RUNS_FILE).is_file():
        return {folder.absolute().name: read_comparison(folder, key)}
    raise CoresetError(
        f"{key} must be a comparison, or a folder that holds some, got {str(folder)!r}: give what `rlsel compare` "
        "printed, or the folder above several of these"
    )
