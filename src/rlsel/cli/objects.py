"""From nodes of a composed configuration to the objects that a request is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlsel.checks import nearest, refuse
from rlsel.errors import ConfigurationError
from rlsel.structure import (
    Node,
    Plain,
    as_node,
    build,
    convert,
    shown,
)

if TYPE_CHECKING:
    from rlsel.cli.composing import Composed
    from rlsel.evaluation.settings import EvaluationSettings
    from rlsel.models.target import ModelSpec
    from rlsel.runs.settings import RunOptions
    from rlsel.selectors.base import Selector


def train_models(given: Plain, selecting: ModelSpec) -> tuple[ModelSpec, ...]:
    """Builds the models by name, `{name: {setting: value}}` for one with settings of its own.

    Args:
        given: A name, or a list of names.
        selecting: The model that selects; it keeps its settings where it is named too.

    Raises:
        ConfigurationError: for anything else.
    """
    from rlsel.runs.rebuilding import model_spec

    models: list[ModelSpec] = []
    for item in () if given is None else given if isinstance(given, list) else [given]:
        if item == selecting.name:
            models.append(selecting)
            continue
        node = model_node(item, "train_models", "a list of names, as in [small_cnn,resnet18]")
        name = item if isinstance(item, str) else next(iter(item))
        models.append(model_spec(node, f"train_models.{name}"))
    return tuple(models)


def model_node(given: Plain, key: str, allowed: str) -> Node:
    """Returns the settings of a model by its name, or by `{name: {setting: value}}`.

    Args:
        given: What the user wrote.
        key: Where.
        allowed: What stands there, for the message.

    Raises:
        ConfigurationError: for anything else, or an unknown name.
    """
    from rlsel.cli.composing import compose_option

    name, own = next(iter(given.items())) if isinstance(given, Mapping) and len(given) == 1 else (given, None)
    if not isinstance(name, str):
        raise refuse(key, allowed, given)
    return {**compose_option("model", name), **as_node(own or {}, f"{key}.{name}")}


def with_model_to_come(nodes: Node) -> Node:
    """Returns the nodes with the settings of the model that `for_model=` names.

    Raises:
        ConfigurationError: if there is no such model.
    """
    if nodes["for_model"] is None:
        return nodes
    named = model_node(nodes["for_model"], "for_model", "a name, as in swin, or {name: {setting: value}}")
    return {**nodes, "for_model": named}


def chosen_selectors(composed: Composed) -> tuple[Selector, ...]:
    """Builds the selectors of `selectors=`, or the one of `selector=`.

    Raises:
        ConfigurationError: if one of them does not fit.
    """
    from rlsel.runs.rebuilding import one_selector, selector_parts

    parts, names = selector_parts(composed.nodes), composed.nodes["selectors"]
    if names is None:
        return (one_selector(composed.node("selector"), parts),)
    return named_selectors(composed, names, parts)


def named_selectors(composed: Composed, names: object, parts: Mapping[str, Any]) -> tuple[Selector, ...]:
    """Builds selectors by name, with their default settings; a single name stands for a list of one.

    Raises:
        ConfigurationError: for an unknown name, or a setting of `selector` beside it.
    """
    from rlsel.cli.composing import compose_option, group_options
    from rlsel.runs.rebuilding import one_selector

    if isinstance(names, str):
        names = [names]
    if not isinstance(names, Sequence) or not names:
        raise refuse("selectors", "a list of names, as in [random,el2n]", shown(names))
    for name in composed.typed("selector"):
        raise ConfigurationError(f"selectors= takes each selector with its default settings: leave out {name}=")
    options = group_options("selector")
    for name in names:
        if name not in options:
            raise refuse("selectors", f"names of {', '.join(options)}", name, nearest(str(name), options))
    return tuple(one_selector(compose_option("selector", name), parts) for name in names)


def evaluation_settings(composed: Composed) -> EvaluationSettings:
    """Builds what a trained model is measured on; a single name stands for a list of one.

    Raises:
        ConfigurationError: if a name is unknown.
    """
    from rlsel.evaluation.settings import EvaluationSettings

    node = composed.node("evaluation")
    names = node.get("datasets")
    return build(EvaluationSettings, {**node, "datasets": [names] if isinstance(names, str) else names}, "evaluation")


def run_options(composed: Composed) -> RunOptions:
    """Builds where a run goes and on what it is computed.

    Raises:
        ConfigurationError: if a value does not fit.
    """
    from rlsel.runs.settings import RunOptions
    from rlsel.training.devices import DeviceSettings

    nodes = composed.nodes
    return RunOptions(
        run_dir=convert(nodes["run_dir"], Path | None, "run_dir"),
        several=composed.several,
        resume=nodes["resume"],
        jobs=nodes["jobs"],
        device=build(DeviceSettings, composed.node("device"), "device"),
    )
