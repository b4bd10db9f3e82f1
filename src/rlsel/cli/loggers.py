"""Extra loggers, chosen with `logger=csv`, `tensorboard`, `wandb` or `mlflow`, or with several in a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rlsel.errors import ConfigurationError
from rlsel.structure import Node, as_node, build, target_and_settings
from rlsel.training.reporting import Grid

if TYPE_CHECKING:
    from lightning_fabric.loggers.logger import Logger

FOLDER = Path("outputs/logs")
"""The parent of all runs' logs."""


class Log(Protocol):
    """Where the measurements of one run go."""

    def begin(self) -> None:
        """Makes it ready, before the first training.

        Raises:
            ConfigurationError: if that is not possible.
        """
        ...

    def write(self, measurements: Mapping[str, float], step: int) -> None:
        """Takes down what was measured at an optimiser step of the run."""
        ...

    def flush(self) -> None:
        """Makes sure that nothing is lost, after each training."""
        ...

    def close(self, *, failed: bool) -> None:
        """Ends the log of the run."""
        ...


class LoggerSettings(Protocol):
    """A dataclass that opens a log."""

    def open(self, name: str) -> Log:
        """Makes the log of a run of this name, without touching the disk or the network.

        Raises:
            ConfigurationError: if a package is missing.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class CsvLog:
    """A table with a row an epoch, in `<folder>/<command>/…/version_<n>/metrics.csv`.

    Attributes:
        folder: The parent of all runs' logs.
    """

    folder: Path = FOLDER

    def open(self, name: str) -> Log:
        from lightning_fabric.loggers.csv_logs import CSVLogger

        return _FabricLog(CSVLogger(self.folder, name=name))


@dataclass(frozen=True, kw_only=True)
class TensorBoardLog:
    """Event files for `tensorboard --logdir <folder>`.

    Attributes:
        folder: The parent of all runs' logs.
    """

    folder: Path = FOLDER

    def open(self, name: str) -> Log:
        from lightning_fabric.loggers.tensorboard import TensorBoardLogger

        try:
            return _FabricLog(TensorBoardLogger(self.folder, name=name))
        except ModuleNotFoundError as error:
            raise ConfigurationError("logger=tensorboard needs a package: pip install tensorboard") from error


class _FabricLog:
    """A logger of Lightning Fabric, which begins with the first measurements."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def begin(self) -> None:
        return

    def write(self, measurements: Mapping[str, float], step: int) -> None:
        self._logger.log_metrics(dict(measurements), step=step)

    def flush(self) -> None:
        self._logger.save()

    def close(self, *, failed: bool) -> None:
        self._logger.finalize("failed" if failed else "success")


class LoggingReporter:
    """Writes what each epoch measured to a log; the steps of several trainings follow each other."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._begun = False
        self._before = self._done = 0

    def note(self, text: str) -> None:
        return

    def start(self, task: str, epochs: int, steps: int) -> None:
        if not self._begun:
            self._log.begin()
            self._begun = True
        self._before += self._done
        self._done = 0

    def step(self, done: int) -> None:
        self._done = done

    def epoch(self, measurements: Mapping[str, float]) -> None:
        self._done = max(self._done, int(measurements.get("step", self._done)))
        step = int(measurements.get("step", self._done))
        values = {name: value for name, value in measurements.items() if name != "step"}
        self._log.write(values, self._before + step)

    def finish(self) -> None:
        if self._done:
            self._log.flush()

    def close(self, *, failed: bool) -> None:
        """Ends the log, where a training began it."""
        if self._begun:
            self._log.close(failed=failed)

    def grid(self, grid: Grid) -> None:
        return


@contextmanager
def open_loggers(node: Node, name: str) -> Iterator[Sequence[LoggingReporter]]:
    """Opens the loggers of the `logger` node, and closes them behind the block.

    Args:
        node: Names of the user's choice to a `_target_` and its settings.
        name: The run's name, as in a path.

    Raises:
        ConfigurationError: for an unknown key or a package that is not installed.
    """
    reporters = []
    for key, value in as_node(node, "logger").items():
        cls, settings = target_and_settings(as_node(value, f"logger.{key}"), f"logger.{key}")
        logger: LoggerSettings = build(cls, settings, f"logger.{key}")
        reporters.append(LoggingReporter(logger.open(name)))
    failed = True
    try:
        yield reporters
        failed = False
    finally:
        for reporter in reporters:
            reporter.close(failed=failed)
