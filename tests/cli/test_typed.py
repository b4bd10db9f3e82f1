"""A path is the text that was typed, whatever YAML or Hydra would make of it."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rlsel.conf
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from rlsel.cli.loggers import CsvLog, TensorBoardLog
from rlsel.cli.typed import PATH_KEYS, as_typed, given_paths
from rlsel.commands.requests import (
    ApplyRequest,
    ExportRequest,
    FinetuneRequest,
    ReportRequest,
    SelectRequest,
    ShowRequest,
    TrainOnSubsetRequest,
    VerifyRequest,
)
from rlsel.comparing.request import CompareRequest
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.runs.settings import RunOptions

NAMES = [
    "2024_01_05", "007", "1e5", "1_0", ".5", "-1", "inf", "true", "False", "off", "a=b", "with space", "paren(1)",
    "choice(1)", "comma,name", "ünï", "x'y", 'x"y', "My Data (1)", "a:b", "[a]", "{a}", "a\\b", "back\\", "~a", "50%",
]  # fmt: skip
FEW = ["007", "comma,name", "x'y", "back\\", "[a]"]
"""One of each kind: a number, and what a sweep, a quote, an escape or a list could be."""
STORED = [*FEW, "2024_01_05", "true", "1e5", "a:b", "{a}", "ünï", "My Data (1)", "~a"]
"""What a file system and the YAML of a record could take for something else, besides."""
some_names = pytest.mark.parametrize("name", NAMES)
few_names = pytest.mark.parametrize("name", FEW)
stored_names = pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.thorough) for name in STORED]
)


@some_names
def test_hydra_reads_the_text_of_every_path(name: str) -> None:
    for key in (*PATH_KEYS, "logger.csv.folder"):
        [once] = as_typed([f"{key}={name}"], several=False)
        assert read(once) == name
        # whoever sweeps puts a path with a comma, or what looks like a sweep, into quotes
        [one_of_many] = as_typed([f"{key}={in_a_sweep(name)}"], several=True)
        assert read(one_of_many) == name
        # a job is told what Hydra writes, and its processes read that again
        [again] = as_typed([f"{key}={parse(one_of_many).get_value_element_as_str()}"], several=True)
        assert read(again) == name


def parse(override: str) -> Override:
    return OverridesParser.create().parse_override(override)


def read(override: str) -> object:
    """Returns what Hydra sets, which must be one value."""
    parsed = parse(override)
    assert not parsed.is_sweep_override()
    return parsed.value()


def in_a_sweep(name: str) -> str:
    return f"'{name}'" if "," in name or name == "choice(1)" else name


@stored_names
def test_a_run_of_that_name(rlsel: Callable[..., Any], tmp_path: Path, name: str) -> None:
    images = np.random.default_rng(0).integers(0, 255, (30, 8, 8), dtype=np.uint8)
    (tmp_path / "in").mkdir()
    with (tmp_path / "in" / name).open("wb") as file:
        np.savez(file, images=images, labels=np.arange(30) % 3)
    archive, folder = f"dataset.path=in/{name}", f"run_dir=out/{name}"
    result = rlsel("select", "selector=random", "ratio=0.5", "dataset=arrays", archive, folder)
    assert (result.code, result.last_line) == (0, str(tmp_path / "out" / name)), result.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]
    assert len(np.load(tmp_path / "out" / name / "indices.npy")) == 15
    recorded = yaml.safe_load((tmp_path / "out" / name / "config.yaml").read_text())
    assert recorded["dataset"]["path"] == str(tmp_path / "in" / name)


@few_names
def test_the_configuration_of_a_job_shows_it(rlsel: Callable[..., Any], name: str) -> None:
    shown = rlsel("select", f"run_dir=out/{name}", "--cfg", "job")
    assert yaml.safe_load(shown.out)["run_dir"] == f"out/{name}"


@few_names
def test_each_path_of_a_command_arrives(
    rlsel: Callable[..., Any], select: Any, train_on_subset: Any, finetune_ratio: Any, tmp_path: Path, name: str
) -> None:
    files = (f"features={name}", f"dataset.path={name}", f"dataset.labels={name}")
    assert rlsel("select", "dataset=embeddings", *files).code == 0
    source = select.request.settings.dataset
    assert select.request.features == source.path == source.labels == tmp_path / name
    assert rlsel("select", "dataset=imagefolder", f"dataset.root={name}").code == 0
    assert select.requests[-1].settings.dataset.root == tmp_path / name
    (tmp_path / name).write_text("")
    root = f"evaluation.root={name}"
    assert rlsel("train-on-subset", f"coreset={name}", root, "evaluation.datasets=[imagenet_a]").code == 0
    assert train_on_subset.request.coreset == train_on_subset.request.evaluation.root == tmp_path / name
    result = rlsel("finetune-ratio", "ratio=0.5", f"run={name}x")
    assert f"got {str(tmp_path / (name + 'x'))!r}: there is no such folder" in result.err


def test_a_logger_writes_where_it_is_told(rlsel: Callable[..., Any], select: Any, tmp_path: Path) -> None:
    select.act = lambda request, reporter: (reporter.start("a", 1, 1), reporter.epoch({"step": 1, "loss": 1.0}))
    assert rlsel("select", "logger=csv", "logger.csv.folder=2024_01_05").code == 0
    assert len(list((tmp_path / "2024_01_05").rglob("metrics.csv"))) == 1


@pytest.mark.parametrize(
    ("typed", "folders"),
    [
        ("007,1e5", ["007", "1e5"]),
        ("a b,true,x'y", ["a b", "true", "x'y"]),
        ("'comma,name',b", ["comma,name", "b"]),
        ("paren(1),2024_01_05", ["paren(1)", "2024_01_05"]),
        ("choice(a,b)", ["a", "b"]),
        ("'007'", ["007"]),
        ("007", ["007"]),
    ],
)
def test_in_a_sweep_a_comma_parts_paths(
    rlsel: Callable[..., Any], select: Any, tmp_path: Path, typed: str, folders: list[str]
) -> None:
    assert rlsel("select", "-m", f"run_dir={typed}").code == 0
    assert [request.options.run_dir for request in select.requests] == [tmp_path / name for name in folders]


def test_a_comma_parts_paths_too_where_the_mode_says_that_it_is_a_sweep(
    rlsel: Callable[..., Any], select: Any, tmp_path: Path
) -> None:
    assert rlsel("select", "hydra.mode=MULTIRUN", "run_dir=007,'c,d'").code == 0
    assert [request.options.run_dir for request in select.requests] == [tmp_path / "007", tmp_path / "c,d"]


@pytest.mark.thorough
def test_the_processes_of_a_job_in_a_sweep_mean_the_same_path(
    rlsel: Callable[..., Any], select: Any, tmp_path: Path
) -> None:
    lines: list[list[str]] = []
    select.act = lambda request, reporter: lines.append(list(sys.argv))
    assert rlsel("select", "-m", "features=" + ",".join(map(in_a_sweep, FEW))).code == 0
    paths = [tmp_path / name for name in FEW]
    # the rest is held by what Hydra writes and reads again of every name
    for line in lines[1:4]:
        assert rlsel(*line[1:]).code == 0
    assert [request.features for request in select.requests] == paths + paths[1:4]


def test_what_is_no_path_is_left_to_hydra(
    rlsel: Callable[..., Any], select: Any, finetune_ratio: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RESULTS", "/results")
    assert rlsel("select", "features=null", "run_dir=NULL").code == 0
    assert (select.request.features, select.request.options.run_dir) == (None, None)
    assert rlsel("select", "run_dir=${oc.env:RESULTS}/a").code == 0
    assert select.requests[-1].options.run_dir == Path("/results/a")
    assert as_typed(["features=saved", "coreset=full", "ratio=1e-1", "~run_dir"], several=False) == (
        "features=saved",
        "coreset=full",
        "ratio=1e-1",
        "~run_dir",
    )


def test_the_paths_of_a_sweep_are_known_before_hydra_reads_them() -> None:
    overrides = as_typed(["seed=1", "run_dir=a b,'c,d',007"], several=True)
    assert given_paths(overrides, "run_dir") == ("a b", "c,d", "007")
    for open_path in ("null", "${oc.env:HOME}", "choice(a,b)"):
        assert given_paths(as_typed([f"run_dir={open_path}"], several=True), "run_dir") == ()
    assert given_paths(overrides, "run") == ()


def test_a_setting_of_an_own_model_needs_no_plus() -> None:
    typed = ["model=custom", "model._target_=my.Net", "model.width=3", "seed=1"]
    assert as_typed(typed, several=False) == ("model=custom", "++model._target_=my.Net", "++model.width=3", "seed=1")
    assert as_typed(typed[1:], several=False) == tuple(typed[1:])


def test_the_table_names_every_path_of_the_program() -> None:
    sources = []
    for file in sorted(Path(rlsel.conf.__path__[0], "dataset").glob("*.yaml")):
        module, _, name = yaml.safe_load(file.read_text())["_target_"].rpartition(".")
        sources.append(getattr(importlib.import_module(module), name))
    assert len(sources) >= 9
    requests = (
        *(SelectRequest, FinetuneRequest, ApplyRequest, TrainOnSubsetRequest, CompareRequest, RunOptions),
        *(ExportRequest, ShowRequest, ReportRequest, VerifyRequest),
    )
    levels = [("", requests), ("dataset.", sources), ("evaluation.", (EvaluationSettings,))]
    found = {f"{level}{name}" for level, classes in levels for cls in classes for name in path_fields(cls)}
    assert found == PATH_KEYS
    assert {name for cls in (CsvLog, TensorBoardLog) for name in path_fields(cls)} == {"folder"}


def path_fields(cls: Any) -> set[str]:
    hints = typing.get_type_hints(cls)
    names = {field.name for field in dataclasses.fields(cls)}
    return {name for name in names if Path in (hints[name], *typing.get_args(hints[name]))}
