"""From nodes of a composed configuration to the objects that a request is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlsel.checks import nearest, refuse
from rlsel.cli.building import (
    Node,
    Plain,
    as_node,
    build,
    convert,
    named_target,
    setting_names,
    shown,
    target_and_settings,
    unknown_key,
)
from rlsel.cli.unused import PARTS
from rlsel.errors import ConfigurationError

if TYPE_CHECKING:
    from rlsel.cli.composing import Composed
    from rlsel.data.variation import Variation
    from rlsel.evaluation.settings import EvaluationSettings
    from rlsel.models.target import ModelSpec
    from rlsel.runs.settings import DatasetSource, RunOptions, RunSettings
    from rlsel.selectors.base import Selector


def train_models(given: Plain, selecting: ModelSpec) -> tuple[ModelSpec, ...]:
    """Builds the models by name, `{name: {setting: value}}` for one with settings of its own.

    Args:
        given: A name, or a list of names.
        selecting: The model that selects; it keeps its settings where it is named too.

    Raises:
        ConfigurationError: for anything else.
    """
    from rlsel.cli.composing import compose_option

    models: list[ModelSpec] = []
    for item in () if given is None else given if isinstance(given, list) else [given]:
        name, own = next(iter(item.items())) if isinstance(item, Mapping) and len(item) == 1 else (item, None)
        if name == selecting.name and own is None:
            models.append(selecting)
            continue
        option = compose_option("model", name) if isinstance(name, str) else None
        if option is None:
            raise refuse("train_models", "a list of names, as in [small_cnn,resnet18]", given)
        key = f"train_models.{name}"
        models.append(model_spec({**option, **as_node(own or {}, key)}, key))
    return tuple(models)


def run_settings(nodes: Node) -> RunSettings:
    """Builds data, model and training of the nodes `dataset`, `model`, `training` and `seed`.

    Raises:
        ConfigurationError: if one of them does not fit.
    """
    from rlsel.runs.settings import RunSettings
    from rlsel.training.settings import TrainingSettings

    source, variation = dataset_and_variation(as_node(nodes["dataset"], "dataset"))
    model = model_spec(as_node(nodes["model"], "model"), "model")
    training = build(TrainingSettings, as_node(nodes["training"], "training"), "training")
    return RunSettings(dataset=source, variation=variation, model=model, training=training, seed=nodes["seed"])


def dataset_and_variation(node: Node) -> tuple[DatasetSource, Variation]:
    """Parts the one `dataset` node of a user into where it is read from and what is changed in it.

    Raises:
        ConfigurationError: if it names no data set, or a setting that neither has.
    """
    from rlsel.data.variation import Variation

    cls, node = target_and_settings(node, "dataset")
    of_source, of_variation = setting_names(cls), setting_names(Variation)
    for name in node:
        if name not in of_source | of_variation:
            raise unknown_key(f"dataset.{name}", of_source | of_variation)
    source: DatasetSource = build(cls, {name: node[name] for name in node if name in of_source}, "dataset")
    return source, build(Variation, {name: node[name] for name in node if name in of_variation}, "dataset")


def model_spec(node: Node, key: str) -> ModelSpec:
    """Builds a dataclass that builds the model, or a record of the user's network and its settings.

    Raises:
        ConfigurationError: if it names neither, or the settings do not fit.
    """
    from torch import nn

    from rlsel.models.own_network import OwnNetwork
    from rlsel.models.target import ModelSpec

    found, settings = named_target(node, key)
    if not (isinstance(found, type) and is_dataclass(found)) or issubclass(found, nn.Module):
        return OwnNetwork(network=node["_target_"], settings=settings)
    spec = build(found, settings, key)
    if not isinstance(spec, ModelSpec):
        raise refuse(f"{key}._target_", "a dataclass with name and build(image_shape, num_classes)", node["_target_"])
    return spec


def build_target(node: Node, key: str) -> Plain:
    """Builds the dataclass that a node names.

    Raises:
        ConfigurationError: if there is none, or its settings do not fit.
    """
    cls, settings = target_and_settings(node, key)
    return build(cls, settings, key)


def selector_parts(nodes: Node) -> Mapping[str, Any]:
    """Builds the policy, the reward and the cover settings, each where the configuration has it.

    Raises:
        ConfigurationError: if one of them does not fit.
    """
    from rlsel.cover.settings import CoverSettings

    parts = {key: build_target(as_node(nodes[key], key), key) for key in ("policy", "reward") if key in nodes}
    if "cover" in nodes:
        parts["cover"] = build(CoverSettings, as_node(nodes["cover"], "cover"), "cover")
    return parts


def one_selector(node: Node, parts: Mapping[str, Any]) -> Selector:
    """Builds a selector, which takes those parts that it has fields for.

    Raises:
        ConfigurationError: if the node names none, or its settings do not fit.
    """
    target = node.get("_target_")
    cls, node = target_and_settings(node, "selector")
    if not all(hasattr(cls, part) for part in ("name", "export", "needs", "score")):
        raise refuse("selector._target_", "a dataclass with name, export, needs and score", target)
    wanted = [key for key in PARTS if key in setting_names(cls)]
    if "ratio" in node:
        raise ConfigurationError("selector.ratio is no setting of its own: give ratio=")
    selector: Selector = build(cls, node, "selector", supplied={key: parts[key] for key in wanted}, hidden=("ratio",))
    return selector


def chosen_selectors(composed: Composed) -> tuple[Selector, ...]:
    """Builds the selectors of `selectors=`, or the one of `selector=`.

    Raises:
        ConfigurationError: if one of them does not fit.
    """
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
