"""No code from data: what a file names is imported only where the user said so on the command line."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlsel.data.digits import Digits
from rlsel.export import ExportSettings
from rlsel.models.small_cnn import SmallCNN
from rlsel.runs.layout import selection_settings
from rlsel.runs.settings import RunSettings
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.settings import TrainingSettings

MODULE = "leaves_a_trace"
SOURCE = """
import dataclasses
from pathlib import Path

Path("trace").touch()

def net(num_classes): ...

@dataclasses.dataclass
class Data:
    name = "own"
    part: str = "x"
    def load(self): ...
    def open(self, name): ...
    def build(self, image_shape, num_classes): ...
    export = needs = score = None

def called(*given, **settings):
    Path("trace").touch()
"""
REFUSED = (
    "must be in rlsel, timm, torchvision or a package that you vouch for, since it runs as code, "
    f"got '{MODULE}.Data': add targets_from={MODULE} if you trust it\n"
)


@pytest.fixture
def program(rlsel: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """The program in a folder with a module that leaves a trace when it is imported."""
    (tmp_path / f"{MODULE}.py").write_text(SOURCE)
    yield rlsel
    sys.modules.pop(MODULE, None)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """The file that the module leaves."""
    return tmp_path / "trace"


def plant_run(folder: Path, **planted: Any) -> None:
    """Makes a run folder of a colleague, with something planted in its settings."""
    settings = RunSettings(dataset=Digits(), model=SmallCNN(), training=TrainingSettings(epochs=1))
    export = ExportSettings(mode="sample")
    nodes = selection_settings(settings, selector=RLSelector(), ratio=0.5, export=export, features=None)
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"command": "select", **nodes, **planted}))
    (folder / "status.json").write_text('{"state": "complete"}')


def plant_option(folder: Path, group: str, node: dict[str, Any]) -> tuple[str, ...]:
    """Makes a folder of options with a planted one, and returns the arguments that choose it."""
    (folder / "own" / group).mkdir(parents=True)
    (folder / "own" / group / "planted.yaml").write_text(yaml.safe_dump(node))
    return "--config-dir", "own", f"{group}=planted"


TARGET = {"_target_": f"{MODULE}.Data"}
COMMANDS = ("finetune-ratio ratio=0.5 run=run", "apply ratio=0.5 run=run")


@pytest.mark.parametrize("key", ["dataset", "model", "selector", "policy", "reward", "for_model"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_of_a_colleague_names_no_code(
    program: Callable[..., Any], tmp_path: Path, trace: Path, command: str, key: str
) -> None:
    plant_run(tmp_path / "run", **{key: TARGET})
    result = program(*command.split())
    assert (result.code, result.out, result.err) == (2, "", f"error: {key}._target_ {REFUSED}")
    assert not trace.exists()
    program(*command.split(), f"targets_from=[{MODULE}]")
    assert trace.exists(), "what the user names is imported"


@pytest.mark.parametrize("key", ["model", "policy", "dataset"])
def test_a_recorded_network_is_no_way_around(
    program: Callable[..., Any], tmp_path: Path, trace: Path, key: str
) -> None:
    planted = {"_target_": "rlsel.models.own_network.OwnNetwork", "network": f"{MODULE}.net"}
    plant_run(tmp_path / "run", **{key: planted})
    result = program("apply", "ratio=0.5", "run=run")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"got '{MODULE}.net': add targets_from={MODULE}" in result.err
    assert not trace.exists()


def test_the_data_set_of_a_coreset_names_no_code(program: Callable[..., Any], tmp_path: Path, trace: Path) -> None:
    plant_run(tmp_path / "run", dataset=TARGET)
    result = program("train-on-subset", "coreset=run")
    assert (result.code, result.err) == (2, f"error: dataset._target_ {REFUSED}")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("command", "group"),
    [("select", group) for group in ("dataset", "model", "selector", "policy", "reward", "logger")]
    + [("features", "model"), ("compare", "policy"), ("train-on-subset coreset=full", "model")],
)
def test_a_file_of_options_names_no_code(
    program: Callable[..., Any], tmp_path: Path, trace: Path, command: str, group: str
) -> None:
    arguments = plant_option(tmp_path, group, {"planted": TARGET} if group == "logger" else TARGET)
    result = program(*command.split(), *arguments)
    key = "logger.planted" if group == "logger" else group
    assert (result.code, result.err) == (2, f"error: {key}._target_ {REFUSED}")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("command", "key"),
    [
        ("selectors=[planted]", "selector"),
        ("variants={a:{selector:planted}}", "variants.a: selector"),
    ],
)
def test_neither_do_the_selectors_of_a_comparison(
    program: Callable[..., Any], tmp_path: Path, trace: Path, command: str, key: str
) -> None:
    plant_option(tmp_path, "selector", TARGET)
    result = program("compare", "--config-dir", "own", command)
    assert (result.code, result.err) == (2, f"error: {key}._target_ {REFUSED}")
    assert not trace.exists()


@pytest.mark.parametrize(
    "typed",
    [
        f"model._target_={MODULE}.net",
        f"selector._target_={MODULE}.Data",
        f"+logger.own={{_target_:{MODULE}.Data}}",
        f"targets_from=[{MODULE}]",
        f"targets_from={MODULE}",
    ],
)
def test_what_is_typed_opens_its_package(
    program: Callable[..., Any], select: Any, tmp_path: Path, trace: Path, typed: str
) -> None:
    arguments = plant_option(tmp_path, "dataset", TARGET)
    program("select", *arguments, *(["model=custom"] if typed.startswith("model") else []), typed)
    assert trace.exists()


def test_a_sweep_opens_for_each_job_what_is_typed_for_it(
    program: Callable[..., Any], select: Any, tmp_path: Path, trace: Path
) -> None:
    arguments = plant_option(tmp_path, "dataset", {**TARGET, "part": "second"})
    result = program("select", "-m", *arguments, f"targets_from=[],[{MODULE}]")
    assert result.code == 2
    assert result.err.count("error: ") == 1
    assert [request.settings.dataset.part for request in select.requests] == ["second"]


def test_a_file_cannot_vouch_for_itself(program: Callable[..., Any], tmp_path: Path, trace: Path) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    text = f"# @package _global_\ntargets_from: [{MODULE}]\nselector:\n  _target_: {MODULE}.Data\n"
    (tmp_path / "own" / "experiment" / "planted.yaml").write_text(text)
    result = program("select", "--config-dir", "own", "experiment=planted")
    assert (result.code, result.err) == (
        2,
        f"error: targets_from must be typed on the command line, got '{MODULE}': a file cannot vouch for itself\n",
    )
    assert not trace.exists()


@pytest.mark.parametrize("given", ["3", "{a:1}", "[a b]", "../x", "[1]"])
def test_packages_are_names(program: Callable[..., Any], given: str) -> None:
    result = program("select", f"targets_from={given}")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert re.match("error: (targets_from must be|Error merging override targets_from)", result.err)


HYDRA_ITSELF = {
    "callbacks": {"one": {"_target_": f"{MODULE}.called"}},
    "job_logging": {
        "version": 1,
        "root": {"handlers": ["one"]},
        "handlers": {"one": {"class": "logging.FileHandler", "filename": "trace"}},
    },
    "hydra_logging": {
        "version": 1,
        "root": {"handlers": ["one"]},
        "handlers": {"one": {"class": "logging.FileHandler", "filename": "trace"}},
    },
}


@pytest.mark.parametrize("key", HYDRA_ITSELF)
@pytest.mark.parametrize("options", [[], ["-m", "seed=0,1"], ["--help"], ["--cfg", "job"]], ids=" ".join)
def test_hydra_itself_calls_nothing_that_a_file_names(
    program: Callable[..., Any], select: Any, tmp_path: Path, trace: Path, key: str, options: list[str]
) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    text = "# @package _global_\n" + yaml.safe_dump({"hydra": {key: HYDRA_ITSELF[key]}})
    (tmp_path / "own" / "experiment" / "planted.yaml").write_text(text)
    result = program("select", "--config-dir", "own", "experiment=planted", *options)
    assert result.code == 0, result.err
    assert not trace.exists()


def test_a_file_changes_no_environment(program: Callable[..., Any], select: Any, tmp_path: Path) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    text = "# @package _global_\nhydra:\n  job:\n    env_set:\n      PYTHONPATH: elsewhere\n"
    (tmp_path / "own" / "experiment" / "planted.yaml").write_text(text)
    result = program("select", "--config-dir", "own", "experiment=planted")
    assert (result.code, select.requests) == (2, [])
    assert result.err.startswith("error: hydra.job.env_set must be typed on the command line")
    assert program("select", "+hydra.job.env_set.RLSEL_TEST=x").code == 0
