"""The run folder of a coreset that was made without one: what a command would have written while it worked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rlsel.files import remove_file
from rlsel.runs.folder import RunFolder
from rlsel.runs.metrics import METRICS_FILE, MetricsFile
from rlsel.runs.plan import Plan
from rlsel.runs.target import INPUT_FILE, TARGET_FILE
from rlsel.selectors.policy_state import FEATURES_FILE, POLICY_FILE


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
            folder: An existing folder; the policy, the target model and the measurements of another run in it go.

        Raises:
            StorageError: if that is not possible.
        """
        for stale in (METRICS_FILE, POLICY_FILE, FEATURES_FILE, TARGET_FILE, INPUT_FILE):
            remove_file(folder / stale)
        run = RunFolder(path=folder, digest=self.plan.digest)
        run.begin(self.plan.command, self.plan.settings)
        metrics = MetricsFile(folder / METRICS_FILE)
        for row in self.metrics:
            metrics.append(row)
        yield
        run.set_state("complete")
