"""The run folder of a coreset that was made without one: what a command would have written while it worked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rlsel.runs.folder import RunFolder, begun
from rlsel.runs.metrics import METRICS_FILE, MetricsFile
from rlsel.runs.plan import Plan


@dataclass(frozen=True, kw_only=True, eq=False)
class RunInMemory:
    """What is known of a run besides its coreset.

    Attributes:
        plan: What was to be made.
        metrics: The measurements of each epoch of the target training; none where nothing was trained.
    """

    plan: Plan
    metrics: Sequence[Mapping[str, float]] = ()

    @contextmanager
    def around(self, folder: Path) -> Iterator[None]:
        """Writes settings and measurements; after the block, that the run is complete.

        Args:
            folder: An existing folder; what another run left in it goes.

        Raises:
            StorageError: if that is not possible.
        """
        run = RunFolder(path=folder, digest=self.plan.digest)
        with begun([run], self.plan.command, [self.plan.settings]):
            metrics = MetricsFile(folder / METRICS_FILE)
            for row in self.metrics:
                metrics.append(row)
            yield
            run.set_state("complete")
