"""Loggers that are services: against stand-ins that take down their calls, and against the packages where installed."""

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from rlsel.training.reporting import Reporter


def train(reporter: Reporter, *, steps: int = 20) -> None:
    reporter.start("target", 2, steps)
    for epoch in (1, 2):
        reporter.step(steps * epoch // 2)
        reporter.epoch({"epoch": epoch, "step": steps * epoch // 2, "loss": 1 / epoch})
    reporter.finish()


def train_twice(request: Any, reporter: Reporter) -> None:
    train(reporter)
    train(reporter, steps=10)


STEPS = [(10, 1, 1.0), (20, 2, 0.5), (25, 1, 1.0), (30, 2, 0.5)]
"""Step of the run, epoch of its training, loss: the second training begins behind the first."""


class FakeWandb(ModuleType):
    """Takes down what a run was begun with, what it was told and how it ended."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.begun: list[dict[str, Any]] = []
        self.told: list[tuple[dict[str, float], int]] = []
        self.ends: list[int] = []
        self.refuses = ""

    def Settings(self, **settings: Any) -> dict[str, Any]:  # noqa: N802 - as the package calls it
        return settings

    def init(self, **settings: Any) -> SimpleNamespace:
        if self.refuses:
            raise RuntimeError(self.refuses)
        self.begun.append(settings)
        return SimpleNamespace(
            log=lambda values, step: self.told.append((values, step)),
            finish=lambda exit_code: self.ends.append(exit_code),
        )


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> FakeWandb:
    module = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


class FakeMlflow(ModuleType):
    """Takes down the calls of its client."""

    def __init__(self) -> None:
        super().__init__("mlflow")
        self.calls: list[tuple[Any, ...]] = []
        self.experiments: dict[str, str] = {}
        self.metrics: list[tuple[str, float, int]] = []
        self.refuses = ""
        self.entities = ModuleType("mlflow.entities")
        self.entities.Metric = lambda name, value, timestamp, step: (name, value, step)  # type: ignore[attr-defined]

    def MlflowClient(self, tracking_uri: str) -> "FakeMlflow":  # noqa: N802 - as the package calls it
        self.calls.append(("client", tracking_uri))
        return self

    def get_experiment_by_name(self, name: str) -> SimpleNamespace | None:
        if self.refuses:
            raise RuntimeError(self.refuses)
        return SimpleNamespace(experiment_id=self.experiments[name]) if name in self.experiments else None

    def create_experiment(self, name: str, artifact_location: str | None) -> str:
        self.calls.append(("experiment", name, artifact_location))
        self.experiments[name] = "7"
        return "7"

    def create_run(self, experiment: str, run_name: str) -> SimpleNamespace:
        self.calls.append(("run", experiment, run_name))
        return SimpleNamespace(info=SimpleNamespace(run_id="r"))

    def log_batch(self, run: str, metrics: list[tuple[str, float, int]]) -> None:
        self.metrics += metrics

    def set_terminated(self, run: str, status: str) -> None:
        self.calls.append((run, status))


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> FakeMlflow:
    module = FakeMlflow()
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.entities", module.entities)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return module


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_package_that_is_missing_is_named(
    rlsel: Callable[..., Any], select: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # what Python puts there for a package that must not be found
    result = rlsel("select", f"logger=[csv,{name}]")
    assert (result.code, result.err) == (2, f"error: logger={name} needs a package: pip install {name}\n")
    assert select.requests == []


def test_wandb_is_told_each_epoch_of_one_run(
    rlsel: Callable[..., Any], select: Any, wandb: FakeWandb, tmp_path: Path
) -> None:
    select.act = train_twice
    own = (
        "logger.wandb.project=mine",
        "logger.wandb.entity=us",
        "logger.wandb.folder=2024",
        "logger.wandb.offline=true",
    )
    result = rlsel("select", "logger=wandb", *own)
    assert result.code == 0, result.err
    (begun,) = wandb.begun
    assert begun == {
        "project": "mine",
        "name": "select/digits/rl_selector",
        "entity": "us",
        "dir": tmp_path / "2024",
        "mode": "offline",
        "settings": {"silent": True, "console": "off"},
    }
    assert [(step, values["epoch"], values["loss"]) for values, step in wandb.told] == STEPS
    assert all(set(values) == {"epoch", "loss"} for values, _ in wandb.told)
    assert wandb.ends == [0]


def test_wandb_is_online_by_default_and_each_job_of_a_sweep_is_a_run(
    rlsel: Callable[..., Any], select: Any, wandb: FakeWandb
) -> None:
    select.act = train_twice
    assert rlsel("select", "-m", "logger=wandb", "logger.wandb.name=mine", "seed=0,1").code == 0
    assert [(run["name"], run["mode"]) for run in wandb.begun] == [("mine", "online")] * 2
    assert wandb.ends == [0, 0]


def test_nothing_is_begun_where_nothing_is_trained(
    rlsel: Callable[..., Any], select: Any, wandb: FakeWandb, mlflow: FakeMlflow, tmp_path: Path
) -> None:
    assert rlsel("select", "logger=[wandb,mlflow]").code == 0
    assert (wandb.begun, wandb.ends, mlflow.calls) == ([], [], [])
    assert not (tmp_path / "outputs").exists()


def test_a_run_that_failed_says_so(
    rlsel: Callable[..., Any], select: Any, wandb: FakeWandb, mlflow: FakeMlflow
) -> None:
    def fail(request: Any, reporter: Reporter) -> None:
        train(reporter)
        raise OSError("the disk is gone")

    select.act = fail
    assert rlsel("select", "logger=[wandb,mlflow]").code == 1
    assert wandb.ends == [1]
    assert mlflow.calls[-1] == ("r", "FAILED")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("wandb", "logger.wandb.offline=true, or log in with: wandb login"),
        ("mlflow", "look at logger.mlflow.tracking_uri, or leave it out"),
    ],
)
def test_a_service_that_refuses_is_one_line(
    rlsel: Callable[..., Any], select: Any, wandb: FakeWandb, mlflow: FakeMlflow, name: str, remedy: str
) -> None:
    wandb.refuses = mlflow.refuses = "No API key configured.\nLook here."
    select.act = train_twice
    result = rlsel("select", f"logger={name}")
    expected = f"error: logger={name} could not begin a run (No API key configured): {remedy}\n"
    assert (result.code, result.err) == (2, expected)


def test_mlflow_is_told_each_epoch_of_one_run(
    rlsel: Callable[..., Any], select: Any, mlflow: FakeMlflow, tmp_path: Path
) -> None:
    select.act = train_twice
    result = rlsel("select", "logger=mlflow", "logger.mlflow.folder=my logs")
    assert result.code == 0, result.err
    assert mlflow.calls == [
        ("client", f"sqlite:///{tmp_path}/my logs/mlflow.db"),
        ("experiment", "rlsel", f"file://{tmp_path}/my%20logs/mlflow"),
        ("run", "7", "select/digits/rl_selector"),
        ("r", "FINISHED"),
    ]
    losses = [(step, value) for name, value, step in mlflow.metrics if name == "loss"]
    assert losses == [(step, loss) for step, _, loss in STEPS]


@pytest.mark.parametrize("typed", [True, False])
def test_mlflow_goes_to_the_server_that_is_named(
    rlsel: Callable[..., Any], select: Any, mlflow: FakeMlflow, monkeypatch: pytest.MonkeyPatch, typed: bool
) -> None:
    mlflow.experiments["mine"] = "3"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere" if typed else "http://here:5000")
    select.act = train_twice
    named = ["logger.mlflow.tracking_uri=http://here:5000"] if typed else []
    assert rlsel("select", "logger=mlflow", *named, "logger.mlflow.project=mine", "logger.mlflow.name=n").code == 0
    assert mlflow.calls[:2] == [("client", "http://here:5000"), ("run", "3", "n")]


def test_an_unknown_setting_is_refused(rlsel: Callable[..., Any], wandb: FakeWandb) -> None:
    result = rlsel("select", "logger=wandb", "+logger.wandb.projct=1")
    assert (result.code, result.err) == (
        2,
        "error: unknown key 'logger.wandb.projct': did you mean 'project'? logger.wandb has entity, folder, name, "
        "offline, project\n",
    )


@pytest.mark.filterwarnings("default")
def test_the_real_wandb_writes_a_run_that_can_be_sent_later(
    rlsel: Callable[..., Any], select: Any, tmp_path: Path
) -> None:
    pytest.importorskip("wandb")
    select.act = train_twice
    result = rlsel("select", "logger=wandb", "logger.wandb.offline=true", "logger.wandb.folder=logs")
    assert result.code == 0, result.err
    (run,) = (tmp_path / "logs" / "wandb").glob("offline-run-*")
    (sent_later,) = run.glob("*.wandb")
    assert sent_later.stat().st_size > 0


@pytest.mark.filterwarnings("default")
def test_the_real_mlflow_has_the_measurements_in_its_database(
    rlsel: Callable[..., Any], select: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    select.act = train_twice
    result = rlsel("select", "logger=mlflow", "logger.mlflow.folder=logs")
    assert result.code == 0, result.err
    with sqlite3.connect(tmp_path / "logs" / "mlflow.db") as database:
        losses = database.execute("SELECT step, value FROM metrics WHERE key = 'loss' ORDER BY step").fetchall()
        names = database.execute("SELECT name, status FROM runs").fetchall()
    database.close()
    assert losses == [(step, loss) for step, _, loss in STEPS]
    assert names == [("select/digits/rl_selector", "FINISHED")]
