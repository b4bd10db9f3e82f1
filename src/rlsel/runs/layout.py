"""The settings of a result as plain data: written to `config.yaml`, hashed, and compared with the defaults.

The layout is that of the composed configuration, so that a recorded run can be taken up by the command line again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rlsel.data.embeddings import Embeddings
from rlsel.data.variation import Variation
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.export import ExportSettings
from rlsel.models.head import Head
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.target import ModelSpec
from rlsel.runs.settings import DatasetSource, RunSettings
from rlsel.selectors.base import Selector

SHARED_PARTS = ("policy", "reward", "cover")
"""Parts of a selector that are groups of their own in the configuration."""

_HASH_DIGITS = 8


def plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """Turns settings into JSON values; a dataclass becomes its fields and, as `_target_`, its class.

    A field with `metadata={"recorded": False}` is left out.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        recorded = [item.name for item in dataclasses.fields(value) if item.metadata.get("recorded", True)]
        fields = {name: plain(getattr(value, name)) for name in recorded}
        return {"_target_": f"{type(value).__module__}.{type(value).__qualname__}", **fields}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value.resolve())
    for kind in (float, str):
        if isinstance(value, kind):
            return kind(value)  # those of NumPy are none to YAML
    return value


def run_settings(settings: RunSettings) -> dict[str, Any]:
    """Returns the nodes `dataset`, `model`, `training`, the `seed`, and what is said of the training to come."""
    to_come = {name: plain(getattr(settings, name)) for name in ("for_model", "for_steps", "for_epochs")}
    return {
        **data_and_model(settings.dataset, settings.variation, settings.model),
        "training": _without_target(plain(settings.training)),
        "seed": settings.seed,
        **({} if settings.purpose is None else to_come),
    }


def data_and_model(dataset: DatasetSource, variation: Variation, model: ModelSpec) -> dict[str, Any]:
    """Returns the nodes `dataset` and `model`."""
    return {"dataset": plain(dataset) | _without_target(plain(variation)), "model": plain(model)}


def training_settings(settings: RunSettings, sha256: str, evaluation: EvaluationSettings) -> dict[str, Any]:
    """Returns all that decides the result of a training.

    What it is measured on stands there only where there is something, in any order: a longer list is another result,
    and none is the result that it has always been.

    Args:
        settings: Data, model, training and seed.
        sha256: The SHA-256 of the `indices.npy` of what is trained on.
        evaluation: What the model is measured on besides the test split.
    """
    dynamic = {} if settings.dynamic is None else {"dynamic": _without_target(plain(settings.dynamic))}
    return {**run_settings(settings), **dynamic, "indices_sha256": sha256, **evaluation_settings(evaluation)}


def evaluation_settings(evaluation: EvaluationSettings) -> dict[str, Any]:
    """Returns the node `evaluation`, where something is measured; the root only where something is read from it."""
    if not evaluation.datasets:
        return {}
    root = plain(evaluation.root) if evaluation.needs_root else None
    return {"evaluation": {"datasets": sorted(evaluation.datasets), "root": root}}


def selection_settings(
    settings: RunSettings,
    *,
    selector: Selector,
    ratio: float,
    export: ExportSettings,
    features: str | None,
) -> dict[str, Any]:
    """Returns all that decides a coreset; of features that the user brought, their digest."""
    method = plain(selector)
    method.pop("ratio", None)
    shared = {name: method.pop(name) for name in SHARED_PARTS if name in method}
    if "cover" in shared:
        shared["cover"] = _without_target(shared["cover"])
    return {
        **run_settings(settings),
        "selector": method,
        **shared,
        "export": _without_target(plain(export)),
        "ratio": ratio,
        "features": features,
    }


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Returns 8 hexadecimal digits that change with any setting."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]


def are_defaults(parts: Iterable[object]) -> bool:
    """Returns whether every field of every part, to any depth, has its default; a field without one has not."""
    return all(_is_default(part) for part in parts)


def selects_by_defaults(settings: RunSettings, selector: Selector, export: ExportSettings) -> bool:
    """Returns whether the folder of a coreset says all: its data set, selector, ratio and seed; the rest is default."""
    parts = [settings.dataset, settings.variation, settings.model, settings.training, selector, export]
    usual = Head if isinstance(settings.dataset, Embeddings) else SmallCNN
    return isinstance(settings.model, usual) and settings.purpose is None and are_defaults(parts)


def _is_default(part: object) -> bool:
    if not dataclasses.is_dataclass(part) or isinstance(part, type):
        return True
    for item in dataclasses.fields(part):
        value = getattr(part, item.name)
        if item.name == "ratio":
            continue  # stands in the folder's name
        if item.default_factory is not dataclasses.MISSING:
            if value != item.default_factory():
                return False
        elif item.default is dataclasses.MISSING or value != item.default:
            return False
    return True


def _without_target(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key != "_target_"}
