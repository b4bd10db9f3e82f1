"""The one reader of run folders: what a run says of itself, and in one line what of it is missing or damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, get_args

from rlsel.coreset import RECORD_FILE, Coreset
from rlsel.errors import CoresetError
from rlsel.models.target import ModelSpec, TargetModel
from rlsel.run_files import CONFIG_FILE, STATUS_FILE, require_intact
from rlsel.runs import rebuilding
from rlsel.runs.metrics import METRICS_FILE
from rlsel.runs.settings import RunSettings
from rlsel.runs.target import INPUT_FILE, TARGET_FILE, TargetInput, load_target, load_target_input
from rlsel.selectors.base import Selector
from rlsel.selectors.policy_state import FEATURES_FILE, POLICY_FILE, StoredPolicy
from rlsel.structure import as_node

State = Literal["running", "complete", "failed", "interrupted"]
"""How far a run got; one that was killed, so that it could not say so, is `running` for ever."""

_AGAIN = "make the run again with resume=never"

_SELECTIONS = ("select", "apply", "finetune-ratio")
"""Commands that make coresets."""

_GROUPS = ("dataset", "model", "training", "selector", "policy", "reward", "cover", "export", "evaluation")
"""Settings that are groups of settings, wherever a run has them."""

_CUT = ("ratio", "export")
"""Settings that say how scores become a set, and nothing of the scores."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run folder, as `read_run` found it; what is large is read when it is first asked for.

    Attributes:
        folder: The run folder.
        key: The setting that named it, for messages.
        command: What made it.
        state: How far it got.
        settings: What decided its result, laid out like a composed configuration.
    """

    folder: Path
    key: str
    command: str
    state: State
    settings: Mapping[str, Any]

    def require_finished(self) -> None:
        """Refuses a run that was interrupted or failed.

        Raises:
            CoresetError: in that case.
        """
        if self.state != "complete":
            raise CoresetError(
                f"{self.key} must be the folder of a finished run, got {str(self.folder)!r}, which is {self.state}: "
                "repeat the command that made it, which goes on from there"
            )

    @cached_property
    def coreset(self) -> Coreset | None:
        """The coreset; None where there is none, and a `CoresetError` where it is damaged."""
        return Coreset.load(self.folder) if (self.folder / RECORD_FILE).is_file() else None

    def finished_coreset(self) -> Coreset:
        """Returns the coreset of a finished selection.

        Raises:
            CoresetError: if the run is not finished, or no selection, or its coreset is missing or damaged.
        """
        self.require_finished()
        if self.coreset is not None:
            return self.coreset
        if self.command in _SELECTIONS:
            raise unreadable(self.folder / RECORD_FILE, "there is no such file", _AGAIN)
        raise CoresetError(
            f"{self.key} must be the folder of a selection, got {str(self.folder)!r}, made by rlsel {self.command}: "
            "give the folder that `rlsel select` printed"
        )

    @cached_property
    def metrics(self) -> tuple[Mapping[str, float | None], ...]:
        """What each epoch measured; none where nothing was trained, and a `CoresetError` for a damaged file."""
        path = self.folder / METRICS_FILE
        require_intact(self.folder, METRICS_FILE)
        return tuple(_read_rows(path)) if path.is_file() else ()

    @cached_property
    def policy(self) -> StoredPolicy | None:
        """What learned the coreset; None for another method, and a `CoresetError` for a missing or damaged file."""
        require_intact(self.folder, POLICY_FILE, FEATURES_FILE)
        if not self._has(POLICY_FILE, FEATURES_FILE):
            return None
        try:
            return StoredPolicy.load(self.folder)
        except KeyError as error:
            raise unreadable(self.folder / POLICY_FILE, f"there is no tensor {error} in it", _AGAIN) from error

    def finished_policy(self) -> StoredPolicy:
        """Returns what learned the coreset of a finished run.

        Raises:
            CoresetError: if the run is not finished, or a file of the policy is missing or damaged.
        """
        self.require_finished()
        if self.policy is None:
            raise unreadable(self.folder / POLICY_FILE, "there is no such file", _AGAIN)
        return self.policy

    @cached_property
    def target(self) -> TargetInput | None:
        """What the stored target model takes; None without one, and a `CoresetError` for a damaged record of it."""
        require_intact(self.folder, INPUT_FILE)
        return load_target_input(self.folder) if self._has(TARGET_FILE, INPUT_FILE) else None

    def target_model(self, spec: ModelSpec) -> TargetModel:
        """Reads the trained target model.

        Args:
            spec: Its architecture.

        Raises:
            CoresetError: if a file is missing or damaged, or of another architecture.
        """
        require_intact(self.folder, TARGET_FILE, INPUT_FILE)
        return load_target(self.folder, spec, load_target_input(self.folder))

    def run_settings(self) -> RunSettings:
        """Builds data, model and training of the settings.

        Raises:
            ConfigurationError: if one of them does not fit.
            CoresetError: if one of them is missing.
        """
        self._require_settings("dataset", "model", "training", "seed")
        return rebuilding.run_settings(self.settings)

    def selector(self) -> Selector:
        """Builds the method of the settings.

        Raises:
            ConfigurationError: if it does not fit.
            CoresetError: if there is none.
        """
        self._require_settings("selector")
        return rebuilding.one_selector(
            as_node(self.settings["selector"], "selector"), rebuilding.selector_parts(self.settings)
        )

    def _require_settings(self, *keys: str) -> None:
        for key in keys:
            if key not in self.settings:
                raise CoresetError(
                    f"{self.key} must be the folder of a select run, got {str(self.folder)!r}: no {key!r} in its "
                    f"{CONFIG_FILE}"
                )

    def _has(self, *names: str) -> bool:
        return any((self.folder / name).is_file() for name in names)


def read_run(folder: Path | str, key: str = "run") -> Run:
    """Reads what a run says of itself: its settings and how far it got.

    Args:
        folder: The run folder.
        key: The setting that names it, for messages.

    Raises:
        CoresetError: if there is no such run, or one of the two files is missing or damaged.
    """
    folder = Path(folder)
    nodes = _read_settings(folder, key)
    command = nodes.pop("command", None)
    if not isinstance(command, str):
        raise unreadable(folder / CONFIG_FILE, "it does not say which command made it")
    return Run(folder=folder, key=key, command=command, state=_read_state(folder / STATUS_FILE), settings=nodes)


def scored_alike(parent: Path, settings: Mapping[str, Any], note: Callable[[str], object]) -> Iterator[Run]:
    """Yields the finished selections in a folder whose settings differ in the ratio and the export only.

    Args:
        parent: Holds the run folders; what else it holds is passed over.
        settings: All that decides a coreset.
        note: Told of each run that is passed over since it is damaged.
    """
    wanted = _without_cut(settings)
    for folder in sorted(parent.iterdir()):
        try:
            run = read_run(folder)
        except CoresetError as error:
            # without settings it is no run of ours, or one that was cut off as it began
            if (folder / CONFIG_FILE).is_file():
                note(f"note: the scores of a run beside are not used: {error}")
            continue
        if run.state == "complete" and run.command == "select" and _without_cut(run.settings) == wanted:
            yield run


def _without_cut(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in _CUT}


def _read_settings(folder: Path, key: str) -> dict[str, Any]:
    import yaml

    path = folder / CONFIG_FILE
    if not folder.is_dir():
        raise CoresetError(f"{key} must be the folder of a finished run, got {str(folder)!r}: there is no such folder")
    if not path.is_file():
        runs = sorted(str(found.parent.relative_to(folder)) for found in folder.glob(f"*/*/{CONFIG_FILE}"))
        remedy = f"choose one of the runs in it, for example {runs[0]}" if runs else f"it has no {CONFIG_FILE}"
        raise CoresetError(f"{key} must be the folder of a finished run, got {str(folder)!r}: {remedy}")
    require_intact(folder, CONFIG_FILE)
    try:
        nodes = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, ValueError) as error:  # ValueError: no text, or a date that there is not
        raise unreadable(path, type(error).__name__) from error
    if not isinstance(nodes, dict):
        raise unreadable(path, "it holds no settings")
    for name in _GROUPS:
        if name in nodes and not isinstance(nodes[name], dict):
            raise unreadable(path, f"{name} is no group of settings in it")
    return nodes


def _read_state(path: Path) -> State:
    try:
        status = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise unreadable(path, "it is no JSON") from error
    state = status.get("state") if isinstance(status, dict) else None
    if state not in get_args(State):
        raise unreadable(path, f"its state must be one of {', '.join(get_args(State))}, got {state!r}")
    return cast("State", state)


def _read_rows(path: Path) -> Iterator[Mapping[str, float | None]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, type(error).__name__, _AGAIN) from error
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise unreadable(path, f"line {number} is no JSON", _AGAIN) from error
        if not isinstance(row, dict):
            raise unreadable(path, f"line {number} is no JSON object", _AGAIN)
        yield row


def unreadable(path: Path, reason: str, remedy: str = "make the run again") -> CoresetError:
    """Builds the error for a file of a run that is missing or damaged, for the caller to raise."""
    return CoresetError(f"cannot read {path}: {reason}: {remedy}")
