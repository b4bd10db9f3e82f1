"""Whose code a command runs: the user says so on the command line, and no file says it in the user's place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from hydra.conf import HydraConf
from hydra.core.override_parser.overrides_parser import OverridesParser

from rlsel.checks import refuse
from rlsel.cli.composing import Composed
from rlsel.errors import ConfigurationError
from rlsel.structure import Plain, convert

_NAMES_CODE = frozenset({"_target_", "network"})
"""Settings whose value is an import path; the second is of a run's own network."""


def opened_packages(composed: Composed, hydra: HydraConf) -> Set[str]:
    """Returns the packages whose code the user asked for: those of `targets_from=`, and of what is typed itself.

    Args:
        composed: The composed configuration.
        hydra: What Hydra knows of the job.

    Raises:
        ConfigurationError: if a file gives `targets_from`, or variables for the environment.
    """
    given = composed.nodes.get("targets_from") or ()
    named = convert([given] if isinstance(given, str) else given, tuple[str, ...], "targets_from")
    if named and not composed.typed("targets_from"):
        raise refuse("targets_from", "typed on the command line", ",".join(named), "a file cannot vouch for itself")
    if hydra.job.env_set and not any("hydra.job.env_set" in override for override in hydra.overrides.hydra):
        raise ConfigurationError(
            "hydra.job.env_set must be typed on the command line, got it from a file: it may decide what code runs"
        )
    parser = OverridesParser.create()
    typed = [parser.parse_override(override) for override in hydra.overrides.task]
    paths = {path for one in typed for path in _import_paths(one.key_or_group, one.value())}
    return {*named, *(path.partition(".")[0] for path in paths)}


def _import_paths(key: str, value: Plain) -> Iterator[str]:
    """Yields the import paths in what was typed for a key."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _import_paths(str(name), item)
    elif isinstance(value, list):
        for item in value:
            yield from _import_paths("", item)
    elif key.rpartition(".")[2] in _NAMES_CODE and isinstance(value, str) and value.partition(".")[0].isidentifier():
        yield value
