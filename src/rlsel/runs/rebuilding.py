"""From the nodes of a configuration, composed or recorded, to the objects that a run is made of.

The layout is that of `rlsel.runs.layout`, which goes the other way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from torch import nn

from rlsel.checks import refuse
from rlsel.cover.settings import CoverSettings
from rlsel.data.variation import Variation
from rlsel.errors import ConfigurationError
from rlsel.models.own_network import OwnNetwork
from rlsel.models.target import ModelSpec
from rlsel.runs.layout import SHARED_PARTS
from rlsel.runs.settings import DatasetSource, RunSettings
from rlsel.selectors.base import Selector
from rlsel.structure import (
    Node,
    Plain,
    as_node,
    build,
    named_target,
    setting_names,
    target_and_settings,
    unknown_key,
)
from rlsel.training.settings import TrainingSettings


def run_settings(nodes: Node) -> RunSettings:
    """Builds data, model and training of the nodes `dataset`, `model`, `training` and `seed`.

    Raises:
        ConfigurationError: if one of them does not fit.
    """
    source, variation = dataset_and_variation(as_node(nodes["dataset"], "dataset"))
    model = model_spec(as_node(nodes["model"], "model"), "model")
    training = build(TrainingSettings, as_node(nodes["training"], "training"), "training")
    return RunSettings(
        dataset=source,
        variation=variation,
        model=model,
        training=training,
        for_model=None
        if nodes.get("for_model") is None
        else model_spec(as_node(nodes["for_model"], "for_model"), "for_model"),
        for_steps=nodes.get("for_steps"),
        for_epochs=nodes.get("for_epochs"),
        seed=nodes["seed"],
    )


def dataset_and_variation(node: Node) -> tuple[DatasetSource, Variation]:
    """Parts the one `dataset` node of a user into where it is read from and what is changed in it.

    Raises:
        ConfigurationError: if it names no data set, or a setting that neither has.
    """
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
    wanted = [key for key in SHARED_PARTS if key in setting_names(cls)]
    if "ratio" in node:
        raise ConfigurationError("selector.ratio is no setting of its own: give ratio=")
    selector: Selector = build(cls, node, "selector", supplied={key: parts[key] for key in wanted}, hidden=("ratio",))
    return selector
