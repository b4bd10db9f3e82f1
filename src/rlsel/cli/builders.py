"""From a composed configuration to the request of each command; what is heavy is imported when a command runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
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
from rlsel.cli.unused import (
    PARTS,
    note_unused,
    of_evaluation,
    of_export,
    of_finetuning,
    of_one_process,
    of_selectors,
    of_target,
)
from rlsel.errors import ConfigurationError, CoresetError

if TYPE_CHECKING:
    from rlsel.cli.composing import Composed
    from rlsel.commands.requests import DatasetSource, Row, RunOptions, RunSettings
    from rlsel.data.variation import Variation
    from rlsel.evaluation.settings import EvaluationSettings
    from rlsel.export import ExportSettings
    from rlsel.models.target import ModelSpec
    from rlsel.selectors.base import Selector
    from rlsel.training.reporting import Reporter

DEFAULT_DATASET = "digits"
"""Of a command that starts from a coreset without a record of its data set."""


def select(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel select`."""
    from rlsel.budget import parse_ratios
    from rlsel.commands.requests import SelectRequest
    from rlsel.commands.select import select as run
    from rlsel.export import ExportSettings

    nodes = composed.nodes
    request = SelectRequest(
        ratios=parse_ratios(nodes["ratio"]),
        settings=_settings(nodes),
        selectors=_selectors(composed),
        export=build(ExportSettings, composed.node("export"), "export"),
        features=convert(nodes["features"], Path | None, "features"),
        options=_options(composed),
    )
    note_unused(
        composed,
        reporter,
        of_selectors(request.selectors),
        of_target(request.selectors, features=request.features is not None),
        of_export((selector, request.export) for selector in request.selectors),
        of_one_process(composed),
    )
    return run(request, reporter)


def finetune_ratio(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel finetune-ratio`; what is null in its configuration is taken from the run."""
    from rlsel.budget import parse_ratios
    from rlsel.commands.finetune_ratio import finetune_ratio as run
    from rlsel.commands.requests import FinetuneRequest

    for key in ("training.epochs", "training.steps"):
        if composed.typed(key):
            raise ConfigurationError(f"{key} must not be given for finetune-ratio: epochs= says how long it takes")
    ratios = parse_ratios(composed.nodes["ratio"])
    recorded = _recorded(composed, ("dataset", "training", "export", "seed"))
    request = FinetuneRequest(
        run=recorded.run,
        settings=recorded.settings,
        selector=recorded.selector,
        ratios=ratios,
        epochs=composed.nodes["epochs"],
        features=composed.nodes["features"],
        export=recorded.export,
        options=_options(composed),
    )
    note_unused(
        composed,
        reporter,
        of_finetuning(request.features),
        of_export([(request.selector, request.export)]),
        of_one_process(composed),
    )
    return run(request, reporter)


def apply(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel apply`; what is null in its configuration is taken from the run."""
    from rlsel.budget import parse_ratios
    from rlsel.commands.apply import apply as run
    from rlsel.commands.requests import ApplyRequest

    ratios = parse_ratios(composed.nodes["ratio"])
    recorded = _recorded(composed, ("dataset", "export", "seed"))
    request = ApplyRequest(
        run=recorded.run,
        settings=recorded.settings,
        selector=recorded.selector,
        ratios=ratios,
        export=recorded.export,
        options=_options(composed),
    )
    note_unused(composed, reporter, of_export([(request.selector, request.export)]), of_one_process(composed))
    return run(request, reporter)


@dataclass(frozen=True, kw_only=True)
class _Recorded:
    """What a select run recorded, with what the user gave in its place."""

    run: Path
    settings: RunSettings
    selector: Selector
    export: ExportSettings


def _recorded(composed: Composed, keys: Sequence[str]) -> _Recorded:
    """Reads the settings of the run that `run=` names; those of `keys` may be given in their place."""
    from rlsel.cli.recorded import prefer_given, read_recorded
    from rlsel.export import ExportSettings

    folder = convert(composed.nodes["run"], Path, "run")
    recorded = read_recorded(folder, "run")
    nodes = {**recorded, **{key: prefer_given(composed, key, recorded.get(key)) for key in keys}}
    try:
        return _Recorded(
            run=folder,
            settings=_settings(nodes),
            selector=_selector(as_node(nodes["selector"], "selector"), _parts(nodes)),
            export=build(ExportSettings, as_node(nodes["export"], "export"), "export"),
        )
    except KeyError as error:
        raise CoresetError(f"run must be the folder of a select run, got {str(folder)!r}: no {error} in it") from error


def train_on_subset(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel train-on-subset`; the data set is the coreset's where the user gives none."""
    from rlsel.cli.composing import compose_option
    from rlsel.cli.recorded import prefer_given, read_recorded
    from rlsel.commands.requests import TrainOnSubsetRequest
    from rlsel.commands.train_on_subset import train_on_subset as run

    coreset = None if composed.nodes["coreset"] == "full" else convert(composed.nodes["coreset"], Path, "coreset")
    if coreset is not None and not coreset.exists():
        raise CoresetError(
            f"coreset must be a run folder, an indices.npy or full, got {str(coreset)!r}: it does not exist"
        )
    if coreset is not None and coreset.is_dir():
        recorded = read_recorded(coreset, "coreset").get("dataset")
    else:
        recorded = compose_option("dataset", DEFAULT_DATASET)
    nodes = {**composed.nodes, "dataset": prefer_given(composed, "dataset", recorded)}
    request = TrainOnSubsetRequest(
        coreset=coreset, settings=_settings(nodes), evaluation=_evaluation(composed), options=_options(composed)
    )
    note_unused(composed, reporter, of_evaluation(request.evaluation), of_one_process(composed))
    return run(request, reporter)


def compare(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel compare`."""
    from rlsel.budget import parse_ratios
    from rlsel.commands.compare import compare as run
    from rlsel.commands.requests import CompareRequest
    from rlsel.export import ExportSettings

    nodes, seeds = composed.nodes, composed.nodes["seeds"]
    settings = _settings({**nodes, "seed": 0})
    parts = _parts(nodes)
    selectors = _named_selectors(composed, nodes["selectors"], parts)
    request = CompareRequest(
        settings=settings,
        selectors=selectors,
        variants=_variants(composed),
        ratios=parse_ratios(nodes["ratios"], "ratios"),
        seeds=convert(seeds if isinstance(seeds, Sequence) else [seeds], tuple[int, ...], "seeds"),
        budget=nodes["budget"],
        train_models=_train_models(nodes["train_models"], settings.model),
        evaluation=_evaluation(composed),
        policy=parts["policy"],
        reward=parts["reward"],
        cover=parts["cover"],
        export=build(ExportSettings, composed.node("export"), "export"),
        options=_options(composed),
    )
    note_unused(
        composed,
        reporter,
        of_selectors([row.selector for row in request.rows]),
        of_export((row.selector, row.export) for row in request.rows),
        of_evaluation(request.evaluation),
    )
    return run(request, reporter)


def _variants(composed: Composed) -> tuple[Row, ...]:
    """Builds the rows whose settings differ from those of the others."""
    from rlsel.cli.variants import variant_nodes
    from rlsel.commands.requests import Row
    from rlsel.export import ExportSettings

    rows = []
    for name, overrides in as_node(composed.nodes["variants"] or {}, "variants").items():
        if overrides is None:
            continue  # left out, where an experiment has it
        given = as_node(overrides, f"variants.{name}")
        try:
            nodes = variant_nodes(composed.nodes, given)
            row = Row(
                name=str(name),
                selector=_selector(as_node(nodes["selector"], "selector"), _parts(nodes)),
                export=build(ExportSettings, as_node(nodes["export"], "export"), "export"),
                overrides=tuple(f"{key}={value}" for key, value in given.items()),
            )
        except ConfigurationError as error:
            raise ConfigurationError(f"variants.{name}: {error}") from error
        rows.append(row)
    return tuple(rows)


def _train_models(given: Plain, selecting: ModelSpec) -> tuple[ModelSpec, ...]:
    """Builds the models by name, `{name: {setting: value}}` for one with settings of its own.

    The model that selects keeps its settings where it is named too.
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
        models.append(_model({**option, **as_node(own or {}, key)}, key))
    return tuple(models)


def _settings(nodes: Node) -> RunSettings:
    from rlsel.commands.requests import RunSettings
    from rlsel.training.settings import TrainingSettings

    source, variation = _dataset(as_node(nodes["dataset"], "dataset"))
    model = _model(as_node(nodes["model"], "model"), "model")
    training = build(TrainingSettings, as_node(nodes["training"], "training"), "training")
    return RunSettings(dataset=source, variation=variation, model=model, training=training, seed=nodes["seed"])


def _dataset(node: Node) -> tuple[DatasetSource, Variation]:
    """Parts the one `dataset` node of a user into where it is read from and what is changed in it."""
    from rlsel.data.variation import Variation

    cls, node = target_and_settings(node, "dataset")
    of_source, of_variation = setting_names(cls), setting_names(Variation)
    for name in node:
        if name not in of_source | of_variation:
            raise unknown_key(f"dataset.{name}", of_source | of_variation)
    source: DatasetSource = build(cls, {name: node[name] for name in node if name in of_source}, "dataset")
    return source, build(Variation, {name: node[name] for name in node if name in of_variation}, "dataset")


def _model(node: Node, key: str) -> ModelSpec:
    """Builds a dataclass that builds the model, or a record of the user's network and its settings."""
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


def _build_target(node: Node, key: str) -> Plain:
    cls, settings = target_and_settings(node, key)
    return build(cls, settings, key)


def _parts(nodes: Node) -> Mapping[str, Any]:
    """Builds the policy, the reward and the cover settings, each where the configuration has it."""
    from rlsel.cover.settings import CoverSettings

    parts = {key: _build_target(as_node(nodes[key], key), key) for key in ("policy", "reward") if key in nodes}
    if "cover" in nodes:
        parts["cover"] = build(CoverSettings, as_node(nodes["cover"], "cover"), "cover")
    return parts


def _selector(node: Node, parts: Mapping[str, Any]) -> Selector:
    target = node.get("_target_")
    cls, node = target_and_settings(node, "selector")
    if not all(hasattr(cls, part) for part in ("name", "export", "needs", "score")):
        raise refuse("selector._target_", "a dataclass with name, export, needs and score", target)
    wanted = [key for key in PARTS if key in setting_names(cls)]
    if "ratio" in node:
        raise ConfigurationError("selector.ratio is no setting of its own: give ratio=")
    selector: Selector = build(cls, node, "selector", supplied={key: parts[key] for key in wanted}, hidden=("ratio",))
    return selector


def _selectors(composed: Composed) -> tuple[Selector, ...]:
    parts, names = _parts(composed.nodes), composed.nodes["selectors"]
    if names is None:
        return (_selector(composed.node("selector"), parts),)
    return _named_selectors(composed, names, parts)


def _named_selectors(composed: Composed, names: object, parts: Mapping[str, Any]) -> tuple[Selector, ...]:
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
    return tuple(_selector(compose_option("selector", name), parts) for name in names)


def _evaluation(composed: Composed) -> EvaluationSettings:
    """Builds what a trained model is measured on; a single name stands for a list of one."""
    from rlsel.evaluation.settings import EvaluationSettings

    node = composed.node("evaluation")
    names = node.get("datasets")
    return build(EvaluationSettings, {**node, "datasets": [names] if isinstance(names, str) else names}, "evaluation")


def _options(composed: Composed) -> RunOptions:
    from rlsel.commands.requests import RunOptions
    from rlsel.training.devices import DeviceSettings

    nodes = composed.nodes
    return RunOptions(
        run_dir=convert(nodes["run_dir"], Path | None, "run_dir"),
        several=composed.several,
        resume=nodes["resume"],
        jobs=nodes["jobs"],
        device=build(DeviceSettings, composed.node("device"), "device"),
    )
