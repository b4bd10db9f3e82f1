"""What a command uses that starts from a run: what was given, over what the run recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rlsel.structure import Plain

if TYPE_CHECKING:
    from rlsel.cli.composing import Composed


def prefer_given(composed: Composed, key: str, recorded: Plain) -> Plain:
    """Returns what a command uses: the values that the user gave, else those that the run recorded.

    Null stands for "as recorded", but for the default of the class where the user typed it.

    Args:
        composed: The composed configuration.
        key: A top-level key. A level below it that names a `_target_` of its own, or was chosen by name, stands for
            itself, without its nulls.
        recorded: The recorded value; None where there is none.
    """
    given = composed.nodes[key]
    if not isinstance(given, Mapping):
        return recorded if given is None and key not in composed.given else given
    chosen = {name: value for name, value in given.items() if value is not None}
    stands_alone = "_target_" in chosen or (key in composed.given and bool(chosen))
    if stands_alone or not isinstance(recorded, Mapping):
        return chosen
    kept = {name: value for name, value in recorded.items() if f"{key}.{name}" not in composed.given}
    return {**kept, **chosen}
