"""What holds for every selection method, by its file in `conf/selector/`."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rlsel.conf
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from rlsel import selectors
from rlsel.budget import kept_count
from rlsel.export import ExportSettings, choose, resolve
from rlsel.models.small_cnn import SmallCNN
from rlsel.selectors.base import Scores, SelectionTask, Selector, for_ratio, scored, uses
from rlsel.selectors.target import SharedTraining

RATIO = 0.37
FILES = sorted(Path(rlsel.conf.__path__[0], "selector").glob("*.yaml"))
NAMES = [path.stem for path in FILES]
GROUPS = {"policy", "reward", "cover", "ratio"}  # groups of their own, and what the run sets
Listed = dict[int, dict[str, Scores]]


def read(path: Path) -> tuple[type[Any], dict[str, Any]]:
    content = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(content, dict)
    module, _, name = content.pop("_target_").rpartition(".")
    return getattr(importlib.import_module(module), name), {str(key): value for key, value in content.items()}


def built(name: str) -> Selector:
    cls, content = read(FILES[NAMES.index(name)])
    selector: Selector = for_ratio(cls(**content), RATIO)
    return selector


def chosen(selector: Selector, scores: Scores, task: SelectionTask) -> NDArray[np.int64]:
    return choose(
        scores.values.numpy(),
        kind=scores.kind,
        ratio=RATIO,
        settings=resolve(ExportSettings(), selector.export),
        labels=task.labels.numpy(),
        hardness=None if scores.hardness is None else scores.hardness.numpy(),
        seed=task.seed,
        policy=scores.policy,
    )


@pytest.fixture(scope="module")
def listed() -> Listed:
    return {}


@pytest.fixture
def scores_in_a_list(listed: Listed, tiny_task: SelectionTask) -> Callable[[int], dict[str, Scores]]:
    """Scores of every method of a seed, from one training that all of them share; computed once."""

    def scored(seed: int) -> dict[str, Scores]:
        if seed not in listed:
            task, methods = dataclasses.replace(tiny_task, seed=seed), [built(name) for name in NAMES]
            observed = SharedTraining(task=task, needs=[method.needs(task) for method in methods]).run()
            listed[seed] = {
                method.name: method.score(task, seen) for method, seen in zip(methods, observed, strict=True)
            }
        return listed[seed]

    return scored


def test_every_method_has_a_file() -> None:
    assert len(FILES) >= 26
    methods = set()
    for path in Path(selectors.__path__[0]).glob("*.py"):
        module = importlib.import_module(f"rlsel.selectors.{path.stem}")
        for _, cls in inspect.getmembers(module, dataclasses.is_dataclass):
            if cls.__module__ == module.__name__ and all(hasattr(cls, part) for part in ("name", "needs", "score")):
                assert cls.name == path.stem
                methods.add(cls.name)
    assert methods == set(NAMES)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_file_names_its_method_and_the_defaults(path: Path) -> None:
    cls, content = read(path)
    assert cls.name == path.stem
    own = [field for field in dataclasses.fields(cls) if field.name not in GROUPS]
    assert content == {field.name: field.default for field in own}
    assert all(type(content[field.name]) is type(field.default) for field in own)
    assert all(field.kw_only for field in dataclasses.fields(cls))
    with pytest.raises(dataclasses.FrozenInstanceError):
        cls().unknown = 1


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_finite_and_the_size_is_exact(
    name: str, scores_in_a_list: Callable[[int], dict[str, Scores]], tiny_task: SelectionTask
) -> None:
    scores = scores_in_a_list(0)[name]
    assert scores.values.dtype == torch.float32
    assert scores.values.shape == (len(tiny_task),)
    assert torch.isfinite(scores.values).all()
    assert scores.values.unique().numel() > 1
    assert scores.hardness is None or (scores.hardness.shape, scores.hardness.dtype) == ((90,), torch.float32)
    indices = chosen(built(name), scores, tiny_task)
    assert len(indices) == kept_count(RATIO, 90) == 33
    assert indices.dtype == np.int64
    assert (np.diff(indices) > 0).all()
    assert indices[0] >= 0
    assert indices[-1] < 90


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_the_same_again_and_alone(
    name: str,
    scores_in_a_list: Callable[[int], dict[str, Scores]],
    scores_of: Callable[[Selector], Scores],
    tiny_task: SelectionTask,
) -> None:
    before = torch.random.get_rng_state()
    alone = scores_of(built(name))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(alone.values, scores_in_a_list(0)[name].values)


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_gives_another_set(
    name: str, scores_in_a_list: Callable[[int], dict[str, Scores]], tiny_task: SelectionTask
) -> None:
    first = chosen(built(name), scores_in_a_list(0)[name], tiny_task)
    other = chosen(built(name), scores_in_a_list(1)[name], dataclasses.replace(tiny_task, seed=1))
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_method_says_it_uses_is_what_moves_its_scores(name: str, tiny_task: SelectionTask) -> None:
    """The features of the user, and another target model with and without them."""
    method, features = built(name), torch.rand(90, 5, generator=torch.Generator().manual_seed(1))
    changes: dict[str, dict[str, Any]] = {
        "plain": {},
        "model": {"model": SmallCNN(width=2)},
        "features": {"features": features},
        "both": {"features": features, "model": SmallCNN(width=2)},
    }
    values = {}
    for change, given in changes.items():
        task = dataclasses.replace(tiny_task, **given)
        [observed] = SharedTraining(task=task, needs=[method.needs(task)]).run()
        values[change] = scored(method, task, observed).values
    said = uses(method)
    assert torch.equal(values["plain"], values["model"]) != said.target
    assert torch.equal(values["features"], values["both"]) != said.target_beside_features
    assert torch.equal(values["plain"], values["features"]) != said.features
