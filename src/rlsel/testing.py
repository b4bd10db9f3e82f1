"""The contract that every selection method keeps, as a test for methods of your own.

`check_selector` runs a method on small planted data, seconds on a CPU, and raises for the first promise it breaks:

>>> from dataclasses import dataclass
>>> from rlsel.export import ExportSettings
>>> from rlsel.selectors.features import feature_needs, selection_features
>>> @dataclass(frozen=True, kw_only=True)
... class FarFromTheMean:
...     name = "far_from_the_mean"
...     export = ExportSettings(mode="topk")
...
...     power: float = 2.0
...
...     def needs(self, task):
...         return feature_needs(task)
...
...     def score(self, task, observed):
...         features = selection_features(task, observed)
...         return (features - features.mean(dim=0)).norm(dim=1) ** self.power
>>> check_selector(FarFromTheMean())

`selector_checks` gives the promises one by one, for pytest to show each as a test:

>>> [name for name, check in selector_checks(FarFromTheMean())][:3]
['fields', 'scores', 'repeatable']
>>> import pytest
>>> @pytest.mark.parametrize(("name", "check"), selector_checks(FarFromTheMean()))
... def test_far_from_the_mean(name, check):
...     check()

What no process can see of itself is not checked: that the order of a set of strings, which differs from one start of
Python to the next, decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from rlsel.selector_contract import CHECKS, BrokenPromise, Subject
from rlsel.selectors.base import Selector


class SelectorCheckError(Exception):
    """A selection method breaks the contract.

    Attributes:
        check: The promise that is broken, as `selector_checks` names it.
        expected: What it says.
        got: What was seen instead.
    """

    def __init__(self, selector: str, check: str, *, expected: str, got: str) -> None:
        super().__init__(f"selector {selector}, check {check}: expected {expected}, got {got}")
        self.check, self.expected, self.got = check, expected, got


def check_selector(selector: Selector) -> None:
    """Checks that a selection method keeps the contract; `selector_checks` says what is checked.

    Args:
        selector: The method, with the hyperparameters to check it with.

    Raises:
        SelectorCheckError: for the first promise that it breaks.
    """
    for _, check in selector_checks(selector):
        check()


def selector_checks(selector: Selector) -> Iterator[tuple[str, Callable[[], None]]]:
    """Gives the promises of the contract one by one; none of them depends on another one being checked before.

    * `fields`: the method is a frozen keyword-only dataclass with a name and a default export, and can be hashed.
    * `scores`: there is one finite number for each sample.
    * `repeatable`: the same seed gives the same scores.
    * `global_generators`: those of torch, NumPy and Python are left as they are, and decide nothing.
    * `company`: what other methods of a run want to see of the shared training changes no score.
    * `inputs`: images, labels, features and what was observed are not modified.
    * `two_samples`: a data set of two is enough, or refused through `rlsel.errors`.
    * `features`: those that the user brings are compared, or ignored.
    * `permutation`: samples in another order get the same scores, where nothing is trained and nothing drawn.
    * `ratio`: a method that is made for one ratio takes it as its field `ratio`.
    * `export`: the default export keeps exactly floor(ratio N + 1/2) samples.
    * `threshold`: `export.mode=threshold` works for a policy, and is refused for any other method.

    Args:
        selector: The method, with the hyperparameters to check it with.

    Yields:
        The name of a check, and the check: a function that raises `SelectorCheckError` where the promise is broken.
    """
    subject = Subject(selector)
    for name, check in CHECKS.items():
        yield name, partial(_run, subject, name, check)


def _run(subject: Subject, name: str, check: Callable[[Subject], None]) -> None:
    selector = str(getattr(subject.selector, "name", type(subject.selector).__name__))
    try:
        check(subject)
    except BrokenPromise as broken:
        raise SelectorCheckError(selector, name, expected=broken.expected, got=broken.got) from broken.__cause__
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise SelectorCheckError(selector, name, expected="no error", got=got) from error
