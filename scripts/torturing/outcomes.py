"""What a run comes to, without what differs from one time to the next: times, memory, and where it lies."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

_TIMES = frozenset(
    {"seconds", "wall_seconds", "peak_rss_bytes", "images_per_second", "parent", "select_seconds", "train_seconds"}
    | {"cost_share", "net_multiplier", "paid_after", "versions", "latest"}
)
_LEFT_OUT = frozenset({"status.json", "SHA256SUMS", "config.yaml", "summary.csv", "summary.md", "summary.tex"})
"""Files with times or places in them; of a comparison, `runs.csv` has what they are made of."""

Outcome = Mapping[str, object]
"""What each file of a folder holds, by its path in it."""


def outcome_of(folder: Path, without: Collection[str] = ()) -> Outcome:
    """Returns what the files below a folder hold, those that are hidden or of certain names left out."""
    left_out = _LEFT_OUT | set(without)
    found = {
        str(path.relative_to(folder)): _content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.name not in left_out and "cells" not in path.parts
    }
    if not found:
        raise ValueError(f"{folder} holds no result")
    return found


def _content(path: Path) -> object:
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [_timeless(json.loads(line)) for line in path.read_text().splitlines()]
    if path.name == "runs.csv":
        with path.open(newline="") as file:
            return [_timeless(row) for row in csv.DictReader(file)]
    return b"a picture" if path.suffix in (".png", ".svg") else path.read_bytes()


def _timeless(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in _TIMES}
    return [_timeless(item) for item in value] if isinstance(value, list) else value
