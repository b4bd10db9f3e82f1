"""One line for what Hydra and OmegaConf say in many."""

from __future__ import annotations

import re
from collections.abc import Collection

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from rlsel.checks import nearest, refuse
from rlsel.cli.output import one_line
from rlsel.structure import unknown_key

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, OSError)
"""What composing a configuration raises for a user's mistake; Hydra uses plain `ValueError` for some."""


def explain(error: BaseException, keys: Collection[str] = ()) -> str:
    """Says in one line what was wrong with a configuration, without the word "error".

    Args:
        error: What was raised while it was composed.
        keys: The top-level keys that the configuration may have.
    """
    if isinstance(error, MissingConfigException):
        return _missing_option(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, ConfigAttributeError | ConfigKeyError) and isinstance(cause.parent_node, DictConfig):
        return _unknown(str(error), cause, keys)
    if isinstance(cause, MissingMandatoryValue) and cause.full_key:
        return f"{cause.full_key} must be given: add {cause.full_key}=VALUE"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot write {error.filename}: {error.strerror}: go to another folder, or free space"
    return _shortened(error, cause, keys)


def _missing_option(error: MissingConfigException) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    options = sorted(error.options or ())
    if not group or not options:
        return f"there is no configuration {error.missing_cfg_file!r}: look at the names with --info searchpath"
    remedy = nearest(name, options)
    if not remedy and group in ("hydra/launcher", "hydra/sweeper"):
        kind = group.rpartition("/")[2]
        remedy = f"others come with a Hydra plugin, for example pip install hydra-{name.partition('_')[0]}-{kind}"
    return str(refuse(group, "one of " + ", ".join(options), name, remedy))


def _unreadable(error: OverrideParseException) -> str:
    override = error.override
    if "=" not in override:
        return f"settings must be written key=value, got {override!r}: for example ratio=0.7"
    key = override.partition("=")[0]
    quoted = f"{key}='\"a b\"'"
    return f"cannot read {override!r}: close brackets and quotes, and quote a text with special characters: {quoted}"


def _unknown(message: str, cause: ConfigAttributeError | ConfigKeyError, keys: Collection[str]) -> str:
    found = _NOT_A_GROUP.search(message)
    key = cause.full_key or (found.group(1) if found else str(cause.key))
    siblings = [str(name) for name in cause.parent_node if name != "hydra"]
    return str(unknown_key(key, siblings if "." in key or not keys else keys))


_LIST_WITHOUT_SWEEP = re.compile(r"Ambiguous value for argument '([^=]+)=(.*?)'")
_ALREADY_THERE = re.compile(r"An item is already at '([^']+)'")
_TWICE = re.compile(r"Multiple values for (\S+)\.")
_NOT_A_GROUP = re.compile(r"Could not override '([^']+)'")
_NO_SUCH_KEY = re.compile(r"Could not delete (?:from config\. )?'([^']+)'")


def _shortened(error: BaseException, cause: BaseException | None, keys: Collection[str]) -> str:
    message = str(error) or str(cause or type(error).__name__)
    if found := _LIST_WITHOUT_SWEEP.search(message):
        key, values = found.groups()
        return f"{key}={values} is several jobs: add -m to run them all, or write '{key}=[{values}]' for one list"
    if found := _ALREADY_THERE.search(message):
        return f"{found.group(1)} is a key already: leave out the + before it"
    if found := _TWICE.search(message):
        return f"{found.group(1)} is chosen twice: give it once, as {found.group(1)}=NAME without +"
    if found := _NO_SUCH_KEY.search(message):
        return f"cannot remove {found.group(1)!r}: there is no such key"
    if "Config group override must be a string" in message:
        return "a group such as dataset= takes the name of one of its options: --help lists them"
    if found := _NOT_A_GROUP.search(message):
        return str(unknown_key(found.group(1), keys))
    if isinstance(cause, OmegaConfBaseException) and cause is not error:
        return one_line(f"{message}: {str(cause).splitlines()[0]}")
    return one_line(re.split(r"\n\s*(?:full_key:|Config search path:|See https)", message)[0])
