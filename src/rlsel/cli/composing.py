"""The configuration that Hydra composed, as plain containers whose top-level keys are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hydra import compose
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rlsel.checks import nearest, refuse
from rlsel.cli.failures import explain
from rlsel.cli.table import GROUPS, OPTIONAL, Command
from rlsel.errors import ConfigurationError
from rlsel.structure import Node, as_node, unknown_key

DEFAULT_MODEL = "small_cnn"
"""The network of each command that trains one."""

_USUAL_MODELS = {"rlsel.data.embeddings.Embeddings": "head"}
"""The network in its place for a data set of another kind, by its `_target_`, where no model was named."""


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A command's configuration.

    Attributes:
        name: The command, with what was chosen for the data set and the selector or the model, as in a path.
        nodes: Top-level keys to plain values; `logger` may be missing, nothing else.
        given: The keys that the user set on the command line, in order and without `+` and `~`.
        several: Whether this is one job of a sweep.
        model: The option of the group `model` that was taken; None where the command has none.
    """

    name: str
    nodes: Mapping[str, Any]
    given: tuple[str, ...]
    several: bool
    model: str | None = None

    def node(self, key: str) -> Node:
        """Returns the level at a top-level key.

        Raises:
            ConfigurationError: if it is a scalar or a list.
        """
        return as_node(self.nodes[key], key)

    def typed(self, key: str) -> list[str]:
        """Returns what the user typed of a key: itself, or keys below it."""
        return [name for name in self.given if name == key or name.startswith(f"{key}.")]


def read_composed(config: DictConfig, hydra: HydraConf, command: Command) -> Composed:
    """Checks the top-level keys of a composed configuration and turns it into plain containers.

    Raises:
        ConfigurationError: for an unknown, missing or removed key, a group with several choices, or an interpolation
            that leads nowhere.
    """
    for key in config:
        if key not in command.keys:
            raise unknown_key(str(key), command.keys)
    for key in sorted(command.keys - OPTIONAL):
        # a mandatory value counts as absent from `config` itself
        if key not in config.keys():  # noqa: SIM118
            raise ConfigurationError(f"the key {key!r} must not be removed: leave out ~{key}")
    for group in sorted(command.keys & GROUPS):
        if not isinstance(hydra.runtime.choices.get(group, 0), str | None):
            also = f", or selectors=[{group}1,{group}2] for several" if group == "selector" else ""
            raise ConfigurationError(f"{group} must be one name of {_names(group)}: write {group}=NAME{also}")
    try:
        for key in sorted(OmegaConf.missing_keys(config)):
            raise ConfigurationError(f"{key} must be given: add {key}=VALUE")
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigurationError(explain(error, command.keys)) from error
    chosen = [
        hydra.runtime.choices.get(group) for group in ("dataset", "selector" if "selector" in config else "model")
    ]
    nodes = {str(key): value for key, value in as_node(plain, "configuration").items()}
    given = tuple(override.lstrip("+~").partition("=")[0] for override in hydra.overrides.task)
    composed = Composed(
        name="/".join([command.name, *filter(None, chosen)]),
        nodes=nodes,
        given=given,
        several=hydra.mode == RunMode.MULTIRUN,
        model=hydra.runtime.choices.get("model"),
    )
    return with_usual_model(composed, nodes.get("dataset"))


def with_usual_model(composed: Composed, dataset: object) -> Composed:
    """Puts the network that is usual for a data set in the place of the default; only while Hydra runs a job.

    Args:
        composed: The configuration; a model that was named stays.
        dataset: The level of the data set, as it was given or recorded.
    """
    usual = _USUAL_MODELS.get(str(dataset.get("_target_"))) if isinstance(dataset, Mapping) else None
    if usual is None or composed.model != DEFAULT_MODEL or "model" in composed.given:
        return composed
    typed = {key: value for key, value in composed.node("model").items() if f"model.{key}" in composed.given}
    return replace(composed, nodes={**composed.nodes, "model": {**compose_option("model", usual), **typed}})


def group_options(group: str) -> list[str]:
    """Returns the names that a group offers, those of `--config-dir` included; only while Hydra runs a job."""
    loader = GlobalHydra.instance().config_loader()
    return sorted(loader.get_group_options(group, ObjectType.CONFIG))


def compose_option(group: str, name: object) -> Node:
    """Returns the settings of one option of a group, as its file has them; only while Hydra runs a job.

    Raises:
        ConfigurationError: if there is no such option.
    """
    options = group_options(group)
    if name not in options:
        raise refuse(group, f"one of {', '.join(options)}", name, nearest(str(name), options))
    try:
        config = compose(f"{group}/{name}")
        return as_node(OmegaConf.to_container(config[group], resolve=True, throw_on_missing=True), group)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigurationError(explain(error)) from error


def _names(group: str) -> str:
    return ", ".join(group_options(group))
