"""From a composed configuration to the request of each command; what is heavy is imported when a command runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rlsel.checks import refuse
from rlsel.cli.objects import (
    chosen_selectors,
    evaluation_settings,
    named_selectors,
    run_options,
    train_models,
    with_model_to_come,
)
from rlsel.cli.unused import (
    noting_unused,
    of_evaluation,
    of_export,
    of_finetuning,
    of_format,
    of_images,
    of_one_process,
    of_page,
    of_selectors,
    of_target,
    of_verification,
)
from rlsel.errors import ConfigurationError, CoresetError
from rlsel.structure import as_node, build, convert

if TYPE_CHECKING:
    from rlsel.cli.composing import Composed
    from rlsel.comparing.request import Row
    from rlsel.dynamic.settings import DynamicSettings
    from rlsel.export import ExportSettings
    from rlsel.runs.settings import RunSettings
    from rlsel.selectors.base import Selector
    from rlsel.training.reporting import Reporter

DEFAULT_DATASET = "digits"
"""Of a command that starts from a coreset without a record of its data set."""


def select(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel select`."""
    from rlsel.budget import AUTO, parse_ratios
    from rlsel.commands.requests import SelectRequest
    from rlsel.commands.select import select as run
    from rlsel.export import ExportSettings
    from rlsel.predicting import TOLERANCE
    from rlsel.runs.rebuilding import run_settings

    nodes = composed.nodes
    auto = nodes["ratio"] == AUTO
    tolerance = TOLERANCE if auto and nodes["tolerance"] is None else nodes["tolerance"]
    request = SelectRequest(
        ratios=() if auto else parse_ratios(nodes["ratio"]),
        tolerance=convert(tolerance, float | None, "tolerance"),
        settings=run_settings(with_model_to_come(nodes)),
        selectors=chosen_selectors(composed),
        export=build(ExportSettings, composed.node("export"), "export"),
        features=convert(nodes["features"], Path | None, "features"),
        report=convert(nodes["report"], bool, "report"),
        options=run_options(composed),
    )
    with noting_unused(
        composed,
        reporter,
        of_selectors(request.selectors),
        of_target(request.selectors, features=request.features is not None),
        of_export((selector, request.export) for selector in request.selectors),
        of_one_process(composed),
    ) as reporter:
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
        options=run_options(composed),
    )
    with noting_unused(
        composed,
        reporter,
        of_finetuning(request.features),
        of_export([(request.selector, request.export)]),
        of_one_process(composed),
    ) as reporter:
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
        options=run_options(composed),
    )
    with noting_unused(
        composed, reporter, of_export([(request.selector, request.export)]), of_one_process(composed)
    ) as reporter:
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
    from rlsel.cli.recorded import prefer_given
    from rlsel.export import ExportSettings
    from rlsel.runs.reader import read_run
    from rlsel.runs.rebuilding import one_selector, run_settings, selector_parts

    folder = convert(composed.nodes["run"], Path, "run")
    recorded = read_run(folder).settings
    nodes = {**recorded, **{key: prefer_given(composed, key, recorded.get(key)) for key in keys}}
    try:
        return _Recorded(
            run=folder,
            settings=run_settings(nodes),
            selector=one_selector(as_node(nodes["selector"], "selector"), selector_parts(nodes)),
            export=build(ExportSettings, as_node(nodes["export"], "export"), "export"),
        )
    except KeyError as error:
        raise CoresetError(f"run must be the folder of a select run, got {str(folder)!r}: no {error} in it") from error


def train_on_subset(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel train-on-subset`; the data set is the coreset's where the user gives none."""
    from rlsel.cli.composing import compose_option, with_usual_model
    from rlsel.cli.recorded import prefer_given
    from rlsel.commands.requests import TrainOnSubsetRequest
    from rlsel.commands.train_on_subset import train_on_subset as run
    from rlsel.dynamic.rules import RULES
    from rlsel.runs.reader import read_run
    from rlsel.runs.rebuilding import run_settings

    given = composed.nodes["coreset"]
    dynamic = _dynamic(given, composed.nodes["ratio"])
    coreset = None if given == "full" or dynamic is not None else convert(given, Path, "coreset")
    if coreset is not None and not coreset.exists():
        raise CoresetError(
            f"coreset must be a run folder, an indices.npy, full, {', '.join(sorted(RULES))}, got {str(coreset)!r}: it "
            "does not exist"
        )
    if coreset is not None and coreset.is_dir():
        recorded = read_run(coreset, "coreset").settings.get("dataset")
    else:
        recorded = compose_option("dataset", DEFAULT_DATASET)
    dataset = prefer_given(composed, "dataset", recorded)
    nodes = {**with_usual_model(composed, dataset).nodes, "dataset": dataset}
    request = TrainOnSubsetRequest(
        coreset=coreset,
        settings=replace(run_settings(nodes), dynamic=dynamic),
        evaluation=evaluation_settings(composed),
        options=run_options(composed),
    )
    with noting_unused(composed, reporter, of_evaluation(request.evaluation), of_one_process(composed)) as reporter:
        return run(request, reporter)


def _dynamic(coreset: object, ratio: object) -> DynamicSettings | None:
    """Returns how each pass of a training is chosen, where the coreset is the name of a rule for that."""
    from rlsel.budget import parse_ratios
    from rlsel.dynamic.rules import RULES
    from rlsel.dynamic.settings import DynamicSettings

    if coreset in RULES:
        shares = parse_ratios(0.5 if ratio is None else ratio)
        if len(shares) > 1:
            raise refuse(
                "ratio", f"one number for coreset={coreset}", ratio, "-m tries several, as in -m ratio=0.3,0.5"
            )
        return DynamicSettings(rule=str(coreset), ratio=shares[0])
    if ratio is not None:
        raise refuse("ratio", f"null unless coreset is {', '.join(sorted(RULES))}", ratio, "a coreset has its own")
    return None


def features(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel features`."""
    from rlsel.commands.features import features as run
    from rlsel.commands.requests import FeaturesRequest
    from rlsel.runs.rebuilding import dataset_and_variation, model_spec

    source, variation = dataset_and_variation(composed.node("dataset"))
    request = FeaturesRequest(
        dataset=source,
        variation=variation,
        model=model_spec(composed.node("model"), "model"),
        seed=composed.nodes["seed"],
        options=run_options(composed),
    )
    with noting_unused(composed, reporter, of_images(), of_one_process(composed)) as reporter:
        return run(request, reporter)


def export(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel export`."""
    from rlsel.commands.export import export as run
    from rlsel.commands.requests import ExportRequest

    nodes = composed.nodes
    request = ExportRequest(
        run=convert(nodes["run"], Path, "run"),
        format=nodes["format"],
        part=nodes["part"],
        mode=nodes["mode"],
        root=convert(nodes["root"], Path | None, "root"),
        out=convert(nodes["out"], Path | None, "out"),
        overwrite=convert(nodes["overwrite"], bool, "overwrite"),
    )
    with noting_unused(composed, reporter, of_format(request.format)) as reporter:
        return run(request, reporter)


def show(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel show`."""
    from rlsel.cli.showing import display
    from rlsel.commands.requests import ShowRequest
    from rlsel.commands.show import show as run

    del reporter
    nodes = composed.nodes
    return run(ShowRequest(run=convert(nodes["run"], Path, "run"), rows=nodes["rows"]), display)


def report(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel report`; the data set is the run's where the user gives none."""
    from rlsel.cli.recorded import prefer_given
    from rlsel.commands.report import report as run
    from rlsel.commands.requests import ReportRequest
    from rlsel.runs.reader import read_run
    from rlsel.runs.rebuilding import dataset_and_variation

    folder = convert(composed.nodes["run"], Path, "run")
    recorded = read_run(folder)
    request = ReportRequest(
        run=folder,
        against=convert(composed.nodes["against"], Path | None, "against"),
        options=run_options(composed),
    )
    of_comparison = recorded.command == "compare"
    if composed.typed("dataset") and not of_comparison:
        node = prefer_given(composed, "dataset", recorded.settings.get("dataset"))
        source, variation = dataset_and_variation(as_node(node, "dataset"))
        request = replace(request, dataset=source, variation=variation)
    with noting_unused(composed, reporter, of_page(of_comparison=of_comparison), of_one_process(composed)) as reporter:
        return run(request, reporter)


def verify(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel verify`; the data set is the run's where the user gives none."""
    from rlsel.cli.recorded import prefer_given
    from rlsel.cli.showing import display
    from rlsel.commands.requests import VerifyRequest
    from rlsel.commands.verify import verify as run
    from rlsel.runs.reader import read_run
    from rlsel.runs.rebuilding import dataset_and_variation

    nodes = composed.nodes
    folder = convert(nodes["run"], Path, "run")
    request = VerifyRequest(
        run=folder,
        pairs=nodes["pairs"],
        removals=nodes["removals"],
        seed=nodes["seed"],
        epochs=convert(nodes["epochs"], tuple[int, ...], "epochs"),
        left_out=nodes["left_out"],
        subsets=nodes["subsets"],
        options=run_options(composed),
    )
    if composed.typed("dataset"):
        node = prefer_given(composed, "dataset", read_run(folder).settings.get("dataset"))
        source, variation = dataset_and_variation(as_node(node, "dataset"))
        request = replace(request, dataset=source, variation=variation)
    with noting_unused(
        composed, reporter, of_verification(trains=request.settings().trains), of_one_process(composed)
    ) as reporter:
        return run(request, display, reporter)


def compare(composed: Composed, reporter: Reporter) -> Path:
    """Carries out `rlsel compare`."""
    from rlsel.budget import parse_ratios
    from rlsel.commands.compare import compare as run
    from rlsel.comparing.request import CompareRequest
    from rlsel.export import ExportSettings
    from rlsel.runs.rebuilding import run_settings, selector_parts

    nodes, seeds = composed.nodes, composed.nodes["seeds"]
    settings = run_settings({**with_model_to_come(nodes), "seed": 0})
    parts = selector_parts(nodes)
    selectors = named_selectors(composed, nodes["selectors"], parts)
    request = CompareRequest(
        settings=settings,
        selectors=selectors,
        variants=_variants(composed),
        ratios=parse_ratios(nodes["ratios"], "ratios"),
        seeds=convert(seeds if isinstance(seeds, Sequence) else [seeds], tuple[int, ...], "seeds"),
        dynamic=convert(nodes["dynamic"] or (), tuple[str, ...], "dynamic"),
        budget=nodes["budget"],
        train_models=train_models(nodes["train_models"], settings.model),
        evaluation=evaluation_settings(composed),
        policy=parts["policy"],
        reward=parts["reward"],
        cover=parts["cover"],
        export=build(ExportSettings, composed.node("export"), "export"),
        options=run_options(composed),
    )
    with noting_unused(
        composed,
        reporter,
        of_selectors([row.selector for row in request.rows]),
        of_export((row.selector, row.export) for row in request.rows),
        of_evaluation(request.evaluation),
    ) as reporter:
        return run(request, reporter)


def _variants(composed: Composed) -> tuple[Row, ...]:
    """Builds the rows whose settings differ from those of the others."""
    from rlsel.cli.variants import variant_nodes
    from rlsel.comparing.request import Row
    from rlsel.export import ExportSettings
    from rlsel.runs.rebuilding import one_selector, selector_parts

    rows = []
    for name, overrides in as_node(composed.nodes["variants"] or {}, "variants").items():
        if overrides is None:
            continue  # left out, where an experiment has it
        given = as_node(overrides, f"variants.{name}")
        try:
            nodes = variant_nodes(composed.nodes, given)
            row = Row(
                name=str(name),
                selector=one_selector(as_node(nodes["selector"], "selector"), selector_parts(nodes)),
                export=build(ExportSettings, as_node(nodes["export"], "export"), "export"),
                overrides=tuple(f"{key}={value}" for key, value in given.items()),
            )
        except ConfigurationError as error:
            raise ConfigurationError(f"variants.{name}: {error}") from error
        rows.append(row)
    return tuple(rows)
