"""The help text of a command: its keys with their values as composed, each with what its docstring says of it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from rlsel.cli.documentation import read_documentation
from rlsel.cli.table import GROUPS, OPTIONAL, Command
from rlsel.structure import Node, Plain, as_node

WIDTH = 100
"""Columns of the text; only a value or an example that is longer goes beyond."""

_MEANING = 34
"""The column where meanings begin."""

_REQUIRED = "???"
"""How OmegaConf writes a value that must be given."""

_LEVELS = {
    "dataset": "rlsel.data.variation.Variation",
    "training": "rlsel.training.settings.TrainingSettings",
    "cover": "rlsel.cover.settings.CoverSettings",
    "export": "rlsel.export.ExportSettings",
    "evaluation": "rlsel.evaluation.settings.EvaluationSettings",
    "device": "rlsel.training.devices.DeviceSettings",
}
"""Keys that hold settings of one class, whatever else is chosen."""

_SHARED = (
    "rlsel.runs.settings.RunSettings",
    "rlsel.runs.settings.RunOptions",
    "rlsel.selectors.rl_selector.RLSelector",
)
"""Classes that describe the keys of which a command's own request says nothing."""

_ONLY_HERE = {
    "selector": "The method, with its settings; `selectors=[a,b]` takes several in its place.",
    "verbose": "Whether the progress tells how a policy learns, too: its losses, its price, its overlap with itself.",
    "logger": "Further logs of what each epoch measures.",
    "targets_from": (
        "Packages of your own, as in [my_package], whose classes and functions a run folder or a file of --config-dir "
        "may name; of others, what is typed here, and rlsel, timm and torchvision."
    ),
    "_target_": "The import path of a dataclass of your own, as in package.module.Class.",
}
"""Meanings of keys that exist on the command line alone."""

_SHARE = "The share of the samples in a pass, with a coreset that is chosen while the model trains; None for 0.5."
"""The meaning of `ratio` where nothing is selected."""

_FIRST = (
    *("run", "against", "format", "part", "mode", "root", "out", "overwrite", "rows", "pairs", "removals"),
    *("coreset", "ratio", "tolerance", "ratios", "seed", "seeds", "selectors", "variants", "dynamic"),
    *("train_models", "budget", "for_model", "for_steps", "for_epochs"),
    *("epochs", "features", "dataset", "model", "training", "selector", "export", "policy", "reward", "cover"),
    *("evaluation", "run_dir", "resume", "jobs", "verbose", "targets_from", "logger", "device"),
)
"""The order of the keys, the most used first; others follow."""

_Row = tuple[str, str]
"""A setting with its value, and its meaning."""


def help_text(command: Command, nodes: Node, choices: Node, options: Mapping[str, Sequence[str]]) -> str:
    """Returns the help text of a command.

    Args:
        command: The command.
        nodes: Its composed configuration, as plain containers; `???` stands for what must be given.
        choices: The groups to the names of the options that are chosen; None where none is.
        options: The groups to the names that they offer, in the order in which they are listed.

    Raises:
        ConfigurationError: if a scalar stands where settings belong.
    """
    required = [f"{key}={key.upper()}" for key in _ordered(command) if nodes.get(key) == _REQUIRED]
    usage = " ".join(["rlsel", command.name, *required, "[KEY=VALUE ...]"])
    listed = [_wrapped(f"{group}: {', '.join(names)}", 2, 4) for group, names in options.items()]
    examples = [f"  {example}" for example in (command.example, *command.examples)]
    return "\n".join(
        [
            *(usage, "", _wrapped(command.description), ""),
            f"Keys with their default values, or those given beside --help; {_REQUIRED} must be given",
            *_laid_out(command, nodes, choices),
            *(["", "Groups, each with the names that it takes", *listed] if listed else []),
            *("", "Examples", *examples),
            *(
                ["", f"rlsel {command.name} GROUP=NAME --help explains the settings of another choice."]
                if listed
                else []
            ),
        ]
    )


def _laid_out(command: Command, nodes: Node, choices: Node) -> Iterator[str]:
    """Yields the lines of all keys; a level of settings stands between blank lines."""
    meanings = dict(_ONLY_HERE)
    for path in (*reversed(_SHARED), command.request):
        meanings.update(read_documentation(path).attributes)
    meanings["ratio"] = meanings.get("ratios", _SHARE)
    separated = True
    for key in _ordered(command):
        rows = list(_rows(key, nodes, choices, meanings.get(key, "")))
        if len(rows) > 1 and not separated:
            yield ""
        for setting, meaning in rows:
            yield _row(setting, meaning)
        separated = len(rows) > 1
        if separated and key != _ordered(command)[-1]:
            yield ""


def _ordered(command: Command) -> list[str]:
    return [*(key for key in _FIRST if key in command.keys), *sorted(command.keys.difference(_FIRST))]


def _rows(key: str, nodes: Node, choices: Node, meaning: str) -> Iterator[_Row]:
    """Yields a top-level key and the settings behind it."""
    if key in GROUPS | OPTIONAL:
        node = as_node(nodes.get(key) or {}, key)
        chosen = choices.get(key)
        summary = read_documentation(str(node.get("_target_"))).summary
        yield f"{key}={written(chosen)}", f"{meaning} {chosen}: {summary}" if summary else meaning
        yield from _settings(key, node)
    elif key in _LEVELS:
        yield f"{key}.KEY", read_documentation(_LEVELS[key]).summary
        yield from _settings(key, as_node(nodes.get(key), key))
    else:
        yield f"{key}={written(nodes.get(key))}", meaning


def _settings(key: str, node: Node) -> Iterator[_Row]:
    """Yields the settings of a level, those of its own class before those that all choices have."""
    own = read_documentation(str(node.get("_target_"))).attributes
    meanings = {**_ONLY_HERE, **read_documentation(_LEVELS.get(key, "")).attributes, **own}
    for name in sorted(node, key=lambda name: name not in own):
        value = node[name]
        if isinstance(value, Mapping) and "_target_" in value:
            yield from _settings(f"{key}.{name}", value)
        elif name != "_target_" or value == _REQUIRED:
            yield f"{key}.{name}={written(value)}", meanings.get(name, "")


def written(value: Plain) -> str:
    """Returns a value as it is written on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(written, value)) + "]"
    return str(value)


def _row(setting: str, meaning: str) -> str:
    """Returns a setting with its meaning beside it, or below where there is no room; None is null to a user."""
    words = " ".join("null" + word[4:] if word.rstrip(".,;:") == "None" else word for word in meaning.split())
    text = _wrapped(words, _MEANING, _MEANING)
    beside = f"  {setting}"
    if len(beside) < _MEANING - 1:
        return (beside.ljust(_MEANING) + text[_MEANING:]).rstrip()
    return f"{beside}\n{text}".rstrip()


def _wrapped(text: str, first: int = 0, others: int = 0) -> str:
    """Returns the text in lines of at most `WIDTH`, indented by `first` and `others` columns."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=" " * first,
        subsequent_indent=" " * others,
        break_long_words=False,
        break_on_hyphens=False,
    )
