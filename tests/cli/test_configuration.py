"""The files in `conf/` say what the dataclasses say, and nothing is left out."""

import dataclasses
import importlib
from pathlib import Path
from typing import Any

import pytest
import rlsel.conf
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlsel.cli.loggers import CsvLog, TensorBoardLog
from rlsel.cli.table import COMMANDS, GROUPS, OPTIONAL
from rlsel.cover.settings import CoverSettings
from rlsel.data.variation import Variation
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.export import ExportSettings
from rlsel.training.devices import DeviceSettings
from rlsel.training.settings import TrainingSettings

CONF = Path(rlsel.conf.__path__[0])
PARTS = {"policy", "reward", "cover", "ratio"}
"""Fields of a selector that have a key of their own."""

PLAIN_GROUPS = ("dataset", "policy", "reward", "selector", "logger")
FILES = [path for group in PLAIN_GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
DATASETS = {
    "arrays",
    "cifar10",
    "cifar100",
    "digits",
    "embeddings",
    "fashion_mnist",
    "imagefolder",
    "imagenet",
    "tiny_imagenet",
}


def content(path: Path) -> dict:
    loaded = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(loaded, dict)
    return loaded


def test_no_file_says_whether_hydra_sweeps() -> None:
    files = [content(path) for path in sorted(CONF.rglob("*.yaml"))]
    assert sum("hydra" in file for file in files) >= len(COMMANDS)
    assert {file.get("hydra", {}).get("mode") for file in files} == {None}, "the calls of these tests rely on it"


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value


def defaults(cls: type) -> dict:
    return {
        field.name: plain(field.default)
        for field in dataclasses.fields(cls)
        if field.default_factory is dataclasses.MISSING
    }


def test_there_are_files() -> None:
    assert len(FILES) >= 9 + 3 + 4 + 25 + 2
    assert {path.stem for path in FILES if path.parent.name == "dataset"} == DATASETS


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_option_names_its_class_and_its_defaults(path: Path) -> None:
    values = content(path)
    if path.parent.name == "logger":
        ((name, values),) = values.items()
        assert name == path.stem
    module, _, name = values.pop("_target_").rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    expected = defaults(cls)
    if path.parent.name == "selector":
        expected = {key: value for key, value in expected.items() if key not in PARTS}
    assert values == expected
    assert all(type(values[key]) is type(expected[key]) for key in expected), "1 is neither true nor 1.0"
    assert dataclasses.is_dataclass(cls(**values))
    assert path.parent.name == "logger" or cls.name == path.stem


def test_the_groups_without_a_class_of_their_own() -> None:
    assert content(CONF / "training" / "default.yaml") == defaults(TrainingSettings)
    assert set(content(CONF / "training" / "recorded.yaml")) == set(defaults(TrainingSettings))
    for accelerator in ("auto", "cpu", "cuda"):
        expected = defaults(DeviceSettings) | {"accelerator": accelerator}
        assert content(CONF / "device" / f"{accelerator}.yaml") == expected
    assert defaults(CsvLog) == defaults(TensorBoardLog)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_s_configuration_has_exactly_its_keys(name: str) -> None:
    command = COMMANDS[name]
    with initialize_config_module("rlsel.conf", version_base="1.3"):
        composed = compose(command.config_name)
        shown = compose(command.config_name, return_hydra_config=True).hydra
    keys = set(composed.keys())
    assert command.keys - OPTIONAL <= keys <= command.keys
    assert shown.job.name == name
    assert shown.output_subdir is None
    assert {group for group in GROUPS if group in shown.runtime.choices} == command.keys & GROUPS
    if "export" in keys:
        assert composed.export == defaults(ExportSettings)
    if "evaluation" in keys:
        assert composed.evaluation == defaults(EvaluationSettings)
    if "cover" in keys:
        assert composed.cover == defaults(CoverSettings)
    if "dataset" not in keys:
        return
    variation = {key: composed.dataset[key] for key in defaults(Variation)}
    recorded = dict.fromkeys(defaults(Variation))
    # a comparison measures, so that it holds something out of data without a test split
    changed = {"holdout": 0.2} if composed.get("ratios") else {}
    assert variation == (recorded if composed.dataset.get("_target_") is None else defaults(Variation) | changed)


def test_every_primary_configuration_belongs_to_a_command() -> None:
    shared = {"program", "common", "variation", "recorded_dataset"}
    assert {path.stem for path in CONF.glob("*.yaml")} - shared == {
        command.config_name for command in COMMANDS.values()
    }
