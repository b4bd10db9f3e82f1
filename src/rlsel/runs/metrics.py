"""`metrics.jsonl`: one line an epoch, written while it runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

METRICS_FILE = "metrics.jsonl"


class MetricsFile:
    """Begins a file of JSON lines anew and appends to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started = False

    def append(self, measurements: Mapping[str, float]) -> None:
        """Appends one object; a number that JSON cannot hold becomes null."""
        row = {name: value if math.isfinite(value) else None for name, value in measurements.items()}
        with self._path.open("a" if self._started else "w") as file:
            file.write(json.dumps(row) + "\n")
        self._started = True
