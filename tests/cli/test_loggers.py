import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlsel.cli.loggers import open_loggers
from rlsel.training.reporting import Reporter


def train(reporter: Reporter, *, steps: int = 20) -> None:
    reporter.start("target", 2, steps)
    for epoch in (1, 2):
        reporter.step(steps * epoch // 2)
        reporter.epoch({"epoch": epoch, "step": steps * epoch // 2, "loss": 1 / epoch})
    reporter.finish()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_table_has_a_row_an_epoch_and_goes_on_with_the_next_training(tmp_path: Path) -> None:
    node = {"csv": {"_target_": "rlsel.cli.loggers.CsvLog", "folder": str(tmp_path)}}
    with open_loggers(node, "select/digits") as (reporter,):
        assert not list(tmp_path.iterdir()), "nothing is written before something is trained"
        train(reporter)
        train(reporter, steps=10)
    table = rows(tmp_path / "select" / "digits" / "version_0" / "metrics.csv")
    assert [(row["step"], row["epoch"], row["loss"]) for row in table] == [
        ("10", "1", "1.0"),
        ("20", "2", "0.5"),
        ("25", "1", "1.0"),
        ("30", "2", "0.5"),
    ]


def test_the_command_line_opens_it(rlsel: Callable[..., Any], select: Any, tmp_path: Path) -> None:
    select.act = lambda request, reporter: train(reporter)
    result = rlsel("select", "logger=csv", "logger.csv.folder=logs", "run_dir=a")
    assert result.code == 0, result.err
    assert len(rows(tmp_path / "logs" / "select" / "digits" / "rl_selector" / "version_0" / "metrics.csv")) == 2


def test_a_package_that_is_missing_is_named(rlsel: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_fabric.loggers.tensorboard._TENSORBOARD_AVAILABLE", False)
    monkeypatch.setattr("lightning_fabric.loggers.tensorboard._TENSORBOARDX_AVAILABLE", False)
    result = rlsel("select", "logger=[csv,tensorboard]")
    assert (result.code, result.err) == (2, "error: logger=tensorboard needs a package: pip install tensorboard\n")


def test_an_unknown_setting_of_a_logger_is_refused(rlsel: Callable[..., Any]) -> None:
    result = rlsel("select", "logger=csv", "+logger.csv.nope=1")
    assert result.code == 2
    assert result.err.startswith("error: unknown key 'logger.csv.nope': logger.csv has folder")
