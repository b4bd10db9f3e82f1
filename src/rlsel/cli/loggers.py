"""Extra loggers, chosen with `logger=csv`, `logger=tensorboard` or `logger=[csv,tensorboard]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rlsel.errors import ConfigurationError
from rlsel.structure import Node, as_node, build, target_and_settings
from rlsel.training.reporting import Grid

if TYPE_CHECKING:
    from lightning_fabric.loggers.logger import Logger


class LoggerSettings(Protocol):
    """A dataclass that opens a logger of Lightning Fabric."""

    def open(self, name: str) -> Logger:
        """Makes the logger for a run of this name, without touching the disk.

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

    folder: Path = Path("outputs/logs")

    def open(self, name: str) -> Logger:
        from lightning_fabric.loggers.csv_logs import CSVLogger

        return CSVLogger(self.folder, name=name)


@dataclass(frozen=True, kw_only=True)
class TensorBoardLog:
    """Event files for `tensorboard --logdir <folder>`.

    Attributes:
        folder: The parent of all runs' logs.
    """

    folder: Path = Path("outputs/logs")

    def open(self, name: str) -> Logger:
        from lightning_fabric.loggers.tensorboard import TensorBoardLogger

        try:
            return TensorBoardLogger(self.folder, name=name)
        except ModuleNotFoundError as error:
            raise ConfigurationError("logger=tensorboard needs a package: pip install tensorboard") from error


class LoggingReporter:
    """Writes what each epoch measured to a logger; the steps of several trainings follow each other."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._before = self._done = 0

    def note(self, text: str) -> None:
        return

    def start(self, task: str, epochs: int, steps: int) -> None:
        self._before += self._done
        self._done = 0

    def step(self, done: int) -> None:
        self._done = done

    def epoch(self, measurements: Mapping[str, float]) -> None:
        self._done = max(self._done, int(measurements.get("step", self._done)))
        step = int(measurements.get("step", self._done))
        values = {name: value for name, value in measurements.items() if name != "step"}
        self._logger.log_metrics(values, step=self._before + step)

    def finish(self) -> None:
        if self._done:
            self._logger.save()

    def grid(self, grid: Grid) -> None:
        return


def open_loggers(node: Node, name: str) -> list[LoggingReporter]:
    """Opens the loggers of the `logger` node.

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
    return reporters
