import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from rlsel.cli.documentation import read_documentation
from rlsel.cli.help import WIDTH, written
from rlsel.cli.table import COMMANDS, GROUPS, OPTIONAL
from rlsel.data.corruption import KINDS

CONF = Path(__file__).parents[2] / "conf"
OPTIONS = [path for path in sorted(CONF.glob("*/*.yaml")) if "_target_: rlsel." in path.read_text()]


def keys_of(text: str) -> list[tuple[str, str, str]]:
    """Returns the keys that a help text explains, in order, each with its value and its meaning in one line."""
    section = text.partition("\nKeys ")[2].partition("\nGroups")[0]
    rows = re.findall(r"^  ([^\s=]+)=(\S*)\s+(\S.*(?:\n {4,}\S.*)*)", section, re.M)
    assert rows
    return [(key, value, " ".join(meaning.split())) for key, value, meaning in rows]


def leaves(node: Mapping[str, Any], level: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{level}{name}.")
        elif name != "_target_":
            yield f"{level}{name}", value


def parsed(key: str, value: str) -> Any:
    """Returns what Hydra makes of a value on the command line."""
    return OverridesParser.create().parse_override(f"{key}={value}").value()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_key_stands_once_with_its_value_and_a_meaning(
    rlsel: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    result = rlsel(name, "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"rlsel {name} ")
    assert result.out.count(f"  rlsel {name} ") >= 3, "two or three examples"
    computes = "device" in COMMANDS[name].keys
    listed = re.search(r"^  dataset: arrays, .*digits", result.out, re.M)
    assert bool(listed) == computes == ("GROUP=NAME" in result.out), "the options of a group are listed"
    lines = result.out.partition("\nExamples")[0].splitlines()
    assert len(lines) > (50 if computes else 8)
    assert max(map(len, lines)) <= WIDTH == 100, "only what is copied may be longer"
    assert not list(tmp_path.iterdir())
    composed = dict(leaves(yaml.safe_load(rlsel(name, "--cfg", "job").out)))
    groups = COMMANDS[name].keys & (GROUPS | OPTIONAL)
    rows = keys_of(result.out)
    leaf_keys = set(composed) - groups
    assert len(leaf_keys) > (15 if computes else 1)
    assert sorted(key for key, _, _ in rows) == sorted(leaf_keys | groups)
    for key, value, meaning in rows:
        assert re.match(r"[`\w.].*[.`]$", meaning), f"{key} has no meaning"
        assert not re.search(r"\bNone\b", meaning), f"{key}: a user writes null"
        if key in leaf_keys:
            assert value == "???" == composed[key] or parsed(key, value) == composed[key]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_setting_of_every_option_has_a_meaning(option: Path) -> None:
    content = yaml.safe_load(option.read_text())
    node = content.get(option.stem, content) if option.parent.name == "logger" else content
    documentation = read_documentation(node["_target_"])
    assert documentation.summary
    assert [name for name in node if name != "_target_" and not documentation.attributes.get(name)] == []


def test_the_options_of_all_groups_are_looked_at() -> None:
    assert {path.parent.name for path in OPTIONS} >= {"dataset", "model", "selector", "policy", "reward", "logger"}


def test_another_choice_has_its_own_settings(rlsel: Callable[..., Any]) -> None:
    rows = {key: (value, meaning) for key, value, meaning in keys_of(rlsel("select", "selector=el2n", "--help").out)}
    assert rows["selector"][0] == "el2n"
    assert {key for key in rows if key.startswith("selector.")} == {"selector.epoch", "selector.num_models"}
    assert rows["selector.num_models"][1].startswith("Models that the score is averaged over.")
    assert rows["selector.epoch"] == (
        "null",
        "After how many epochs the error is measured; null for a tenth of the target training.",
    )


def test_the_settings_of_a_data_set_stand_before_what_can_be_changed_in_any(rlsel: Callable[..., Any]) -> None:
    keys = [key for key, _, _ in keys_of(rlsel("compare", "dataset=imagefolder", "--help").out)]
    assert keys.index("dataset") + 1 == keys.index("dataset.root")
    assert keys.index("dataset.storage") < keys.index("dataset.train_size")


def test_a_given_value_is_shown(rlsel: Callable[..., Any]) -> None:
    text = rlsel("apply", "ratio=[0.3,0.5]", "logger=csv", "logger.csv.folder=logs", "--help").out
    assert text.startswith("rlsel apply run=RUN [KEY=VALUE ...]\n"), "what is given is not asked for"
    rows = {key: value for key, value, _ in keys_of(text)}
    assert (rows["run"], rows["ratio"]) == ("???", "[0.3,0.5]")
    assert (rows["logger"], rows["logger.csv.folder"]) == ("csv", "logs")


def test_a_class_of_the_user_is_explained_by_its_own_docstring(rlsel: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "my_models.py").write_text(
        "raise SystemExit('imported')\n"
        'class Mine:\n    """My net.\n\n    Attributes:\n        layers: Its depth.\n    """\n'
    )
    text = rlsel("select", "model=custom", "model._target_=my_models.Mine", "+model.layers=3", "--help").out
    rows = {key: (value, meaning) for key, value, meaning in keys_of(text)}
    assert rows["model.layers"] == ("3", "Its depth.")
    assert rows["model"][1].endswith("custom: My net.")
    assert "model._target_" not in rows
    assert re.search(r"^  model\._target_=\?\?\? +The import path", rlsel("select", "model=custom", "--help").out, re.M)


def test_an_option_of_a_folder_of_the_user_is_listed(rlsel: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "own" / "selector").mkdir(parents=True)
    (tmp_path / "own" / "selector" / "zz_gentle.yaml").write_text("_target_: rlsel.selectors.margin.Margin\n")
    for arguments in ((), ("selector=zz_gentle",)):
        text = rlsel("select", "--config-dir", "own", *arguments, "--help").out
        assert re.search(r"^  selector: aum, [^:]*, tdds, zz_gentle$", text, re.M)


def test_the_names_of_all_corruptions_are_listed(rlsel: Callable[..., Any]) -> None:
    text = rlsel("train-on-subset", "--help").out
    assert [name for name in KINDS if f"`{name}`" not in text] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_compose(rlsel: Callable[..., Any], name: str) -> None:
    command = COMMANDS[name]
    single = [example for example in (command.example, *command.examples) if " -m " not in example]
    assert len(single) >= 2
    for example in single:
        program, *arguments = shlex.split(example)
        assert (program, rlsel(*arguments, "--help").code) == ("rlsel", 0), example


def test_a_scalar_in_place_of_settings_is_refused(rlsel: Callable[..., Any]) -> None:
    result = rlsel("select", "export=3", "--help")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: export must be a group of settings (export.name=value), got 3\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (False, "false"),
        (0.0005, "0.0005"),
        ("topk", "topk"),
        ([], "[]"),
        ([0.3, None, "a"], "[0.3,null,a]"),
        ({"knn": {"cover.measure": "knn", "selector": True}}, "{knn:{cover.measure:knn,selector:true}}"),
    ],
)
def test_a_value_is_written_as_hydra_reads_it(value: Any, text: str) -> None:
    assert written(value) == text
    assert parsed("key", text) == value
