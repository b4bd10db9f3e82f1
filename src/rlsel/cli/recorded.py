"""The settings that a run recorded, for commands that start from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from rlsel.errors import CoresetError
from rlsel.structure import Node, Plain

if TYPE_CHECKING:
    from rlsel.cli.composing import Composed


def read_recorded(run: Path, key: str) -> Node:
    """Reads the `config.yaml` of a run folder.

    Args:
        run: The run folder.
        key: The setting that names it, for messages.

    Returns:
        The settings, as plain containers laid out like a composed configuration.

    Raises:
        CoresetError: if there is no such run, or its settings cannot be read.
    """
    path = run / "config.yaml"
    if not run.is_dir():
        raise CoresetError(f"{key} must be the folder of a finished run, got {str(run)!r}: there is no such folder")
    if not path.is_file():
        runs = sorted(str(found.parent.relative_to(run)) for found in run.glob("*/*/config.yaml"))
        remedy = f"choose one of the runs in it, for example {runs[0]}" if runs else "it has no config.yaml"
        raise CoresetError(f"{key} must be the folder of a finished run, got {str(run)!r}: {remedy}")
    try:
        nodes = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (OSError, YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise CoresetError(f"cannot read {path}: {type(error).__name__}: make the run again") from error
    if not isinstance(nodes, Mapping):
        raise CoresetError(f"cannot read {path}: it holds no settings: make the run again")
    return {str(name): value for name, value in nodes.items()}


def prefer_given(composed: Composed, key: str, recorded: Plain) -> Plain:
    """Returns what a command uses: the values that the user gave, else those that the run recorded.

    Null stands for "as recorded", but for the default of the class where the user typed it.

    Args:
        composed: The composed configuration.
        key: A top-level key. A level below it that names a `_target_` of its own, or was chosen by name, stands for
            itself, without its nulls.
        recorded: The recorded value; None where there is none.
    """
    given = composed.nodes[key]
    if not isinstance(given, Mapping):
        return recorded if given is None and key not in composed.given else given
    chosen = {name: value for name, value in given.items() if value is not None}
    stands_alone = "_target_" in chosen or (key in composed.given and bool(chosen))
    if stands_alone or not isinstance(recorded, Mapping):
        return chosen
    kept = {name: value for name, value in recorded.items() if f"{key}.{name}" not in composed.given}
    return {**kept, **chosen}
