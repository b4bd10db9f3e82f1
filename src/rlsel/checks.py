"""Checks of single values, with one form of message: *name* must be *allowed*, got *value*: *remedy*."""

import math
from collections.abc import Collection, Sequence
from difflib import get_close_matches

from rlsel.errors import ConfigurationError

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def refuse(name: str, allowed: str, got: object, remedy: str = "") -> ConfigurationError:
    """Builds the error for a value that is not allowed.

    Args:
        name: The setting, as a user writes it.
        allowed: What it may be, as it reads after "must be".
        got: The value given.
        remedy: What to do, where the allowed range does not say so already.

    Returns:
        The error, for the caller to raise.
    """
    message = f"{name} must be {allowed}, got {got!r}"
    return ConfigurationError(f"{message}: {remedy}" if remedy else message)


def positive_int(name: str, value: object) -> int:
    """Returns `value` if it is an integer of at least 1, else raises `ConfigurationError`."""
    return int_at_least(name, value, 1)


def int_at_least(name: str, value: object, minimum: int) -> int:
    """Returns `value` if it is an integer of at least `minimum`, else raises `ConfigurationError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise refuse(name, f"an integer of at least {minimum}", value)
    return countable(name, value)


def countable(name: str, value: int) -> int:
    """Returns `value` if 64 bits hold it, as all that counts needs, else raises `ConfigurationError`."""
    if not _LOWEST <= value <= _HIGHEST:
        raise refuse(name, f"an integer from {_LOWEST} to {_HIGHEST}", value)
    return value


def number_between(
    name: str,
    value: object,
    low: float,
    high: float = math.inf,
    *,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Returns `value` as a float if it is a finite number in the interval, else raises `ConfigurationError`.

    Args:
        name: The setting, as a user writes it.
        value: The value given.
        low: The lower bound.
        high: The upper bound; infinite for none.
        low_open: Whether `low` itself is refused.
        high_open: Whether `high` itself is refused.
    """
    inside = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (low < value if low_open else low <= value)
        and (value < high if high_open else value <= high)
    )
    if not inside:
        left, right = "(" if low_open else "[", ")" if high_open or high == math.inf else "]"
        raise refuse(name, f"a number in {left}{low:g}, {high:g}{right}", value)
    return float(value)  # type: ignore[arg-type]


def one_of(name: str, value: object, allowed: Collection[str]) -> str:
    """Returns `value` if it is one of `allowed`, else raises `ConfigurationError` with the nearest name."""
    if not isinstance(value, str) or value not in allowed:
        raise refuse(name, "one of " + ", ".join(sorted(allowed)), value, nearest(str(value), allowed))
    return value


def require_some(name: str, given: Sequence[object]) -> None:
    """Raises `ConfigurationError` for an empty list."""
    if not given:
        raise refuse(name, "a list of at least one", "[]")


def require_each_once(name: str, given: Sequence[object]) -> None:
    """Raises `ConfigurationError` for a list that holds a value twice."""
    for value in given:
        if given.count(value) > 1:
            raise ConfigurationError(f"{name} must name each once, got {value} twice: remove one")


def nearest(given: str, allowed: Collection[str]) -> str:
    """Returns "did you mean X?" for the name of `allowed` that is most like `given`, or an empty string.

    Capitals and hyphens make no difference: `EL2N` is as near to `el2n` as can be.
    """
    names = {_spelled(name): name for name in allowed}
    match = get_close_matches(_spelled(given), names, n=1, cutoff=0.6)
    return f"did you mean {names[match[0]]!r}?" if match else ""


def _spelled(name: str) -> str:
    return name.casefold().replace("-", "_")
