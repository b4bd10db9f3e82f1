"""The public contract test: a good selector passes, and one that breaks a single promise is caught by its check."""

import doctest
import random  # noqa: TID251 - what a selector must not use
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

import rlsel.testing
from rlsel.errors import DataError
from rlsel.export import ExportSettings
from rlsel.planted import planted_task
from rlsel.selectors.base import FINAL, Needs, Observed, Scores, SelectionTask
from rlsel.selectors.target_training import train_target
from rlsel.testing import SelectorCheckError, check_selector, selector_checks


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Compares samples by the mean of their image, or of their features; those that break something derive from it."""

    name: ClassVar[str] = "sound"
    export: ClassVar[ExportSettings] = ExportSettings(mode="topk")

    power: float = 1.0

    def needs(self, task: SelectionTask) -> Needs:
        return Needs()

    def score(self, task: SelectionTask, observed: Observed) -> Any:
        return self.means(task)

    def means(self, task: SelectionTask) -> Tensor:
        return (images(task).flatten(1) if task.features is None else task.features).mean(dim=1)


def images(task: SelectionTask) -> Tensor:
    [pixels] = task.dataset.train.images.batches([torch.arange(len(task))])
    return pixels


Score = Callable[[Sound, SelectionTask, Observed], Any]


def scoring(score: Score, needs: Needs | None = None) -> Sound:
    """Makes a selector with these scores."""

    @dataclass(frozen=True, kw_only=True)
    class Broken(Sound):
        def needs(self, task: SelectionTask) -> Needs:
            return needs or Needs()

        def score(self, task: SelectionTask, observed: Observed) -> Any:
            return score(self, task, observed)

    return Broken()


def with_class(**attributes: object) -> Sound:
    """Makes a selector whose class has these attributes."""
    return dataclass(frozen=True, kw_only=True)(type("Broken", (Sound,), attributes))()


# what stands in the way of a promise


@dataclass(kw_only=True)
class NotFrozen:
    name: ClassVar[str] = "not_frozen"
    export: ClassVar[ExportSettings] = ExportSettings()

    needs = Sound.needs
    score = Sound.score
    means = Sound.means
    __hash__ = object.__hash__


@dataclass(frozen=True)
class Positional:
    name: ClassVar[str] = "positional"
    export: ClassVar[ExportSettings] = ExportSettings()

    needs = Sound.needs
    score = Sound.score
    means = Sound.means

    power: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Named(Sound):
    name: str = "a_field"


@dataclass(frozen=True, kw_only=True)
class NotHashable(Sound):
    powers: list[float] = field(default_factory=list)


class NoDataclass:
    name = "no_dataclass"
    export = ExportSettings()

    needs = Sound.needs
    score = Sound.score
    means = Sound.means


@dataclass(frozen=True, kw_only=True)
class AtOneRatio(Sound):
    """Has a ratio that nobody can set."""

    ratio: float = field(default=0.5, init=False)


@dataclass(frozen=True, kw_only=True)
class AtAnotherRatio(Sound):
    """Rounds the ratio that is set."""

    ratio: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratio", round(self.ratio, 1))


@dataclass(frozen=True, kw_only=True)
class OnlyOneExport(Sound):
    """Leaves out what the threshold decides, so that no ratio is met."""

    export: ClassVar[ExportSettings] = ExportSettings(mode="threshold")
    gives_keep_logits: ClassVar[bool] = True

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        return Scores(values=self.means(task) - self.means(task).median(), kind="logit", policy=True)


def shifted(selector: Sound, task: SelectionTask, observed: Observed, where: str) -> Tensor:
    scores = selector.means(task)
    given: dict[str, Callable[[], Tensor]] = {
        "images": lambda: task.dataset.train.images.pixels,  # type: ignore[attr-defined]
        "labels": lambda: task.labels,
        "features": lambda: task.features if task.features is not None else torch.zeros(1),
        "clean": lambda: observed.clean[FINAL].logits,
        "dynamics": lambda: observed.dynamics.margin,  # type: ignore[union-attr]
        "model": lambda: next(observed.model.parameters()).data,  # type: ignore[union-attr]
    }
    given[where]().add_(1)
    return scores


def draws(source: str) -> Score:
    draw = {
        "torch": lambda: float(torch.rand(1)),
        "numpy": lambda: np.random.random(),  # noqa: NPY002 - the mistake
        "random": lambda: random.random(),  # noqa: S311 - the mistake
    }[source]
    return lambda selector, task, _: selector.means(task) + 0.0 * draw()


def depends_on_torch(selector: Sound, task: SelectionTask, _: Observed) -> Tensor:
    with torch.random.fork_rng(devices=()):
        return selector.means(task) + torch.rand(len(task))


def seen_in_company(selector: Sound, task: SelectionTask, observed: Observed) -> Tensor:
    return selector.means(task) + len(observed.clean) * torch.arange(len(task))


def crashes_on_two(selector: Sound, task: SelectionTask, _: Observed) -> Tensor:
    if len(task) == 2:
        raise IndexError("index 2 is out of bounds")
    return selector.means(task)


def crashes_on_features(selector: Sound, task: SelectionTask, _: Observed) -> Tensor:
    if task.features is not None and len(task) > 2:
        raise AttributeError("no conv1")
    return selector.means(task)


WATCHED = Needs(training=True, clean_epochs=frozenset({FINAL}))
ENTROPY = np.random.default_rng()

BROKEN: dict[str, tuple[Any, str, str]] = {
    "no dataclass": (NoDataclass(), "fields", "an instance of a dataclass"),
    "a class": (Sound, "fields", "an instance of a dataclass"),
    "not frozen": (NotFrozen(), "fields", "a frozen dataclass"),
    "positional": (Positional(), "fields", r"keyword-only fields.*positional \['power'\]"),
    "a name for no folder": (with_class(name="a/b"), "fields", "a name of letters.*'a/b'"),
    "no name": (with_class(name=None), "fields", "a name of letters.*None"),
    "a name that can be set": (Named(), "fields", "a class variable name, got a field"),
    "no export": (with_class(export="topk"), "fields", "export to be ExportSettings, got 'topk'"),
    "not hashable": (NotHashable(), "fields", "unhashable"),
    "too few scores": (
        scoring(lambda selector, task, _: selector.means(task)[1:]),
        "scores",
        "one finite number for each of the 48 samples, got .* got 47",
    ),
    "two numbers a sample": (
        scoring(lambda selector, task, _: selector.means(task)[:, None].repeat(1, 2)),
        "scores",
        r"one finite number .* got \(48, 2\)",
    ),
    "NaN": (
        scoring(lambda selector, task, _: selector.means(task).masked_fill(task.labels == 1, torch.nan)),
        "scores",
        "one finite number .* got nan",
    ),
    "an unknown kind": (
        scoring(lambda selector, task, _: Scores(values=selector.means(task), kind="rank")),  # type: ignore[arg-type]
        "scores",
        "of kind score or logit, got 'rank'",
    ),
    "an own seed": (
        scoring(lambda selector, task, _: ENTROPY.random(len(task))),
        "repeatable",
        "the same scores from the same seed",
    ),
    **{
        f"draws from {source}": (scoring(draws(source)), "global_generators", rf"left as they are.* \['{source}'\]")
        for source in ("torch", "numpy", "random")
    },
    "reads torch's generator": (scoring(depends_on_torch), "global_generators", "no global generator decides"),
    "company": (scoring(seen_in_company, WATCHED), "company", "the scores that the method gives when it runs alone"),
    **{
        f"changes {what}": (
            scoring(lambda selector, task, observed, what=what: shifted(selector, task, observed, what), WATCHED),
            "inputs",
            rf"as they were given, got changed \['{what}",
        )
        for what in ("images", "labels", "features", "clean", "dynamics", "model")
    },
    "two samples": (scoring(crashes_on_two), "two_samples", "no error, got IndexError: index 2 is out of bounds"),
    "features": (scoring(crashes_on_features), "features", "no error, got AttributeError: no conv1"),
    "order": (
        scoring(lambda selector, task, _: selector.means(task) + torch.arange(len(task))),
        "permutation",
        "permuted scores of permuted samples",
    ),
    "a fixed ratio": (AtOneRatio(), "ratio", "no error"),
    "another ratio": (AtAnotherRatio(), "ratio", "the field ratio to be 0.37 .* got 0.4"),
    "another size": (OnlyOneExport(), "export", "5 of 48 samples at ratio 0.1"),
    "a policy without keep logits": (with_class(gives_keep_logits=True), "threshold", "policy of the scores.*is True"),
    "keep logits of no policy": (
        scoring(lambda selector, task, _: Scores(values=selector.means(task), kind="logit", policy=True)),
        "threshold",
        "policy of the scores.*is False",
    ),
    "a policy of scores": (
        with_class(gives_keep_logits=True, score=lambda self, task, _: Scores(values=self.means(task), policy=True)),
        "threshold",
        "keep logits of a policy",
    ),
    "a policy that keeps nothing": (
        with_class(
            gives_keep_logits=True,
            score=lambda self, task, _: Scores(values=self.means(task) - 1e3, kind="logit", policy=True),
        ),
        "threshold",
        "a set of what has a keep logit above 0",
    ),
}


@pytest.mark.parametrize(("selector", "check", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_selector_is_caught_by_the_check_of_its_promise(selector: Any, check: str, message: str) -> None:
    run = dict(selector_checks(selector))[check]
    with pytest.raises(SelectorCheckError, match=f"check {check}: expected.*{message}") as caught:
        run()
    assert caught.value.check == check


def names_of_failing(selector: Any) -> set[str]:
    failing = set()
    for name, check in selector_checks(selector):
        try:
            check()
        except SelectorCheckError:
            failing.add(name)
    return failing


@pytest.mark.parametrize("name", ["order", "company", "changes clean", "another ratio", "two samples", "features"])
def test_the_other_checks_do_not_mind(name: str) -> None:
    selector, check, _ = BROKEN[name]
    others = {"inputs", "permutation"} if name == "features" else set()  # which bring features too
    assert names_of_failing(selector) == {check} | others
    with pytest.raises(SelectorCheckError):
        check_selector(selector)


def test_the_user_s_generators_are_put_back_where_a_selector_draws_from_them() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index] # noqa: NPY002
    for source in ("torch", "numpy", "random"):
        with pytest.raises(SelectorCheckError):
            dict(selector_checks(scoring(draws(source))))["global_generators"]()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # type: ignore[index] # noqa: NPY002
    assert random.getstate() == before[2]


def trained(selector: Sound, task: SelectionTask, _: Observed) -> Tensor:
    """Makes a score of the order of the samples, as a training does that draws batches of positions."""
    train_target(task, "trained", epochs=1)
    return selector.means(task) + torch.arange(len(task))


def drawn(selector: Sound, task: SelectionTask, _: Observed) -> Tensor:
    return torch.rand(len(task), generator=torch.Generator().manual_seed(task.seed))


def refuses_two(selector: Sound, task: SelectionTask, _: Observed) -> Tensor:
    if len(task) == 2:
        raise DataError("sound needs two samples of each class")
    return selector.means(task)


SOUND = {
    "plain": Sound(),
    "bare numbers of NumPy": scoring(lambda selector, task, _: selector.means(task).double().numpy()),
    "trained by itself": scoring(trained),
    "shown a training": scoring(lambda selector, task, _: selector.means(task) + torch.arange(len(task)), WATCHED),
    "drawn from the seed": scoring(drawn),
    "refuses what is too small": scoring(refuses_two),
    "a policy": with_class(
        gives_keep_logits=True, score=lambda self, task, _: Scores(values=self.means(task), kind="logit", policy=True)
    ),
}


@pytest.mark.parametrize("selector", SOUND.values(), ids=SOUND)
def test_what_is_allowed_passes(selector: Sound) -> None:
    check_selector(selector)


def test_the_example_runs() -> None:
    results = doctest.testmod(rlsel.testing)
    assert results.attempted >= 8
    assert results.failed == 0


def test_the_classes_of_the_planted_data_are_told_apart_by_what_is_planted() -> None:
    task = planted_task(with_features=True)
    assert len(task) == 48
    # the columns of a class are brighter by one, on noise whose mean over 8 x 2 pixels deviates by 0.5 / 4
    columns = images(task)[:, 0].mean(dim=1)[:, 1:7].reshape(48, 3, 2).mean(dim=2)
    assert torch.equal(columns.argmax(dim=1), task.labels)
    order = torch.arange(48).flip(0)
    other = planted_task(with_features=True, order=order)
    assert torch.equal(images(other), images(task).flip(0))
    assert torch.equal(other.labels, task.labels.flip(0))
    assert torch.equal(other.features, task.features.flip(0))  # type: ignore[arg-type, union-attr]
