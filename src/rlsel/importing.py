"""Finding a class or function by its import path."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

from rlsel.checks import refuse


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


def _import(module_name: str) -> types.ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        here = str(Path.cwd())
        if here in sys.path or error.name != module_name.partition(".")[0]:
            raise
        sys.path.append(here)
        return importlib.import_module(module_name)
