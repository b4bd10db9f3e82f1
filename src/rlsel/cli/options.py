"""The options before Hydra reads them: a wrong one is refused in one line, and their order does not matter."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rlsel.checks import nearest, refuse
from rlsel.errors import ConfigurationError

_FLAGS = ("--multirun", "--help", "--hydra-help", "--resolve", "--run", "--version", "--shell-completion")
_SHORT = {"--multirun": "-m", "--help": "-h", "--run": "-r", "--shell-completion": "-sc"}


_WITHOUT_CALLS = {
    "hydra.callbacks": "hydra.callbacks=???",
    "hydra.job_logging": "hydra.job_logging.root=null",
    "hydra.hydra_logging": "hydra.hydra_logging.root=null",
}
"""Settings by which a file could have Hydra itself call anything, each with what leaves it without; `???` is none."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What stands behind the command's name.

    Attributes:
        flags: Options without a value, in their long form.
        config_dir: A folder whose group files are found too.
        others: The further options with their values, as Hydra takes them.
        overrides: The `key=value` settings, in order.
    """

    flags: frozenset[str]
    config_dir: str | None
    others: tuple[str, ...]
    overrides: tuple[str, ...]

    @property
    def shows(self) -> bool:
        """Whether the command only shows something and runs nothing."""
        return bool(self.others or self.flags & {"--hydra-help", "--shell-completion"})

    @property
    def sweeps(self) -> bool:
        """Whether commas part the values of several jobs."""
        return "--multirun" in self.flags or "hydra.mode=MULTIRUN" in self.overrides

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings for Hydra: those typed, and where a folder of files is added, that those call nothing."""
        typed = [override.lstrip("+~").partition("=")[0].replace("/", ".") for override in self.overrides]
        if self.config_dir is None and "hydra.searchpath" not in typed:
            return self.overrides
        without = [one for key, one in _WITHOUT_CALLS.items() if not any(name.startswith(key) for name in typed)]
        return (*self.overrides, *without)

    def without(self, *flags: str) -> Options:
        """Returns the same without some flags."""
        return replace(self, flags=self.flags - set(flags))

    def for_hydra(self) -> list[str]:
        """Returns the arguments in the order that Hydra needs: settings behind the options."""
        config_dir = [] if self.config_dir is None else ["--config-dir", self.config_dir]
        return [*sorted(self.flags - {"--version"}), *config_dir, *self.others]


def parse_options(arguments: Sequence[str]) -> Options:
    """Reads the arguments behind a command's name.

    Raises:
        ConfigurationError: for an unknown option, a missing or wrong value, or options that exclude each other.
    """
    parser = _parser()
    try:
        known, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ConfigurationError(f"option {error.argument_name}: {error.message}") from error
    _refuse_options(rest, parser)
    flags = frozenset(flag for flag in _FLAGS if getattr(known, flag.strip("-").replace("-", "_")))
    if "--resolve" in flags and known.cfg is None and "--help" not in flags:
        raise ConfigurationError("option --resolve must stand beside --cfg or --help: add --cfg job")
    valued = {"--cfg": known.cfg, "--package": known.package, "--info": known.info}
    modes = [*sorted(flags & {"--multirun", "--run"}), *(name for name in ("--cfg", "--info") if valued[name])]
    if len(modes) > 1:
        raise ConfigurationError(f"only one of {', '.join(modes)} can be given")
    return Options(
        flags=flags,
        config_dir=known.config_dir,
        others=tuple(part for name, value in valued.items() if value is not None for part in (name, value)),
        overrides=tuple(rest),
    )


def with_positional(overrides: Sequence[str], key: str | None) -> tuple[str, ...]:
    """Returns the settings with a key before a word that has none.

    Args:
        overrides: As typed.
        key: The key that such a word stands for; None for no such word, which Hydra refuses then.

    Raises:
        ConfigurationError: if there are several such words.
    """
    bare = [word for word in overrides if "=" not in word and not word.startswith("~")]
    if key is None or not bare:
        return tuple(overrides)
    if len(bare) > 1:
        raise refuse(key, "one path", " ".join(bare), f"quote a path with spaces, as in {key}='a b'")
    return tuple(f"{key}={word}" if word in bare else word for word in overrides)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for flag in _FLAGS:
        parser.add_argument(flag, *([_SHORT[flag]] if flag in _SHORT else []), action="store_true")
    parser.add_argument("--cfg", "-c", choices=("job", "hydra", "all"))
    parser.add_argument("--package", "-p")
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument(
        "--info", "-i", nargs="?", const="all",
        choices=("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    )  # fmt: skip
    return parser


def _refuse_options(arguments: Sequence[str], parser: argparse.ArgumentParser) -> None:
    allowed = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
    for argument in arguments:
        if argument.startswith("-"):
            match = nearest(argument.strip("-"), [name.strip("-") for name in allowed])
            remedy = match.replace("mean '", "mean '--") or "settings are written key=value"
            raise refuse("an option", "one of " + ", ".join(sorted(allowed)), argument, remedy)
