"""Selectors and models of the user's own, from the working folder; those of the README as they stand there."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

README = Path(__file__).parents[2] / "src/rlsel/selectors/README.md"
SMALL = ("dataset.train_size=60", "training.epochs=1")
VOUCHED = "targets_from=[my_networks]"
SELECTOR = """
from dataclasses import dataclass

import numpy as np

from rlsel.export import ExportSettings
from rlsel.selectors.base import Needs


@dataclass(frozen=True)
class Own:
    name = "own"
    export = ExportSettings(mode="topk")
    size: int = 60
    dimensions: int = 1

    def needs(self, task):
        return Needs()

    def score(self, task, observed):
        return np.arange(self.size ** self.dimensions).reshape([self.size] * self.dimensions)
"""


@pytest.fixture
def program(rlsel: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """The program in a folder with a selector of one's own; modules of other tests are forgotten."""
    before = set(sys.modules)
    (tmp_path / "own_selector.py").write_text(SELECTOR)
    (tmp_path / "conf" / "selector").mkdir(parents=True)
    (tmp_path / "conf" / "selector" / "own.yaml").write_text("_target_: own_selector.Own\nsize: 60\ndimensions: 1\n")
    yield rlsel
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def examples() -> tuple[dict[str, str], list[str]]:
    """Returns the files and the command lines of the README's section on own code."""
    section = README.read_text().partition("## Your own selector and model")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```\w*\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    files = {block.partition("\n")[0].removeprefix("# "): block for block in blocks if block.startswith("# ")}
    lines = [line for block in blocks if not block.startswith("# ") for line in block.splitlines()]
    return files, lines


def test_the_examples_of_the_readme_run_as_they_stand(program: Callable[..., Any], tmp_path: Path) -> None:
    files, lines = examples()
    assert set(files) == {"mine.py", "own/selector/mine.yaml", "my_networks.py"}
    assert len(lines) == 2
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for number, line in enumerate(lines):
        name, *arguments = shlex.split(line)
        assert name == "rlsel"
        result = program(*arguments, *SMALL, f"run_dir={number}")
        assert result.code == 0, result.err
        assert len(np.load(tmp_path / str(number) / "indices.npy")) == 30
    recorded = [yaml.safe_load((tmp_path / run / "config.yaml").read_text()) for run in ("0", "1")]
    assert recorded[0]["selector"] == {"_target_": "mine.Mine", "power": 2.0}
    assert recorded[1]["model"]["network"] == "my_networks.Net"
    assert recorded[1]["model"]["settings"] == {"width": 16}


def test_numbers_of_an_own_selector_are_a_ranking(program: Callable[..., Any], tmp_path: Path) -> None:
    own = ("--config-dir", "conf", "selector=own", "targets_from=own_selector", "export.min_per_class=0")
    result = program("select", *own, *SMALL, "ratio=0.25", "run_dir=run")
    assert result.code == 0, result.err
    scores = np.load(tmp_path / "run" / "scores.npy")
    candidates = np.flatnonzero(~np.isnan(scores))
    assert scores[candidates].tolist() == list(range(60))
    assert np.load(tmp_path / "run" / "indices.npy").tolist() == candidates[-15:].tolist()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("size=59", "scores must be one number for each of the 60 samples, got 59"),
        ("dimensions=2", r"scores must be one real number for each sample, \(N,\), got \(60, 60\) int64"),
    ],
)
def test_wrong_numbers_of_an_own_selector_are_one_line(
    program: Callable[..., Any], tmp_path: Path, setting: str, message: str
) -> None:
    own = ("--config-dir", "conf", "selector=own", "targets_from=own_selector")
    result = program("select", *own, *SMALL, f"selector.{setting}", "run_dir=run")
    assert (result.code, result.out) == (2, "")
    assert re.fullmatch(f"error: selector=own: {message}", result.err.splitlines()[-1]), result.err
    assert not (tmp_path / "run").exists()


def test_an_own_network_is_built_again_from_the_record(program: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "my_networks.py").write_text(examples()[0]["my_networks.py"])
    custom = ("model=custom", "model._target_=my_networks.Net")
    result = program("select", *custom, *SMALL, "model.width=3", "ratio=0.5", "run_dir=run")
    assert result.code == 0, result.err
    result = program(
        "finetune-ratio", "run=run", "ratio=0.3", "features=continued", "epochs=1", "run_dir=adapted", VOUCHED
    )
    assert result.code == 0, result.err
    result = program("train-on-subset", "coreset=run", *custom, "training.epochs=1", "run_dir=trained")
    assert result.code == 0, result.err
    assert '"model": "Net"' in (tmp_path / "trained" / "result.json").read_text()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["model._target_=torchvision.models.resnet18"],
            r"does not take images of 8 x 8 pixels and 1 channels \(.+\): use another network",
        ),
        (["model._target_=my_networks.Net", "model.widht=3"], "unknown key 'model.widht': did you mean 'width'"),
        (["model._target_=my_networks.nn"], "must be an nn.Module class, a function that returns one, or a dataclass"),
    ],
)
def test_a_wrong_network_is_one_line(
    program: Callable[..., Any], tmp_path: Path, settings: list[str], message: str
) -> None:
    (tmp_path / "my_networks.py").write_text(examples()[0]["my_networks.py"])
    result = program("select", "model=custom", *settings, *SMALL, "run_dir=run")
    assert result.code == 2
    assert re.search(f"^error: .*{message}", result.err.splitlines()[-1]), result.err
    assert not (tmp_path / "run").exists()
