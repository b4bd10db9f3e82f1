"""What was typed and changes nothing is told; what nobody typed is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlsel.data.digits import Digits
from rlsel.export import ExportSettings
from rlsel.models.small_cnn import SmallCNN
from rlsel.runs.layout import selection_settings
from rlsel.runs.settings import RunSettings
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.settings import TrainingSettings

ONE_PROCESS = "which is one process: sweep with -m and hydra/launcher=joblib"


def notes(*texts: str) -> str:
    return "".join(f"note: {text}\n" for text in texts)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("selector=random policy=ppo", ["policy has no effect on selector=random"]),
        ("selector=random reward.cap=2", ["reward.cap has no effect on selector=random"]),
        ("selectors=[random,el2n] reward=paper", ["reward has no effect on selectors=[random,el2n]"]),
        ("selectors=[random,rl_selector] reward=paper", []),
        (
            "selector=random model=resnet18 model.width=4 training.epochs=3",
            [
                "model has no effect on selector=random, which trains no model",
                "model.width has no effect on selector=random, which trains no model",
                "training.epochs has no effect on selector=random, which trains no model",
            ],
        ),
        (
            "selectors=[random,cg_score] training.epochs=3",
            ["training.epochs has no effect on selectors=[random,cg_score], which trains no model"],
        ),
        ("selectors=[random,cg_score,memorization] training.epochs=3", []),
        (
            "features=f.npy model=resnet18",
            ["model has no effect on selector=rl_selector, which trains no model beside features="],
        ),
        ("features=f.npy selector=d2 model=resnet18", []),
        ("features=f.npy selectors=[herding,el2n] model=resnet18", []),
        ("features=f.npy selector=el2n", ["features has no effect on selector=el2n"]),
        ("features=null selector=el2n", []),
        ("features=f.npy selectors=[el2n,cg_score]", []),
        (
            "cover.neighbours=3",
            ["cover.neighbours has no effect with cover.measure=cover: it is of cover.measure=knn"],
        ),
        ("cover.neighbours=3 cover.measure=knn", []),
        (
            "cover.reduction=sum cover.measure=density",
            ["cover.reduction has no effect with cover.measure=density: it is of cover.measure=cover"],
        ),
        ("selector=random cover.neighbours=3", ["cover.neighbours has no effect on selector=random"]),
        (
            "selector=el2n export.temperature=2",
            ["export.temperature has no effect with export.mode=topk: it is of export.mode=sample"],
        ),
        (
            "selectors=[el2n,ccs] export.temperature=2",
            ["export.temperature has no effect with export.mode=stratified|topk: it is of export.mode=sample"],
        ),
        ("selectors=[el2n,rl_selector] export.temperature=2", []),
        ("selector=el2n export.mode=sample export.temperature=2", []),
        (
            "export.mode=threshold export.temperature=2",
            ["export.temperature has no effect with export.mode=threshold: it is of export.mode=sample"],
        ),
        ("jobs=2", [f"jobs has no effect on select, {ONE_PROCESS}"]),
        ("jobs=1", []),
    ],
)
def test_of_select(rlsel: Callable[..., Any], select: Any, line: str, told: list[str]) -> None:
    result = rlsel("select", *line.split())
    assert (result.code, result.err) == (0, notes(*told))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The record of a run of RL-Selector on the digits, which draws its coreset."""
    settings = RunSettings(dataset=Digits(), model=SmallCNN(), training=TrainingSettings(), seed=0)
    content = selection_settings(settings, selector=RLSelector(), ratio=0.5, export=ExportSettings(), features=None)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"command": "select", **content}))
    (folder / "status.json").write_text('{"state": "complete"}')
    return folder


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("finetune-ratio export.temperature=2", []),
        (
            "finetune-ratio export.mode=topk export.temperature=2 jobs=3",
            [
                "export.temperature has no effect with export.mode=topk: it is of export.mode=sample",
                f"jobs has no effect on finetune-ratio, {ONE_PROCESS}",
            ],
        ),
        (
            "finetune-ratio training.learning_rate=2",
            ["training.learning_rate has no effect with features=saved, which trains no model"],
        ),
        ("finetune-ratio features=continued training.learning_rate=2 training.batch_size=3", []),
        (
            "finetune-ratio features=continued training.warmup=0",
            [
                "training.warmup has no effect with features=continued, which goes on at the end of the recorded "
                "training"
            ],
        ),
        ("apply jobs=2", [f"jobs has no effect on apply, {ONE_PROCESS}"]),
        (
            "apply export.mode=stratified export.temperature=2",
            ["export.temperature has no effect with export.mode=stratified: it is of export.mode=sample"],
        ),
    ],
)
def test_of_commands_that_start_from_a_run(
    rlsel: Callable[..., Any], finetune_ratio: Any, apply: Any, run: Path, line: str, told: list[str]
) -> None:
    result = rlsel(*line.split(), "run=run", "ratio=0.3")
    assert (result.code, result.err) == (0, notes(*told))


NO_ROOT = "evaluation.root has no effect on evaluation.datasets without imagenet_a, imagenet_r and imagenet_hard"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("evaluation.root=x", [NO_ROOT]),
        ("evaluation.root=x evaluation.datasets=[contrast]", [NO_ROOT]),
        ("evaluation.root=x evaluation.datasets=[contrast,imagenet_r]", []),
        ("jobs=2", [f"jobs has no effect on train-on-subset, {ONE_PROCESS}"]),
    ],
)
def test_of_train_on_subset(rlsel: Callable[..., Any], train_on_subset: Any, line: str, told: list[str]) -> None:
    result = rlsel("train-on-subset", "coreset=full", *line.split())
    assert (result.code, result.err) == (0, notes(*told))


def test_of_a_page(rlsel: Callable[..., Any], report: Any) -> None:
    Path("run").mkdir()
    Path("run/config.yaml").write_text("command: compare\n")
    Path("run/status.json").write_text('{"state": "complete"}')
    result = rlsel("report", "run=run", "against=other", "dataset.train_size=3", "resume=never", "jobs=2")
    told = "dataset.train_size has no effect on the page of a comparison, which shows what was measured"
    anew = "resume has no effect on report, which writes the page anew each time"
    assert (result.code, result.err) == (0, notes(anew, told, f"jobs has no effect on report, {ONE_PROCESS}"))


def test_of_features(rlsel: Callable[..., Any], features: Any) -> None:
    result = rlsel("features", "dataset.label_noise=0.2", "dataset.corruption=0.2", "jobs=2", "run_dir=run")
    told = "dataset.label_noise has no effect on features, which are of the images alone"
    assert (result.code, result.err) == (0, notes(told, f"jobs has no effect on features, {ONE_PROCESS}"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("jobs=2 model=resnet18 training.epochs=3 evaluation.root=x", [NO_ROOT]),
        ("selectors=[el2n] policy=ppo", ["policy has no effect on selector=el2n"]),
        ("selectors=[el2n] variants={mine:{selector:rl_selector}} policy=ppo", []),
        (
            "selectors=[el2n] export.temperature=2",
            ["export.temperature has no effect with export.mode=topk: it is of export.mode=sample"],
        ),
        ("selectors=[el2n] variants={mine:{selector:el2n,export.mode:sample}} export.temperature=2", []),
        ("variants={knn:{cover.measure:knn}} cover.neighbours=3", []),
    ],
)
def test_of_compare(rlsel: Callable[..., Any], compare: Any, line: str, told: list[str]) -> None:
    result = rlsel("compare", *line.split())
    assert (result.code, result.err) == (0, notes(*told))


def test_a_refused_command_says_nothing_of_what_is_unused(rlsel: Callable[..., Any], tmp_path: Path) -> None:
    result = rlsel("select", "selector=random", "training.epochs=3", "dataset=arrays", "dataset.path=none.npz")
    assert result.code == 2
    assert result.err.startswith("error: arrays: dataset.path must be an existing file")
    assert result.err.count("\n") == 1
