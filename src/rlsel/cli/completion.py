"""Completion in the shell: command names and values of short lists here, everything behind them by Hydra."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rlsel.checks import nearest, refuse
from rlsel.cli.output import print_result
from rlsel.cli.table import COMMANDS, Command
from rlsel.errors import ConfigurationError

_OPTIONS = ("--cfg", "--config-dir", "--help", "--multirun")

_SHELLS = ("bash", "fish", "zsh")

_BOOLEAN = ("false", "true")

VALUES: Mapping[str, tuple[str, ...]] = {
    "budget": ("steps", "epochs", "seconds"),
    "cover.distance": ("euclidean", "cosine"),
    "cover.measure": ("cover", "knn", "prototype", "density"),
    "cover.reduction": ("mean", "sum"),
    "dataset.part": ("first", "second"),
    "export.class_balance": ("none", "proportional"),
    "export.mode": ("topk", "sample", "stratified", "threshold"),
    "export.near_duplicates": ("as_any", "last"),
    "format": (
        *("csv", "fiftyone", "hf", "imagefolder", "lightly", "parquet", "shards", "torch", "txt", "webdataset", "yolo"),
    ),
    "mode": ("symlink", "hardlink", "copy"),
    "overwrite": _BOOLEAN,
    "part": ("kept", "dropped", "both"),
    "resume": ("auto", "never"),
    "training.optimizer": ("sgd", "adamw"),
    "training.schedule": ("cosine", "step", "constant"),
    "training.weighting": ("none", "policy"),
    "verbose": _BOOLEAN,
}
"""Keys to the words that they take, of which Hydra knows nothing; the classes that do take seconds to import."""

_ZSH = """\
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
_rlsel_complete() {{
    local -a found
    found=(${{(f)"$(COMP_LINE="${{(j: :)words[1,CURRENT-1]}} $PREFIX" COMP_POINT= $words[1] -sc query=zsh)"}})
    compadd -S '' -- $found
}}
compdef _rlsel_complete {name}"""
"""What zsh evaluates; Hydra has the one of bash for it, which zsh reads in another way."""


def complete(program: str, request: Sequence[str]) -> None:
    """Answers `rlsel -sc install=SHELL`, `uninstall=SHELL` and, called by the shell, `query=SHELL`.

    Args:
        program: How the program was called.
        request: The words behind `-sc`.

    Raises:
        ConfigurationError: if the request is none of these.
    """
    kind, _, shell = request[0].partition("=") if len(request) == 1 else ("", "", "")
    if kind not in ("install", "uninstall", "query"):
        raise refuse(
            "-sc", "followed by install=SHELL or uninstall=SHELL", " ".join(request), "for example install=bash"
        )
    if shell not in _SHELLS:
        raise refuse(f"-sc {kind}", f"one of {', '.join(_SHELLS)}", shell, nearest(shell, _SHELLS))
    if kind == "query":
        _answer(program, "fish" if shell == "zsh" else shell)
    elif shell == "zsh":
        name = Path(program).name
        print_result(_ZSH.format(name=name) if kind == "install" else f"compdef -d {name}")
    else:
        _ask_hydra(program, request[0], next(iter(COMMANDS.values())))


def _answer(program: str, shell: str) -> None:
    """Prints what the word at the cursor can become: in one line for bash, else one a line."""
    words = _words_before_cursor()
    known = _known_here(words)
    if known is not None:
        print_result((" " if shell == "bash" else "\n").join(known))
        return
    if words[0] not in COMMANDS:
        return
    from rlsel.cli.typed import as_typed

    *settings, last = [word for word in words[1:] if not word.startswith("-")]
    line = " ".join([Path(program).name, *as_typed(settings, several=False), last])
    os.environ["COMP_LINE"], os.environ["COMP_POINT"] = line, str(len(line))
    _ask_hydra(program, f"query={shell}", COMMANDS[words[0]])


def _known_here(words: Sequence[str]) -> list[str] | None:
    """Returns the completions of the last word that take no configuration; None where only Hydra knows them."""
    if len(words) <= 1:
        return _matching(COMMANDS, words[0] if words else "")
    last = words[-1]
    if last.startswith("-"):
        return _matching(_OPTIONS, last)
    key, equals, _ = last.partition("=")
    command = COMMANDS.get(words[0])
    if command is not None and equals and key in VALUES and key.partition(".")[0] in command.keys:
        return _matching((f"{key}={value}" for value in VALUES[key]), last)
    return None


def _words_before_cursor() -> list[str]:
    """Returns the words behind the program's name; the last is the one being typed, perhaps empty."""
    line = os.environ.get("COMP_LINE", "")
    point = os.environ.get("COMP_POINT", "")
    line = line[: int(point)] if point.isdigit() else line
    words = line.split()[1:]
    return [*words, ""] if line.endswith(" ") else words


def _matching(names: Iterable[str], start: str) -> list[str]:
    return [name for name in names if name.startswith(start)]


def _ask_hydra(program: str, request: str, command: Command) -> None:
    from rlsel.cli.job import run_hydra

    try:
        run_hydra([program, "--shell-completion", request], command)
    except ConfigurationError:
        # a half-typed line that does not compose has no completion, and the terminal is no place to say so
        if not request.startswith("query="):
            raise
