"""What the docstring of a class says, read from its source: importing it may load heavy packages."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.abc import InspectLoader
from importlib.machinery import PathFinder
from pathlib import Path

_ENTRY = re.compile(r"(?P<name>\w+)(?: \([^)]*\))?:(?P<text>.*)")
"""The first line of an attribute, with or without a type."""


@dataclass(frozen=True, kw_only=True)
class Documentation:
    """The docstring of a class, or nothing.

    Attributes:
        summary: Its first paragraph, in one line.
        attributes: The names of its section "Attributes" to their meanings, each in one line.
    """

    summary: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@cache
def read_documentation(path: str) -> Documentation:
    """Reads the docstring of a class without importing its module, nor a package above it.

    Modules in the working folder are found too, as a `_target_` may lie there.

    Args:
        path: The import path of the class, as in `package.module.Class`.

    Returns:
        What it says; nothing where there is no such class in the source of that module, or no docstring.
    """
    module_name, _, class_name = path.rpartition(".")
    try:
        body = ast.parse(_source(module_name)).body
    except (ImportError, SyntaxError, ValueError):
        return Documentation()
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            return parse_docstring(ast.get_docstring(node) or "")
    return Documentation()


def parse_docstring(text: str) -> Documentation:
    """Parses a Google-style docstring whose indentation is removed."""
    paragraph, _, _ = text.partition("\n\n")
    return Documentation(summary=" ".join(paragraph.split()), attributes=_attributes(text.splitlines()))


def _attributes(lines: Sequence[str]) -> Mapping[str, str]:
    if "Attributes:" not in lines:
        return {}
    entries: dict[str, list[str]] = {}
    indent, name = 0, ""
    for line in lines[lines.index("Attributes:") + 1 :]:
        depth = len(line) - len(line.lstrip())
        if not line.strip():
            continue
        if depth == 0:
            break
        indent = indent or depth
        entry = _ENTRY.match(line.strip()) if depth == indent else None
        if entry:
            name = entry["name"]
        entries.setdefault(name, []).append(entry["text"] if entry else line)
    return {name: " ".join(" ".join(text).split()) for name, text in entries.items()}


def _source(module_name: str) -> str:
    """Returns the source of a module.

    Raises:
        ImportError: if it is not found, or has no source that can be read.
        ValueError: if it is a module without a place, such as `__main__`.
    """
    name, *rest = module_name.split(".")
    spec = (importlib.util.find_spec(name) if name else None) or PathFinder.find_spec(name, [str(Path.cwd())])
    for part in rest:
        name = f"{name}.{part}"
        spec = spec and PathFinder.find_spec(name, list(spec.submodule_search_locations or ()))
    if spec is None or not isinstance(spec.loader, InspectLoader):
        raise ImportError(module_name)
    return spec.loader.get_source(name) or ""
