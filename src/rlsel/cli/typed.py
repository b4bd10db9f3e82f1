"""Settings as they were typed, in the form in which Hydra reads just that.

Hydra reads a value as YAML would: `run_dir=2024_01_05` is a number to it, `dataset.root=true` a truth value, and
`run_dir=runs(1)` no value at all. A path is text, whatever it looks like, so that it is put into quotes first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

PATH_KEYS = frozenset(
    {"run_dir", "run", "against", "coreset", "features", "out", "root"}
    | {"dataset.root", "dataset.path", "dataset.labels", "evaluation.root"}
)
"""Keys whose value is a path, with `logger.NAME.folder`; a word such as `features=saved` is text as well."""

_LOGGER_FOLDER = re.compile(r"logger\.\w+\.folder")
_SWEEP = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag)\(.*\)", re.DOTALL)
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_CHOICE = re.compile(rf"\s*(?:{_QUOTED})\s*(?=,|$)|[^,]*", re.DOTALL)


def as_typed(overrides: Sequence[str], *, several: bool) -> tuple[str, ...]:
    """Returns the overrides so that Hydra takes each path as the text that it is.

    Args:
        overrides: As typed, `key=value`.
        several: Whether a comma parts the values of several jobs; without, it belongs to the path.
    """
    own_model = "model=custom" in overrides
    return tuple(_with_path(_with_own_model(override, own_model), several=several) for override in overrides)


def given_paths(overrides: Sequence[str], key: str) -> tuple[str, ...]:
    """Returns the paths that were typed for a key of a sweep, of overrides that went through `as_typed`.

    There are none where only Hydra can work them out: of an interpolation, and of a sweep other than plain choices.
    """
    paths: tuple[str, ...] = ()
    for override in overrides:
        name, _, text = override.partition("=")
        if name.lstrip("+") == key and not _is_open(text, several=True):
            paths = tuple(_text_of(key, choice) for choice in _choices(text))
    return paths


def _with_own_model(override: str, own_model: bool) -> str:
    """Adds what Hydra wants before a key that the file of the option does not have, as `conf/model/custom.yaml`."""
    return f"++{override}" if own_model and override.startswith("model.") else override


def _with_path(override: str, *, several: bool) -> str:
    name, equals, text = override.partition("=")
    key = name.lstrip("+")
    if not equals or not (key in PATH_KEYS or _LOGGER_FOLDER.fullmatch(key)) or _is_open(text, several=several):
        return override
    if several:
        return f"{name}=" + ",".join(_quoted(key, choice) for choice in _choices(text))
    return f"{name}={_quoted(key, text)}"


def _is_open(text: str, *, several: bool) -> bool:
    """Returns whether a text is no path itself, but what Hydra makes one of: null, an interpolation, or a sweep."""
    return text.lower() == "null" or "${" in text or (several and _SWEEP.fullmatch(text) is not None)


def _choices(text: str) -> list[str]:
    """Parts a text at its commas, those inside quotes excepted."""
    choices, start = [], 0
    while True:
        found = _CHOICE.match(text, start)
        end = start if found is None else found.end()
        choices.append(text[start:end])
        if end >= len(text):
            return choices
        start = end + 1


def _quoted(key: str, text: str) -> str:
    """Returns a text as Hydra must see it: in quotes, unless it has them or is read as just this text without."""
    if re.fullmatch(_QUOTED, text, re.DOTALL) or _is_plain(key, text):
        return text
    return QuotedString(text=text, quote=Quote.single).with_quotes()


def _is_plain(key: str, text: str) -> bool:
    try:
        override = OverridesParser.create().parse_override(f"{key}={text}")
        # the second: jobs of a sweep are told what Hydra writes in its turn, which must not be another text
        return override.value() == text and override.get_value_element_as_str() == text
    except HydraException:
        return False


def _text_of(key: str, choice: str) -> str:
    return str(OverridesParser.create().parse_override(f"{key}={choice}").value())
