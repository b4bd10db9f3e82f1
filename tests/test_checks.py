import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlsel.checks import int_at_least, nearest, number_between, one_of, positive_int, refuse
from rlsel.errors import ConfigurationError, RlselError


def message_of(check: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check()
    return str(caught.value)


def test_a_message_says_what_is_allowed_and_what_was_given() -> None:
    assert str(refuse("seed", "an integer", "x")) == "seed must be an integer, got 'x'"
    assert str(refuse("seed", "an integer", None, "leave it out")) == "seed must be an integer, got None: leave it out"
    assert isinstance(refuse("a", "b", 1), RlselError)


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None, [1]])
def test_an_integer_is_nothing_else(value: object) -> None:
    expected = f"epochs must be an integer of at least 1, got {value!r}"
    assert message_of(partial(positive_int, "epochs", value)) == expected


@given(st.integers(-(2**63), 2**63 - 1), st.integers())
def test_an_integer_has_a_least_value(value: int, minimum: int) -> None:
    if value >= minimum:
        assert int_at_least("x", value, minimum) == value
    else:
        assert message_of(partial(int_at_least, "x", value, minimum)) == (
            f"x must be an integer of at least {minimum}, got {value}"
        )


def test_an_integer_fits_into_64_bits() -> None:
    assert int_at_least("x", 9223372036854775807, 0) == 9223372036854775807
    for value in (9223372036854775808, 10**30):
        assert message_of(partial(int_at_least, "x", value, 0)) == (
            f"x must be an integer from -9223372036854775808 to 9223372036854775807, got {value}"
        )


@pytest.mark.parametrize("value", [True, "0.5", None, math.nan, math.inf, -math.inf])
def test_a_number_is_finite_and_no_flag(value: object) -> None:
    assert message_of(partial(number_between, "x", value, 0)) == f"x must be a number in [0, inf), got {value!r}"


@pytest.mark.parametrize(
    ("low_open", "high_open", "interval", "inside"),
    [
        (False, False, "[0, 1]", {0, 0.5, 1}),
        (True, False, "(0, 1]", {0.5, 1}),
        (False, True, "[0, 1)", {0, 0.5}),
        (True, True, "(0, 1)", {0.5}),
    ],
)
def test_an_interval_may_leave_out_its_ends(low_open: bool, high_open: bool, interval: str, inside: set[float]) -> None:
    for value in (-0.1, 0, 0.5, 1, 1.1):
        check = partial(number_between, "x", value, 0, 1, low_open=low_open, high_open=high_open)
        if value in inside:
            assert (check(), type(check())) == (value, float)
        else:
            assert message_of(check) == f"x must be a number in {interval}, got {value}"


def test_one_of_several_names() -> None:
    assert one_of("mode", "topk", ("topk", "sample")) == "topk"
    assert message_of(partial(one_of, "mode", "topkk", ("topk", "sample"))) == (
        "mode must be one of sample, topk, got 'topkk': did you mean 'topk'?"
    )


@pytest.mark.parametrize("value", [None, 3, "", "zzz"])
def test_what_is_like_no_name_gets_no_advice(value: Any) -> None:
    assert message_of(partial(one_of, "mode", value, ("topk", "sample"))) == (
        f"mode must be one of sample, topk, got {value!r}"
    )


def test_the_nearest_name_is_the_most_alike() -> None:
    assert nearest("resnet8", ["resnet18", "resnet50", "vit"]) == "did you mean 'resnet18'?"
    assert nearest("qqq", ["resnet18"]) == ""
