"""Finding a class or function by its import path, and which of the paths that a file names are followed."""

from __future__ import annotations

import importlib
import re
import sys
import types
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from rlsel.checks import refuse

KNOWN_PACKAGES = ("rlsel", "timm", "torchvision")
"""Packages whose classes and functions any file may name."""

_PACKAGE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

_opened: ContextVar[tuple[str, ...]] = ContextVar("opened", default=())
"""Further packages that files may name. Who vouches for them stands outside all that reads a file, and the path may
come up anywhere below: in a data set, a model, or a setting of either."""


@contextmanager
def targets_from(packages: Collection[str]) -> Iterator[None]:
    """Lets files name classes and functions of further packages inside the block.

    Args:
        packages: Import paths of packages or modules; what lies below them is meant too.

    Raises:
        ConfigurationError: if one is no import path.
    """
    for package in packages:
        if not isinstance(package, str) or not _PACKAGE.fullmatch(package):
            raise refuse("targets_from", "names of packages, as in [my_package]", package)
    token = _opened.set(tuple(packages))
    try:
        yield
    finally:
        _opened.reset(token)


def check_target(path: str, setting: str) -> None:
    """Refuses an import path that a file may not name; nothing is imported.

    Args:
        path: The import path.
        setting: That names it, for messages.

    Raises:
        ConfigurationError: if it lies in no package that is known or was opened by `targets_from`.
    """
    if not _lies_in(path, (*KNOWN_PACKAGES, *_opened.get())):
        raise refuse(
            setting,
            f"in {', '.join(KNOWN_PACKAGES)} or a package that you vouch for, since it runs as code",
            path,
            f"add targets_from={path.partition('.')[0]} if you trust it",
        )


def import_target(path: str, setting: str) -> object:
    """Returns what an import path names that stands in a file, as far as files may name it.

    Raises:
        ConfigurationError: if they may not, or it cannot be imported.
    """
    check_target(path, setting)
    found = import_named(path, setting)
    home = getattr(found, "__module__", None)
    if not _lies_in(path, _opened.get()) and isinstance(home, str) and not _lies_in(home, KNOWN_PACKAGES):
        # a known module has also what it imported itself, as functools.partial
        check_target(f"{home}.{getattr(found, '__qualname__', path)}", setting)
    return found


def import_named(path: str, setting: str) -> object:
    """Returns what an import path names, as in `package.module.Class`; modules in the working folder are found too.

    Args:
        path: The import path.
        setting: That names it, for messages.

    Raises:
        ConfigurationError: if it cannot be imported, for whatever reason.
    """
    module_name, _, name = path.rpartition(".")
    try:
        found: object = getattr(_import(module_name), name)
    except Exception as error:  # a module of the user can raise anything
        raise refuse(setting, "importable", path, f"{type(error).__name__}: {error}") from error
    return found


def _lies_in(path: str, packages: Collection[str]) -> bool:
    return any(path == package or path.startswith(f"{package}.") for package in packages)


def _import(module_name: str) -> types.ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        here = str(Path.cwd())
        # a folder here with the name of a known package that is not installed is not that package
        may_lie_here = error.name == module_name.partition(".")[0] and error.name not in KNOWN_PACKAGES
        if here in sys.path or not may_lie_here:
            raise
        sys.path.append(here)
        return importlib.import_module(module_name)
