"""A row of a comparison as the settings in which it differs, written as on the command line of `rlsel select`.

Hydra composes the options that a row names, but not the row as a whole: a row starts from the composed values of the
comparison, whichever file or override each is from, and what Hydra composes starts from texts of overrides alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from rlsel.checks import refuse
from rlsel.cli.composing import compose_option
from rlsel.structure import Node, as_node

_GROUPS = ("selector", "policy", "reward")
"""Keys whose value is the name of an option."""

_LEVELS = (*_GROUPS, "cover", "export")


def variant_nodes(nodes: Node, overrides: Node) -> Mapping[str, Node]:
    """Returns what a selector is built from: the comparison's own settings, changed by the overrides of a row.

    As with Hydra, options are chosen before single settings are changed, in whatever order they stand.

    Args:
        nodes: The composed configuration of the comparison.
        overrides: The settings of the row, as `{selector: static_cover, cover.measure: knn}`; without a selector,
            `rl_selector` is meant.

    Raises:
        ConfigurationError: for a key that does not belong to a row, or an option that does not exist.
    """
    own = {key: dict(as_node(nodes[key], key)) for key in _LEVELS if key in nodes}
    own["selector"] = dict(compose_option("selector", overrides.get("selector", "rl_selector")))
    for group in ("policy", "reward"):
        if group in overrides:
            own[group] = dict(compose_option(group, overrides[group]))
    for key, value in overrides.items():
        level, _, name = str(key).partition(".")
        if level not in _LEVELS or bool(name) == (key in _GROUPS):
            raise refuse("a key", f"one of {', '.join(_GROUPS)}, or a setting of {', '.join(_LEVELS)}", key)
        if name:
            own[level][name] = value
    return own
