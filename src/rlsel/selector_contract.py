"""What `rlsel.testing` checks of a selection method, a function for each promise of the contract."""

from __future__ import annotations

import dataclasses
import math
import random  # noqa: TID251 - its state is watched, nothing is drawn for a result
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.errors import ConfigurationError, RlselError
from rlsel.export import ExportSettings, choose, resolve
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.target import TargetModel
from rlsel.planted import PLANTED_SIZE, planted_task
from rlsel.selectors.base import (
    FINAL,
    Needs,
    Observed,
    Scores,
    SelectionTask,
    Selector,
    depends_on_ratio,
    for_ratio,
    gives_keep_logits,
    scored,
)
from rlsel.selectors.target_training import SharedTraining

_RATIOS = (0.1, 0.37, 1.0)
_SHARE_OF_TIES = 0.25
_IN_COMPANY = Needs(training=True, clean_epochs=frozenset({1, FINAL}))
_NAME = re.compile(r"[A-Za-z0-9_.+-]+")


class BrokenPromise(Exception):  # noqa: N818 - becomes a SelectorCheckError, which knows the method and the check
    """A check found something else than the contract says."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected, self.got = expected, got


def _observed(selector: Selector, task: SelectionTask, company: Sequence[Needs] = ()) -> Observed:
    return SharedTraining(task=task, needs=[selector.needs(task), *company]).run()[0]


def _scores(selector: Selector, task: SelectionTask, company: Sequence[Needs] = ()) -> Scores:
    return scored(selector, task, _observed(selector, task, company))


class Subject:
    """A method and its scores on the planted data, which most of the checks compare with."""

    def __init__(self, selector: Selector) -> None:
        self.selector = selector

    @cached_property
    def scores(self) -> Scores:
        return _scores(self.selector, planted_task())


def _expect(holds: object, expected: str, got: object) -> None:
    if not holds:
        raise BrokenPromise(expected=expected, got=str(got))


def _expect_same(scores: Tensor, others: Tensor, expected: str) -> None:
    different = int((scores != others).sum())
    _expect(different == 0, expected, f"other scores for {different} of {len(scores)} samples")


def _check_fields(subject: Subject) -> None:
    selector: Any = subject.selector
    dataclass_ = dataclasses.is_dataclass(selector) and not isinstance(selector, type)
    _expect(dataclass_, "an instance of a dataclass", repr(selector))
    positional = [field.name for field in dataclasses.fields(selector) if field.init and not field.kw_only]
    _expect(not positional, "keyword-only fields, @dataclass(frozen=True, kw_only=True)", f"positional {positional}")
    frozen = type(selector).__dataclass_params__.frozen
    _expect(frozen, "a frozen dataclass, @dataclass(frozen=True, kw_only=True)", "one whose fields can be set")
    name = getattr(selector, "name", None)
    named = isinstance(name, str) and _NAME.fullmatch(name)
    _expect(named, "a name of letters, digits and _ . + -, as a folder is called by it", repr(name))
    _expect("name" not in {field.name for field in dataclasses.fields(selector)}, "a class variable name", "a field")
    export = getattr(selector, "export", None)
    _expect(isinstance(export, ExportSettings), "export to be ExportSettings", repr(export))
    hash(selector)


def _check_scores(subject: Subject) -> None:
    try:
        scores = subject.scores
    except ConfigurationError as error:
        expected = f"one finite number for each of the {PLANTED_SIZE} samples"
        raise BrokenPromise(expected=expected, got=str(error)) from error
    _expect(scores.kind in ("score", "logit"), "scores of kind score or logit", repr(scores.kind))


def _check_repeatable(subject: Subject) -> None:
    again = _scores(subject.selector, planted_task())
    _expect_same(subject.scores.values, again.values, "the same scores from the same seed")


def _global_states() -> Mapping[str, object]:
    numpy_state = np.random.get_state(legacy=True)  # noqa: NPY002 - watched, not used
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": [part.tolist() if isinstance(part, np.ndarray) else part for part in numpy_state],
        "random": random.getstate(),
    }


@contextmanager
def _global_generators_put_back() -> Iterator[None]:
    states = torch.get_rng_state(), np.random.get_state(legacy=True), random.getstate()  # noqa: NPY002 - put back
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])  # noqa: NPY002 - put back
        random.setstate(states[2])


def _check_global_generators(subject: Subject) -> None:
    with _global_generators_put_back():
        # drawn from, so that they stand where they did not stand for the scores to compare with
        torch.rand(1)
        np.random.random()  # noqa: NPY002 - see above
        random.random()  # noqa: S311 - see above
        before = _global_states()
        scores = _scores(subject.selector, planted_task())
        after = _global_states()
    changed = [name for name in before if before[name] != after[name]]
    _expect(not changed, "global generators left as they are: draw from a generator of rlsel.randomness", changed)
    _expect_same(subject.scores.values, scores.values, "scores that no global generator decides")


def _check_company(subject: Subject) -> None:
    scores = _scores(subject.selector, planted_task(), [_IN_COMPANY])
    _expect_same(subject.scores.values, scores.values, "the scores that the method gives when it runs alone")


def _tensors(task: SelectionTask, observed: Observed) -> Mapping[str, Tensor]:
    """Names all that a method is given to read."""
    [images] = task.dataset.train.images.batches([torch.arange(len(task))])
    tensors = {"images": images, "labels": task.labels}
    if task.features is not None:
        tensors["features"] = task.features
    for epoch, clean in observed.clean.items():
        tensors |= {f"clean[{epoch}].logits": clean.logits, f"clean[{epoch}].features": clean.features}
    if observed.dynamics is not None:
        for field in dataclasses.fields(observed.dynamics):
            tensors[f"dynamics.{field.name}"] = getattr(observed.dynamics, field.name)
    if observed.model is not None:
        tensors |= {f"model.{name}": value for name, value in observed.model.state_dict().items()}
    return tensors


def _check_inputs(subject: Subject) -> None:
    for with_features in (False, True):
        task = planted_task(with_features=with_features)
        fresh = planted_task(with_features=with_features)
        observed = _observed(subject.selector, task)
        before = {name: value.clone() for name, value in _tensors(fresh, observed).items()}
        scored(subject.selector, task, observed)
        after = _tensors(task, observed)
        changed = [name for name in before if not torch.equal(before[name], after[name])]
        _expect(not changed, "images, labels, features and what was observed as they were given", f"changed {changed}")


def _check_two_samples(subject: Subject) -> None:
    for with_features in (False, True):
        # a method may need more, and then says so as it does of a user's mistake
        with suppress(RlselError):
            _scores(subject.selector, planted_task(2, with_features=with_features))


def _check_features(subject: Subject) -> None:
    _scores(subject.selector, planted_task(with_features=True))


def _check_permutation(subject: Subject) -> None:
    model = _CountingModel()
    task = planted_task(with_features=True, model=model)
    needs = subject.selector.needs(task)
    scores = _scores(subject.selector, task).values
    trains = needs.training or needs.watch is not None or model.made > 0
    if trains or not torch.equal(scores, _scores(subject.selector, planted_task(seed=1, with_features=True)).values):
        return
    order = torch.randperm(PLANTED_SIZE, generator=torch.Generator().manual_seed(1))
    permuted = _scores(subject.selector, planted_task(with_features=True, order=order)).values
    # sums in another order are rounded elsewhere, and a greedy method takes the first of equals
    different = int((~torch.isclose(permuted, scores[order], rtol=1e-4, atol=1e-5)).sum())
    got = f"other scores for {different} of {PLANTED_SIZE} samples"
    _expect(different <= _SHARE_OF_TIES * PLANTED_SIZE, "permuted scores of permuted samples", got)


class _CountingModel:
    """A small network that counts how often one like it is made."""

    name = "small_cnn"

    def __init__(self) -> None:
        self.made = 0

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> TargetModel:
        self.made += 1
        return SmallCNN(width=4).build(image_shape, num_classes)


def _check_ratio(subject: Subject) -> None:
    if not depends_on_ratio(subject.selector):
        return
    for ratio in _RATIOS:
        made: Any = for_ratio(subject.selector, ratio)
        _expect(made.ratio == ratio, f"the field ratio to be {ratio} where it is set to that", made.ratio)


def _chosen(selector: Selector, scores: Scores, ratio: float, settings: ExportSettings) -> NDArray[np.int64]:
    return choose(
        scores.values.numpy(),
        kind=scores.kind,
        ratio=ratio,
        settings=resolve(settings, selector.export),
        labels=planted_task().labels.numpy(),
        hardness=None if scores.hardness is None else scores.hardness.numpy(),
        seed=0,
        policy=scores.policy,
    )


def _check_export(subject: Subject) -> None:
    for ratio in _RATIOS:
        selector = for_ratio(subject.selector, ratio)
        scores = subject.scores if selector == subject.selector else _scores(selector, planted_task())
        indices = _chosen(selector, scores, ratio, ExportSettings())
        count = math.floor(ratio * PLANTED_SIZE + 0.5)
        _expect(len(indices) == count, f"{count} of {PLANTED_SIZE} samples at ratio {ratio}", len(indices))


def _check_threshold(subject: Subject) -> None:
    policy = gives_keep_logits(subject.selector)
    said = f"gives_keep_logits of the class, which is {policy}"
    _expect(subject.scores.policy == policy, f"policy of the scores to be {said}", subject.scores.policy)
    _expect(not policy or subject.scores.kind == "logit", "keep logits of a policy, of kind logit", subject.scores.kind)
    try:
        _chosen(subject.selector, subject.scores, 0.5, ExportSettings(mode="threshold"))
        outcome = "a set"
    except ConfigurationError as error:
        outcome = str(error)
    expected = "a set of what has a keep logit above 0" if policy else "export.mode=threshold to be refused"
    _expect((outcome == "a set") == policy, expected, outcome)


CHECKS: Mapping[str, Callable[[Subject], None]] = {
    "fields": _check_fields,
    "scores": _check_scores,
    "repeatable": _check_repeatable,
    "global_generators": _check_global_generators,
    "company": _check_company,
    "inputs": _check_inputs,
    "two_samples": _check_two_samples,
    "features": _check_features,
    "permutation": _check_permutation,
    "ratio": _check_ratio,
    "export": _check_export,
    "threshold": _check_threshold,
}
