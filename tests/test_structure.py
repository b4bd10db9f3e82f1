import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from rlsel.errors import ConfigurationError
from rlsel.importing import targets_from
from rlsel.structure import build, convert, target_and_settings, unknown_key


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int = 1


@dataclass(frozen=True, kw_only=True)
class Outer:
    count: int
    rate: float = 0.5
    mode: Literal["a", "b"] = "a"
    inner: Inner = field(default_factory=Inner)
    weights: tuple[float, ...] = ()
    made: int = field(init=False, default=7)


def test_values_are_built_and_the_rest_keeps_its_default() -> None:
    built = build(Outer, {"count": 2, "rate": 1, "inner": {"size": 3}, "weights": [1, 0.5]}, "outer")
    assert built == Outer(count=2, rate=1.0, inner=Inner(size=3), weights=(1.0, 0.5))
    assert isinstance(built.rate, float)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"cont": 1}, "unknown key 'outer.cont': did you mean 'count'\\? outer has count, inner, mode, rate, weights"),
        ({"count": 1, "made": 2}, "unknown key 'outer.made'"),
        ({"count": 1, "_target_": "x.Y"}, "unknown key 'outer._target_'"),
        ({}, "outer.count must be given: add outer.count=VALUE"),
        ({"count": 1, "inner": {"sise": 1}}, "unknown key 'outer.inner.sise'"),
        ({"count": 1, "inner": 3}, "outer.inner must be a group of settings"),
        ({"count": 1, "weights": ["x"]}, "outer.weights must be a number, got 'x'"),
        ({"count": 1, "mode": "A"}, "outer.mode must be one of a, b, got 'A'"),
    ],
)
def test_what_does_not_fit_is_refused(node: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(Outer, node, "outer")


@dataclass(frozen=True, kw_only=True)
class Named:
    inners: Mapping[str, Inner]


def test_levels_with_free_names_are_built_each() -> None:
    assert build(Named, {"inners": {"a": {"size": 2}, "b": {}}}, "named") == Named(
        inners={"a": Inner(size=2), "b": Inner()}
    )
    with pytest.raises(ConfigurationError, match=r"named\.inners\.a\.size must be an integer, got 'x'"):
        build(Named, {"inners": {"a": {"size": "x"}}}, "named")
    with pytest.raises(ConfigurationError, match=r"named\.inners must be a group of settings"):
        build(Named, {"inners": 3}, "named")


def test_fields_that_are_no_keys() -> None:
    assert build(Outer, {}, "outer", supplied={"count": 4}, hidden=("rate",)) == Outer(count=4)
    with pytest.raises(ConfigurationError, match=r"unknown key 'outer\.count'"):
        build(Outer, {"count": 5}, "outer", supplied={"count": 4})
    with pytest.raises(ConfigurationError, match=r"unknown key 'outer\.rate'"):
        build(Outer, {"rate": 5}, "outer", supplied={"count": 4}, hidden=("rate",))


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (3, int, 3),
        (3, float, 3.0),
        (3, str, "3"),
        (True, bool, True),
        ("x", str | None, "x"),
        (None, str | None, None),
        (1, int | float, 1),
        (1.5, int | float, 1.5),
        (1, float | int, 1),
        ([1, 2], tuple[int, ...], (1, 2)),
        ([1, "a"], tuple[int, str], (1, "a")),
        ([1], tuple, (1,)),
        ([1], int | tuple[int, ...], (1,)),
        ({"a": 1}, Any, {"a": 1}),
        (2, Literal[1, 2], 2),
    ],
)
def test_a_value_becomes_what_the_annotation_says(value: Any, wanted: Any, expected: Any) -> None:
    converted = convert(value, wanted, "key")
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("value", "wanted", "allowed"),
    [
        (True, int, "an integer"),
        (True, float, "a number"),
        (True, str, "a text"),
        (1, bool, "true or false"),
        (1.0, int, "an integer"),
        ("1", int, "an integer"),
        (None, int, "an integer"),
        ("", Path, "a path"),
        (1.5, Path, "a path"),
        ("x", int | float, "an integer or a number|a number or an integer"),
        ("x", int | None, "an integer"),
        (1, None, "null"),
        (True, Literal[1], "one of 1"),
        ("abc", tuple[str, ...], "a list"),
        (3, tuple[int, ...], "a list"),
        ([1], tuple[int, int], "a list of 2"),
        ([1, "x"], tuple[int, ...], "an integer"),
    ],
)
def test_a_value_of_another_type_is_refused(value: Any, wanted: Any, allowed: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^key must be ({allowed})"):
        convert(value, type(None) if wanted is None else wanted, "key")


def test_a_path_is_absolute_and_follows_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert convert("link/../link/x", Path, "key") == tmp_path / "link" / "x"
    assert convert("~/x", Path, "key") == Path.home() / "x"
    assert convert("007", Path, "key") == tmp_path / "007"


@pytest.mark.parametrize("value", [2024, 7, 1e5, True])
def test_a_number_is_no_path_as_its_zeros_and_underscores_are_lost(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"key must be a path, got {value}: put it in quotes, as in 'key=\"2"):
        convert(value, Path | None, "key")


def test_a_target_is_parted_from_its_settings() -> None:
    cls, settings = target_and_settings({"_target_": "rlsel.cover.settings.CoverSettings", "reduction": "sum"}, "cover")
    assert (cls.__name__, settings) == ("CoverSettings", {"reduction": "sum"})


def test_a_class_whose_annotations_lead_nowhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nowhere.py").write_text(
        "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass A:\n    x: Missing = 1\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    with targets_from(["nowhere"]):
        cls, _ = target_and_settings({"_target_": "nowhere.A"}, "model")
    with pytest.raises(ConfigurationError, match="a class whose annotations can be read, got 'A': name 'Missing'"):
        build(cls, {}, "model")


def test_an_unknown_key_at_the_top() -> None:
    assert str(unknown_key("sed", ["seed", "ratio"])) == "unknown key 'sed': did you mean 'seed'? there are ratio, seed"
    assert str(unknown_key("a.b", [])) == "unknown key 'a.b': a has no settings"
