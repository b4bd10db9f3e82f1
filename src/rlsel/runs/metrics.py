"""`metrics.jsonl`: one line an epoch, written while it runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from rlsel.files import append_line

METRICS_FILE = "metrics.jsonl"


class MetricsFile:
    """Begins a file of JSON lines anew and appends to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started = False

    def append(self, measurements: Mapping[str, float]) -> None:
        """Appends one object; a number that JSON cannot hold becomes null.

        Raises:
            StorageError: if it cannot be written.
        """
        row = {name: value if math.isfinite(value) else None for name, value in measurements.items()}
        append_line(self._path, json.dumps(row), anew=not self._started)
        self._started = True
