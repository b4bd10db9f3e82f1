"""From plain nodes of settings to dataclasses: strict, so that a misspelt key or a wrong type never passes."""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from rlsel.checks import countable, nearest, refuse
from rlsel.errors import ConfigurationError
from rlsel.importing import import_target

Node = Mapping[str, Any]
"""A level of a configuration: names to scalars, lists and further levels."""

Plain = Any
"""A scalar, a list or a level of a configuration."""

Annotation = Any
"""The type of a dataclass field: a class, or one of typing's forms."""

Built = TypeVar("Built")


def as_node(value: object, key: str) -> Node:
    """Returns `value` if it is a level of a configuration.

    Raises:
        ConfigurationError: if it is a scalar or a list.
    """
    if not isinstance(value, Mapping):
        raise refuse(key, f"a group of settings ({key}.name=value)", value)
    return value


def unknown_key(key: str, allowed: Collection[str]) -> ConfigurationError:
    """Builds the error for a key that does not exist.

    Args:
        key: The full dotted key, as given.
        allowed: The names that exist at its level.

    Returns:
        The error, for the caller to raise.
    """
    level, _, name = key.rpartition(".")
    hint = nearest(name, allowed)
    where = f"{level} has" if level else "there are"
    known = ", ".join(sorted(set(allowed) - {"_target_"})) or "no settings"
    return ConfigurationError(f"unknown key {key!r}: {hint + ' ' if hint else ''}{where} {known}")


def setting_names(cls: type[Any]) -> frozenset[str]:
    """Returns the names of the fields that the constructor of a dataclass takes."""
    return frozenset(field.name for field in fields(cls) if field.init)


def required_settings(cls: type[Any]) -> frozenset[str]:
    """Returns the names of those fields that have no default."""
    return frozenset(
        field.name
        for field in fields(cls)
        if field.init and field.default is MISSING and field.default_factory is MISSING
    )


def build(
    cls: type[Built], node: Node, key: str, *, supplied: Node | None = None, hidden: Collection[str] = ()
) -> Built:
    """Builds a dataclass instance from the values of a node; what the node lacks keeps the default.

    Args:
        cls: The dataclass.
        node: Its settings.
        key: The node's dotted key, for messages.
        supplied: Fields that are built already and are no keys of the node.
        hidden: Further fields that are no keys of the node and keep their defaults.

    Raises:
        ConfigurationError: for an unknown key, a value of the wrong type, a value that is missing or that the class
            refuses, and where a field with `metadata={"names_code": True}` names what no file may name.
    """
    supplied = supplied or {}
    allowed = setting_names(cls) - set(supplied) - set(hidden)
    types_of = _field_types(cls, key)
    values = dict(supplied)
    for name, value in node.items():
        if name not in allowed:
            raise unknown_key(f"{key}.{name}", allowed)
        values[name] = convert(value, types_of[name], f"{key}.{name}")
    for field in fields(cls):  # type: ignore[arg-type]
        if field.metadata.get("names_code") and field.name in node:
            import_target(values[field.name], f"{key}.{field.name}")
    required = required_settings(cls)
    for field in fields(cls):  # type: ignore[arg-type]
        if field.name in required and field.name not in values:
            raise ConfigurationError(f"{key}.{field.name} must be given: add {key}.{field.name}=VALUE")
    return cls(**values)


def named_target(node: Node, key: str) -> tuple[object, Node]:
    """Parts a node into what it names as its `_target_`, and the other settings.

    Modules in the working folder are found too, of packages that `rlsel.importing.targets_from` opened.

    Raises:
        ConfigurationError: if there is no `_target_`, or one that no file may name, or it cannot be imported.
    """
    target = node.get("_target_")
    if not isinstance(target, str) or "." not in target:
        raise refuse(f"{key}._target_", "an import path, as in package.module.Class", target)
    return import_target(target, f"{key}._target_"), {name: value for name, value in node.items() if name != "_target_"}


def target_and_settings(node: Node, key: str) -> tuple[type[Any], Node]:
    """Parts a node into the dataclass that it names as its `_target_`, and the settings of that class.

    Raises:
        ConfigurationError: if there is no `_target_`, or it is not an importable dataclass.
    """
    found, settings = named_target(node, key)
    if not (isinstance(found, type) and is_dataclass(found)):
        raise refuse(f"{key}._target_", "a dataclass", node["_target_"], "write @dataclass over the class")
    return found, settings


def _field_types(cls: type[Any], key: str) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(cls)
    except NameError as error:
        raise refuse(
            f"{key}._target_", "a class whose annotations can be read", cls.__qualname__, str(error)
        ) from error


_SCALARS: Mapping[type, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a text",
    Path: "a path",
}


def convert(value: Plain, wanted: Annotation, key: str) -> Plain:
    """Turns a plain value into the annotated type; an integer serves as a float, a list as a tuple.

    The items of a level whose names are free are converted each.

    Args:
        value: A value of the configuration.
        wanted: The annotation of the field.
        key: The full dotted key, for messages.

    Raises:
        ConfigurationError: if the value does not fit.
    """
    origin: object = get_origin(wanted)
    if origin in (Union, types.UnionType):
        return _convert_union(value, get_args(wanted), key)
    if origin is Literal:
        return _convert_literal(value, get_args(wanted), key)
    if origin is tuple or wanted is tuple:
        return _convert_tuple(value, get_args(wanted), key)
    if origin is Mapping:
        _, item_type = get_args(wanted)
        return {name: convert(item, item_type, f"{key}.{name}") for name, item in as_node(value, key).items()}
    if wanted in _SCALARS:
        return _convert_scalar(value, wanted, key)
    if wanted is type(None) and value is not None:
        raise refuse(key, "null", value)
    if isinstance(wanted, type) and is_dataclass(wanted):
        return build(wanted, as_node(value, key), key)
    return value


def _convert_scalar(value: Plain, wanted: type, key: str) -> Plain:
    if wanted is Path and isinstance(value, str) and value != "":
        # absolute, so that a command that starts from the run finds it from anywhere
        return absolute_path(value)
    if wanted is Path and isinstance(value, int | float):
        # a file of settings wrote 007 or 2024_01_05, and what the zeros and underscores were is lost
        raise refuse(key, _SCALARS[wanted], value, f"put it in quotes, as in '{key}=\"2024\"'")
    if wanted is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise refuse(key, _SCALARS[wanted], shown(value))
    return countable(key, value) if isinstance(value, int) and wanted is int else value


def _convert_union(value: Plain, arms: tuple[Annotation, ...], key: str) -> Plain:
    if value is None and type(None) in arms:
        return None
    arms = tuple(arm for arm in arms if arm is not type(None))
    # an exact match goes first, so that 1 stays an integer in `int | float`
    for arm in sorted(arms, key=lambda arm: type(value) is not arm):
        try:
            return convert(value, arm, key)
        except ConfigurationError:
            if len(arms) == 1:
                raise
    raise refuse(key, " or ".join(_SCALARS.get(arm, "a list") for arm in arms), shown(value))


def _convert_literal(value: Plain, allowed: tuple[Plain, ...], key: str) -> Plain:
    for choice in allowed:
        if value == choice and type(value) is type(choice):
            return value
    remedy = nearest(str(value), [str(choice) for choice in allowed])
    raise refuse(key, "one of " + ", ".join(map(str, allowed)), shown(value), remedy)


def _convert_tuple(value: Plain, items: tuple[Annotation, ...], key: str) -> tuple[Plain, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise refuse(key, "a list, as in [a,b]", shown(value))
    if not items or items[-1] is Ellipsis:
        return tuple(convert(item, items[0] if items else Any, key) for item in value)
    if len(items) != len(value):
        raise refuse(key, f"a list of {len(items)}", list(value))
    return tuple(convert(item, wanted, key) for item, wanted in zip(value, items, strict=True))


def absolute_path(text: str) -> Path:
    """Returns the absolute path that a user means, without resolving links: it is printed as it was given."""
    return Path(os.path.abspath(os.path.expanduser(text)))  # noqa: PTH100, PTH111 - `~name` of nobody stays as it is


def shown(value: object) -> object:
    """Returns how a value reads in a message: null as the user writes it."""
    return "null" if value is None else value
