"""The target model of a run, stored and used on other data."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rlsel.data.arrays import Arrays
from rlsel.data.dataset import Dataset
from rlsel.errors import CoresetError, DataError
from rlsel.models.small_cnn import SmallCNN
from rlsel.randomness import Streams
from rlsel.runs.target import TargetInput, load_target, load_target_input, save_target
from rlsel.training.evaluation import clean_pass
from rlsel.training.fabric import OneProcess
from rlsel.training.loop import build_model

SPEC = SmallCNN(width=2)
STREAMS = Streams(seed=3, names=("target",))


@pytest.fixture
def dataset(write_archive: Callable[..., Path]) -> Dataset:
    return Arrays(path=write_archive()).load()


@pytest.fixture
def folder(dataset: Dataset, tmp_path: Path) -> Path:
    save_target(tmp_path, build_model(SPEC, dataset, STREAMS), TargetInput.of(dataset))
    return tmp_path


def test_what_is_saved_is_loaded(folder: Path, dataset: Dataset) -> None:
    takes = load_target_input(folder)
    assert takes == TargetInput(
        image_shape=(1, 8, 8), num_classes=3, mean=dataset.mean, std=dataset.std, pixel_range=dataset.pixel_range
    )
    before = torch.get_rng_state()
    passes = [
        clean_pass(model, dataset, dataset.train, fabric=OneProcess(device=torch.device("cpu")))
        for model in (build_model(SPEC, dataset, STREAMS), load_target(folder, SPEC, takes))
    ]
    assert torch.equal(passes[0].features, passes[1].features)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_the_model_cannot_judge_is_refused(dataset: Dataset) -> None:
    takes = TargetInput.of(dataset)
    takes.check(dataset)
    takes.check(replace(dataset, class_names=("a", "b")))  # fewer classes are no obstacle
    with pytest.raises(DataError, match="at most the 3 classes of the run's target model, got 4 in arrays"):
        takes.check(replace(dataset, class_names=("a", "b", "c", "d")))
    with pytest.raises(DataError, match=r"got 4 in arrays: give dataset.clusters=3, or select from it anew"):
        takes.check(replace(dataset, class_names=("a", "b", "c", "d"), labelled=False))
    with pytest.raises(DataError, match=r"images of 1x8x8 \(channels x height x width\).* got 1x6x6 in arrays"):
        takes.check(replace(dataset, crop=6))
    with pytest.raises(DataError, match="images of 3x8x8"):
        replace(takes, image_shape=(3, 8, 8)).check(dataset)


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda content: {name: value for name, value in content.items() if name != key}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content | {"format_version": 1},
        lambda content: content | {"image_shape": [1, 8]},
        lambda content: content | {"mean": ["x"]},
        lambda content: content | {"std": 1},
        lambda content: content | {"pixel_range": [0]},
        lambda content: [content],
        without("format_version"),
        without("num_classes"),
    ],
)
def test_a_damaged_description_is_refused(folder: Path, damage: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "target.json"
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    with pytest.raises(CoresetError, match=r"cannot read .*target\.json: .*make the run again"):
        load_target_input(folder)


def test_a_missing_or_damaged_file_is_refused(folder: Path) -> None:
    takes = load_target_input(folder)
    with pytest.raises(CoresetError, match="it is no small_cnn as the run recorded it"):
        load_target(folder, SmallCNN(width=3), takes)
    (folder / "target.safetensors").write_bytes(b"junk")
    with pytest.raises(CoresetError, match=r"cannot read .*target\.safetensors"):
        load_target(folder, SPEC, takes)
    (folder / "target.json").unlink()
    with pytest.raises(CoresetError, match=r"cannot read .*target\.json"):
        load_target_input(folder)
