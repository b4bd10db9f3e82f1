"""Commands that start from a run: what it recorded is used, unless the user gives something else."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlsel.cli.composing import Composed
from rlsel.cli.recorded import prefer_given
from rlsel.commands.requests import ApplyRequest, FinetuneRequest, ReportRequest, TrainOnSubsetRequest
from rlsel.cover.settings import CoverSettings
from rlsel.data.arrays import Arrays
from rlsel.data.digits import Digits
from rlsel.data.variation import Variation
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.export import ExportSettings
from rlsel.models.head import Head
from rlsel.models.resnet import ResNet18
from rlsel.models.small_cnn import SmallCNN
from rlsel.policy.ppo import PPO
from rlsel.policy.rewards import Paper
from rlsel.runs.layout import selection_settings
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.settings import TrainingSettings

SETTINGS = RunSettings(
    dataset=Arrays(path=Path("/data/x.npz")),
    variation=Variation(train_size=50, label_noise=0.2),
    model=ResNet18(width=16),
    training=TrainingSettings(epochs=3, step_milestones=(0.4,)),
    seed=5,
)
SELECTOR = RLSelector(policy=PPO(passes=3), reward=Paper(), cover=CoverSettings(reduction="sum"), ratio=0.4, rollout=64)
EXPORT = ExportSettings(mode="sample", temperature=0.5)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with the settings above."""
    folder = tmp_path / "run"
    folder.mkdir()
    content = selection_settings(SETTINGS, selector=SELECTOR, ratio=0.4, export=EXPORT, features=None)
    (folder / "config.yaml").write_text(yaml.safe_dump({"command": "select", **content}))
    (folder / "status.json").write_text('{"state": "complete"}')
    return folder


def test_fine_tuning_takes_everything_from_the_run(rlsel: Callable[..., Any], finetune_ratio: Any, run: Path) -> None:
    result = rlsel("finetune-ratio", "run=run", "ratio=0.2")
    assert result.code == 0, result.err
    request = finetune_ratio.request
    # the selector's ratio is set for each coreset by the command
    assert request.selector == RLSelector(
        policy=SELECTOR.policy, reward=SELECTOR.reward, cover=SELECTOR.cover, rollout=64
    )
    assert request == FinetuneRequest(
        run=run, settings=SETTINGS, selector=request.selector, ratios=(0.2,), epochs=15, features="saved", export=EXPORT
    )


def test_fine_tuning_prefers_what_the_user_gives(
    rlsel: Callable[..., Any], finetune_ratio: Any, run: Path, tmp_path: Path
) -> None:
    result = rlsel(
        "finetune-ratio", "run=run", "ratio=[0.2,0.3]", "epochs=4", "features=continued", "seed=9",
        "run_dir=r", "training.learning_rate=0.5", "export.mode=topk", "dataset=arrays", "dataset.path=y.npz",
        "dataset.train_size=9",
    )  # fmt: skip
    assert result.code == 0, result.err
    request = finetune_ratio.request
    assert (request.ratios, request.epochs, request.features) == ((0.2, 0.3), 4, "continued")
    assert request.settings == RunSettings(
        dataset=Arrays(path=tmp_path / "y.npz"),
        variation=Variation(train_size=9),
        model=SETTINGS.model,
        training=TrainingSettings(epochs=3, step_milestones=(0.4,), learning_rate=0.5),
        seed=9,
    )
    assert request.export == ExportSettings(mode="topk", temperature=0.5)
    assert request.options == RunOptions(run_dir=tmp_path / "r")


def test_a_single_value_of_the_data_set_changes_the_recorded_one(
    rlsel: Callable[..., Any], finetune_ratio: Any, run: Path
) -> None:
    assert rlsel("finetune-ratio", "run=run", "ratio=0.2", "dataset.test_size=20").code == 0
    assert finetune_ratio.request.settings.dataset == SETTINGS.dataset
    assert finetune_ratio.request.settings.variation == Variation(train_size=50, label_noise=0.2, test_size=20)


def test_applying_takes_everything_from_the_run(rlsel: Callable[..., Any], apply: Any, run: Path) -> None:
    result = rlsel("apply", "run=run", "ratio=0.2")
    assert result.code == 0, result.err
    selector = RLSelector(policy=SELECTOR.policy, reward=SELECTOR.reward, cover=SELECTOR.cover, rollout=64)
    assert apply.request == ApplyRequest(run=run, settings=SETTINGS, selector=selector, ratios=(0.2,), export=EXPORT)


def test_applying_prefers_what_the_user_gives(rlsel: Callable[..., Any], apply: Any, run: Path, tmp_path: Path) -> None:
    result = rlsel(
        "apply", "run=run", "ratio=[0.2,0.3]", "seed=9", "run_dir=r", "export.mode=topk", "dataset=arrays",
        "dataset.path=y.npz", "dataset.part=second",
    )  # fmt: skip
    assert result.code == 0, result.err
    request = apply.request
    assert request.ratios == (0.2, 0.3)
    assert request.settings == RunSettings(
        dataset=Arrays(path=tmp_path / "y.npz"),
        variation=Variation(part="second"),
        model=SETTINGS.model,
        training=SETTINGS.training,
        seed=9,
    )
    assert request.export == ExportSettings(mode="topk", temperature=0.5)
    assert request.options == RunOptions(run_dir=tmp_path / "r")


def test_the_other_half_of_the_recorded_data_set(rlsel: Callable[..., Any], apply: Any, run: Path) -> None:
    assert rlsel("apply", "run=run", "ratio=0.2", "dataset.part=second").code == 0
    assert apply.request.settings.dataset == SETTINGS.dataset
    assert apply.request.settings.variation == Variation(train_size=50, label_noise=0.2, part="second")


def test_a_coreset_brings_its_data_set_but_not_its_model(
    rlsel: Callable[..., Any], train_on_subset: Any, run: Path
) -> None:
    result = rlsel("train-on-subset", "coreset=run", "training.epochs=2", "evaluation.datasets=[corruptions]")
    assert result.code == 0, result.err
    assert train_on_subset.request == TrainOnSubsetRequest(
        coreset=run,
        settings=RunSettings(
            dataset=SETTINGS.dataset,
            variation=SETTINGS.variation,
            model=SmallCNN(),
            training=TrainingSettings(epochs=2),
            seed=0,
        ),
        evaluation=EvaluationSettings(datasets=("corruptions",)),
    )


def test_a_data_set_for_a_coreset_of_a_run_stands_for_itself(
    rlsel: Callable[..., Any], train_on_subset: Any, run: Path, tmp_path: Path
) -> None:
    assert rlsel("train-on-subset", "coreset=run", "dataset=arrays", "dataset.path=y.npz").code == 0
    assert train_on_subset.request.settings.dataset == Arrays(path=tmp_path / "y.npz")
    assert train_on_subset.request.settings.variation == Variation()


@pytest.mark.parametrize("coreset", ["full", "kept.npy"])
def test_without_a_record_the_default_data_set_is_meant(
    rlsel: Callable[..., Any], train_on_subset: Any, tmp_path: Path, coreset: str
) -> None:
    (tmp_path / "kept.npy").touch()
    result = rlsel("train-on-subset", f"coreset={coreset}", "dataset.train_size=30")
    assert result.code == 0, result.err
    request = train_on_subset.request
    assert request.coreset == (None if coreset == "full" else tmp_path / "kept.npy")
    assert (request.settings.dataset, request.settings.variation) == (Digits(), Variation(train_size=30))


@pytest.mark.parametrize(
    "command", ["finetune-ratio ratio=0.5 run=", "apply ratio=0.5 run=", "train-on-subset coreset="]
)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "it has no config.yaml"),
        ("[1, 2", "cannot read .*config.yaml"),
        ("- 1", "cannot read .*config.yaml: it holds no settings"),
        ("dataset: ${nope}", "cannot read .*config.yaml"),
        ("dataset: {}", "cannot read .*config.yaml: it does not say which command made it"),
        (
            "{command: select, dataset: {_target_: nope.Nope}}",
            "must be in rlsel, .+ got 'nope.Nope'|no 'training' in it",
        ),
        ("\0", "cannot read .*config.yaml"),
    ],
)
def test_a_damaged_record_is_refused(
    rlsel: Callable[..., Any], tmp_path: Path, command: str, content: str | None, message: str
) -> None:
    (tmp_path / "run").mkdir()
    if content is not None:
        (tmp_path / "run" / "config.yaml").write_text(content)
    (tmp_path / "run" / "status.json").write_text('{"state": "complete"}')
    *options, last = command.split()
    result = rlsel(*options, f"{last}run")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert re.search(message, result.err), result.err


def test_the_parent_of_several_runs_names_one_of_them(rlsel: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    cell = tmp_path / "several" / "el2n" / "ratio-0.30_seed-0"
    cell.parent.mkdir(parents=True)
    run.rename(cell)
    result = rlsel("finetune-ratio", "ratio=0.5", "run=several")
    assert result.err.endswith("choose one of the runs in it, for example el2n/ratio-0.30_seed-0\n")


def test_rows_of_features_are_trained_on_with_a_head_from_a_run_as_well(
    rlsel: Callable[..., Any], train_on_subset: Any, run: Path, tmp_path: Path
) -> None:
    recorded = yaml.safe_load((run / "config.yaml").read_text())
    features = {"_target_": "rlsel.data.embeddings.Embeddings", "path": str(tmp_path / "x.npy")}
    (run / "config.yaml").write_text(yaml.safe_dump({**recorded, "dataset": features}))
    models = []
    for more in ((), ("model.width=9",), ("model=small_cnn",), ("dataset=digits",)):
        assert rlsel("train-on-subset", "coreset=run", *more).code == 0
        models.append(train_on_subset.requests[-1].settings.model)
    assert models == [Head(), Head(width=9), SmallCNN(), SmallCNN()]


def given(nodes: dict[str, Any], *typed: str) -> Composed:
    return Composed(name="apply", nodes=nodes, given=typed, several=False)


def test_null_means_as_recorded() -> None:
    assert prefer_given(given({"seed": None}), "seed", 3) == 3
    assert prefer_given(given({"seed": 0}, "seed"), "seed", 3) == 0
    assert prefer_given(given({"x": {"a": None, "b": 2}}, "x.b"), "x", {"a": 1, "b": 1}) == {"a": 1, "b": 2}
    own = {"_target_": "x.Y", "a": None, "b": 2}
    assert prefer_given(given({"x": own}, "x"), "x", {"a": 1, "c": 1}) == {"_target_": "x.Y", "b": 2}
    assert prefer_given(given({"x": {"a": None, "b": 2}}), "x", None) == {"b": 2}


def test_null_that_was_typed_means_the_default() -> None:
    assert prefer_given(given({"x": {"a": None, "b": None}}, "x.a"), "x", {"a": 1, "b": 1}) == {"b": 1}
    assert prefer_given(given({"seed": None}, "seed"), "seed", 3) is None


def test_a_group_that_was_chosen_by_name_takes_nothing_from_the_record() -> None:
    recorded = {"epochs": 3, "steps": 12}
    chosen = {"epochs": 30, "steps": None}
    assert prefer_given(given({"training": chosen}, "training"), "training", recorded) == {"epochs": 30}
    as_recorded = {"epochs": None, "steps": None}
    assert prefer_given(given({"training": as_recorded}, "training"), "training", recorded) == recorded


def test_a_typed_null_takes_the_place_of_what_was_recorded(
    rlsel: Callable[..., Any], apply: Any, finetune_ratio: Any, run: Path
) -> None:
    nulls = ("dataset.train_size=null", "export.mode=null", "dataset.label_noise=null")
    result = rlsel("apply", "run=run", "ratio=0.2", *nulls)
    assert result.code == 0, result.err
    assert apply.request.settings.variation == Variation()
    assert apply.request.export == ExportSettings(temperature=0.5)
    result = rlsel(
        "finetune-ratio", "run=run", "ratio=0.2", "features=continued", "training.step_milestones=null", "jobs=1"
    )
    assert result.code == 0, result.err
    assert finetune_ratio.request.settings.training == TrainingSettings(epochs=3)
    assert finetune_ratio.request.settings.variation == SETTINGS.variation


def test_a_seed_that_is_null_is_refused_as_everywhere(rlsel: Callable[..., Any], run: Path) -> None:
    assert "seed must be an integer of at least 0, got None" in rlsel("apply", "run=run", "ratio=0.2", "seed=null").err


@pytest.mark.parametrize("setting", ["training.epochs=3", "training.steps=3", "training.steps=null"])
def test_the_length_of_a_fine_tuning_has_one_name(
    rlsel: Callable[..., Any], finetune_ratio: Any, run: Path, setting: str
) -> None:
    result = rlsel("finetune-ratio", "run=run", "ratio=0.2", "features=continued", setting)
    key = setting.partition("=")[0]
    assert result.err == f"error: {key} must not be given for finetune-ratio: epochs= says how long it takes\n"
    assert (result.code, finetune_ratio.requests) == (2, [])


def test_a_page_is_of_the_recorded_data_unless_other_is_given(
    rlsel: Callable[..., Any], report: Any, run: Path, tmp_path: Path
) -> None:
    result = rlsel("report", "run=run", "against=other")
    assert result.code == 0, result.err
    assert report.request == ReportRequest(run=run, against=tmp_path / "other")


def test_the_page_of_a_changed_part_keeps_the_rest_of_the_record(
    rlsel: Callable[..., Any], report: Any, run: Path
) -> None:
    assert rlsel("report", "run=run", "dataset.train_size=40").code == 0
    variation = Variation(train_size=40, label_noise=0.2)
    assert report.request == ReportRequest(run=run, dataset=SETTINGS.dataset, variation=variation)


def test_data_that_has_moved_stands_for_itself(
    rlsel: Callable[..., Any], report: Any, run: Path, tmp_path: Path
) -> None:
    assert rlsel("report", "run=run", "dataset=arrays", "dataset.path=moved.npz", "dataset.train_size=50").code == 0
    moved = Arrays(path=tmp_path / "moved.npz")
    assert report.request == ReportRequest(run=run, dataset=moved, variation=Variation(train_size=50))
