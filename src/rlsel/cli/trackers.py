"""Loggers that are services of their own, `logger=wandb` and `logger=mlflow`; imported where they are used."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rlsel.cli.loggers import FOLDER, Log
from rlsel.errors import ConfigurationError

if TYPE_CHECKING:
    import mlflow
    import wandb


@dataclass(frozen=True, kw_only=True)
class WandbLog:
    """A run of Weights & Biases (`pip install rlsel[wandb]`).

    Attributes:
        project: The project that the run belongs to.
        name: What the run is called; None for the command and what it is about.
        entity: The user or team; None for the account's own.
        folder: Where `wandb/` is made, which has what is not sent yet.
        offline: Whether nothing is sent; `wandb sync <folder>/wandb/offline-run-…` sends it later.
    """

    project: str = "rlsel"
    name: str | None = None
    entity: str | None = None
    folder: Path = FOLDER
    offline: bool = False

    def open(self, name: str) -> Log:
        try:
            import wandb  # noqa: F401 - whether it is there is told before anything is computed
        except ModuleNotFoundError as error:
            raise ConfigurationError("logger=wandb needs a package: pip install wandb") from error
        return _WandbRun(self, self.name or name)


class _WandbRun:
    def __init__(self, settings: WandbLog, name: str) -> None:
        self._settings, self._name = settings, name
        self._run: wandb.Run | None = None

    def begin(self) -> None:
        import wandb

        settings = self._settings
        settings.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._run = wandb.init(
                project=settings.project,
                name=self._name,
                entity=settings.entity,
                dir=settings.folder,
                mode="offline" if settings.offline else "online",
                # the screen is the reporter's, and what is printed there is no part of the log
                settings=wandb.Settings(silent=True, console="off"),
            )
        except Exception as error:  # no account, no network, no such project
            raise _not_begun("wandb", error, "logger.wandb.offline=true, or log in with: wandb login") from error

    def write(self, measurements: Mapping[str, float], step: int) -> None:
        if self._run is not None:
            self._run.log(dict(measurements), step=step)

    def flush(self) -> None:
        return

    def close(self, *, failed: bool) -> None:
        if self._run is not None:
            self._run.finish(exit_code=int(failed))


@dataclass(frozen=True, kw_only=True)
class MlflowLog:
    """A run of MLflow (`pip install rlsel[mlflow]`), for `mlflow ui`.

    Attributes:
        project: The experiment that the run belongs to.
        name: What the run is called; None for the command and what it is about.
        tracking_uri: The server or database; None for that of the variable MLFLOW_TRACKING_URI, and where it is not
            set, for the file `mlflow.db` in the folder, which needs no server.
        folder: Where the database and the files of runs lie without a server.
    """

    project: str = "rlsel"
    name: str | None = None
    tracking_uri: str | None = None
    folder: Path = FOLDER

    def open(self, name: str) -> Log:
        try:
            import mlflow  # noqa: F401 - whether it is there is told before anything is computed
        except ModuleNotFoundError as error:
            raise ConfigurationError("logger=mlflow needs a package: pip install mlflow") from error
        return _MlflowRun(self, self.name or name)


class _MlflowRun:
    def __init__(self, settings: MlflowLog, name: str) -> None:
        self._settings, self._name = settings, name
        self._client: mlflow.MlflowClient | None = None
        self._id = ""

    def begin(self) -> None:
        from mlflow import MlflowClient

        try:
            uri, files = self._place()
            client = MlflowClient(tracking_uri=uri)
            found = client.get_experiment_by_name(self._settings.project)
            experiment = (
                client.create_experiment(self._settings.project, artifact_location=files)
                if found is None
                else found.experiment_id
            )
            self._id = client.create_run(experiment, run_name=self._name).info.run_id
        except Exception as error:  # no server, no right to write, a database of another version
            raise _not_begun("mlflow", error, "look at logger.mlflow.tracking_uri, or leave it out") from error
        self._client = client

    def _place(self) -> tuple[str, str | None]:
        """Returns the tracking URI, and where the files of runs lie; None for where the server puts them."""
        uri = self._settings.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        if uri:
            return uri, None
        folder = self._settings.folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{folder / 'mlflow.db'}", (folder / "mlflow").as_uri()

    def write(self, measurements: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        if self._client is not None:
            now = int(1000 * time.time())
            metrics = [Metric(name, float(value), now, step) for name, value in measurements.items()]
            self._client.log_batch(self._id, metrics=metrics)

    def flush(self) -> None:
        return

    def close(self, *, failed: bool) -> None:
        if self._client is not None:
            self._client.set_terminated(self._id, status="FAILED" if failed else "FINISHED")


def _not_begun(name: str, error: Exception, remedy: str) -> ConfigurationError:
    reason = (str(error).partition("\n")[0] or type(error).__name__).rstrip(". ")
    return ConfigurationError(f"logger={name} could not begin a run ({reason}): {remedy}")
