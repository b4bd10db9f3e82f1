"""What holds for every selection method, by its file in `conf/selector/`."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rlsel.conf
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from rlsel import selectors
from rlsel.export import ExportSettings, choose, resolve
from rlsel.models.small_cnn import SmallCNN
from rlsel.planted import planted_task
from rlsel.selection import Made, Wanted, select_from
from rlsel.selectors.base import Scores, Selector, for_ratio, scored, uses
from rlsel.selectors.target_training import SharedTraining
from rlsel.testing import check_selector

RATIO = 0.37
FILES = sorted(Path(rlsel.conf.__path__[0], "selector").glob("*.yaml"))
NAMES = [path.stem for path in FILES]
CHEAPER = {
    "memorization": {"num_models": 3},
    "moso": {"folds": 3, "checkpoints": 2},
    "rl_selector": {"settle_passes": 1},
    "rl_selector_finetuned": {"epochs": 2},
    "self_sup_prototypes": {"epochs": 5},
}
"""Hyperparameters that say how often the same is done again."""


def built(name: str) -> Selector:
    content = OmegaConf.to_container(OmegaConf.load(FILES[NAMES.index(name)]))
    assert isinstance(content, dict)
    module, _, cls = content.pop("_target_").rpartition(".")
    selector: Selector = for_ratio(getattr(importlib.import_module(module), cls)(**content), RATIO)
    return selector


def cheaper(name: str) -> Selector:
    return dataclasses.replace(built(name), **CHEAPER.get(name, {}))  # type: ignore[type-var]


def made(names: Iterable[str], seed: int) -> dict[str, Made]:
    """Makes selections from one training that their methods share; a method that fails takes no other one with it."""
    methods = [cheaper(name) for name in names]
    wanted = [
        Wanted(selector=method, ratio=RATIO, export=resolve(ExportSettings(), method.export)) for method in methods
    ]
    failures: list[Exception] = []
    found = select_from(planted_task(seed=seed), wanted, on_failure=lambda _, error: failures.append(error))
    return {one.wanted.selector.name: one for one in found}


@dataclasses.dataclass(frozen=True)
class Method:
    """A method, and what it makes together with all others, with two seeds."""

    selector: Selector
    scores: Scores
    chosen: NDArray[np.int64]
    with_another_seed: NDArray[np.int64]


@pytest.fixture(scope="module")
def in_a_list() -> tuple[Mapping[str, Made], Mapping[str, Made]]:
    """What all methods make from one training, with the seeds 0 and 1."""
    return made(NAMES, 0), made(NAMES, 1)


@pytest.fixture(params=NAMES)
def method(request: pytest.FixtureRequest, in_a_list: tuple[Mapping[str, Made], Mapping[str, Made]]) -> Method:
    name = request.param
    first, other = (lists.get(name) for lists in in_a_list)
    assert first is not None, f"{name} fails beside the others; the test of its contract says how"
    assert other is not None, f"{name} fails beside the others with seed 1"
    return Method(cheaper(name), first.scores, chosen(first, 0), chosen(other, 1))


def chosen(one: Made, seed: int) -> NDArray[np.int64]:
    return choose(
        one.scores.values.numpy(),
        kind=one.scores.kind,
        ratio=RATIO,
        settings=one.wanted.export,
        labels=planted_task().labels.numpy(),
        hardness=None if one.scores.hardness is None else one.scores.hardness.numpy(),
        seed=seed,
        policy=one.scores.policy,
    )


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


@pytest.mark.parametrize("name", NAMES)
def test_a_method_keeps_the_contract(name: str) -> None:
    check_selector(cheaper(name))


def test_scores_are_finite_and_the_size_is_exact(method: Method) -> None:
    scores = method.scores
    assert scores.values.dtype == torch.float32
    assert scores.values.shape == (48,)
    assert torch.isfinite(scores.values).all()
    assert scores.values.unique().numel() > 1
    assert scores.hardness is None or (scores.hardness.shape, scores.hardness.dtype) == ((48,), torch.float32)
    # 0.37 * 48 = 17.76
    assert (len(method.chosen), method.chosen.dtype) == (18, np.int64)
    assert (np.diff(method.chosen) > 0).all()
    assert 0 <= method.chosen[0] <= method.chosen[-1] < 48


def test_scores_are_the_same_alone(method: Method) -> None:
    alone = made([method.selector.name], 0)[method.selector.name]
    assert torch.equal(alone.scores.values, method.scores.values)


def test_another_seed_gives_another_set(method: Method) -> None:
    assert not np.array_equal(method.chosen, method.with_another_seed)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_method_says_it_uses_is_what_moves_its_scores(name: str) -> None:
    """The features of the user, and another target model with and without them."""
    method, task = cheaper(name), planted_task()
    features = torch.rand(len(task), 5, generator=torch.Generator().manual_seed(1))
    changes: dict[str, dict[str, Any]] = {
        "plain": {},
        "model": {"model": SmallCNN(width=2)},
        "features": {"features": features},
        "both": {"features": features, "model": SmallCNN(width=2)},
    }
    values = {}
    for change, given in changes.items():
        changed = dataclasses.replace(task, **given)
        [observed] = SharedTraining(task=changed, needs=[method.needs(changed)]).run()
        values[change] = scored(method, changed, observed).values
    said = uses(method)
    assert torch.equal(values["plain"], values["model"]) != said.target
    assert torch.equal(values["features"], values["both"]) != said.target_beside_features
    assert torch.equal(values["plain"], values["features"]) != said.features


def digests(found: Mapping[str, Made]) -> dict[str, str]:
    return {name: hashlib.sha256(one.scores.values.numpy().tobytes()).hexdigest() for name, one in found.items()}


@pytest.mark.thorough
def test_no_order_of_a_set_of_strings_decides(in_a_list: tuple[Mapping[str, Made], Mapping[str, Made]]) -> None:
    # strings have the hashes of their process, which this variable decides
    another = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    command, environment = [sys.executable, __file__], os.environ | {"PYTHONHASHSEED": another}
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == digests(in_a_list[0])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(digests(made(NAMES, 0))))
