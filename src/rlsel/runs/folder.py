"""Run folders: where they lie, what state they are in, and that a refused run leaves none behind.

While a run is made, no other process may work in its folder; what an earlier run left there goes as it begins.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rlsel.budget import AUTO, format_ratio
from rlsel.checks import refuse
from rlsel.errors import RlselError, StorageError
from rlsel.files import make_folder, write_json, write_text
from rlsel.run_files import CONFIG_FILE, RUN_FILES, STATUS_FILE, SUMS_FILE, damage_of, has_checkpoint, remove_run
from rlsel.runs.locking import held

OUTPUTS = Path("outputs")


def cell_name(ratio: float | None, seed: int, digest: str | None) -> str:
    """Names a run folder: `ratio-0.70_seed-0`, with the settings hash behind where settings are not the defaults.

    Args:
        ratio: The keep ratio; None for one that is to be found.
        seed: The run's seed.
        digest: The settings hash; None where all settings are the defaults.
    """
    share = AUTO if ratio is None else format_ratio(ratio)
    return f"ratio-{share}_seed-{seed}" + (f"_{digest}" if digest else "")


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """One run's folder.

    Attributes:
        path: Absolute.
        digest: Hash of the settings that belong in it.
    """

    path: Path
    digest: str

    @property
    def complete(self) -> bool:
        """Whether it holds the finished result of these very settings, undamaged."""
        return self._finished and damage_of(self.path) is None

    @property
    def damage(self) -> str | None:
        """What is wrong with which file of the finished result of these settings; None for nothing, and for none."""
        return damage_of(self.path) if self._finished else None

    @property
    def _finished(self) -> bool:
        status = _read_status(self.path)
        return status.get("state") == "complete" and status.get("settings_hash") == self.digest

    def begin(self, command: str, settings: Mapping[str, Any]) -> None:
        """Makes the folder, empties it of what an earlier run left, and writes the resolved settings.

        An interrupted training of the same settings keeps its checkpoint.

        Raises:
            StorageError: if it cannot be written.
        """
        import yaml

        make_folder(self.path)
        earlier = _read_status(self.path).get("settings_hash", self.digest)
        remove_run(self.path, checkpoints=earlier != self.digest)
        self.set_state("running")
        write_text(self.path / CONFIG_FILE, yaml.safe_dump({"command": command, **settings}, sort_keys=False))

    def set_state(self, state: str, error: str | None = None) -> None:
        """Writes `status.json`, which says too whether the files of the run are sealed by now."""
        sealed = (self.path / SUMS_FILE).is_file()
        content = {"state": state, "error": error, "settings_hash": self.digest, "checksums": sealed}
        write_json(self.path / STATUS_FILE, content)


def run_folder(
    command: str, dataset: str, row: str, name: str, *, run_dir: Path | None, several: bool, digest: str
) -> RunFolder:
    """Returns the folder of one coreset.

    Args:
        command: The command that makes it.
        dataset: The data set's name.
        row: The selector's name, or what a comparison calls it.
        name: The folder's own name, by `cell_name`.
        run_dir: What the user gave.
        several: Whether the command, or a sweep that it belongs to, makes more than one.
        digest: Hash of the settings.
    """
    below = Path(row) / name
    path = OUTPUTS / command / dataset / below if run_dir is None else run_dir / below if several else run_dir
    return RunFolder(path=path.absolute(), digest=digest)


class InFolder(Protocol):
    """What a command makes in a run folder."""

    @property
    def folder(self) -> RunFolder:
        """Where it goes."""
        ...


Item = TypeVar("Item", bound=InFolder)


def to_make(items: Sequence[Item], *, again: bool) -> list[Item]:
    """Returns what is not made yet, or all of it if it is to be made again, once it is certain that it can be written.

    Raises:
        StorageError: if it cannot.
    """
    missing = [item for item in items if again or not item.folder.complete]
    if missing:
        check_writable(missing[0].folder.path)
    return missing


def note_damage(folders: Iterable[RunFolder], note: Callable[[str], object]) -> None:
    """Tells of each finished result that is to be made again since it is damaged."""
    for folder in folders:
        if (damage := folder.damage) is not None:
            note(f"note: a finished run is made again, since it is damaged: {damage}")


def require_apart(folders: Iterable[RunFolder], key: str, source: Path) -> None:
    """Refuses to replace the run that the new ones start from.

    Args:
        folders: Where the new runs go.
        key: The setting that names the source, for messages.
        source: A run folder, or a file in one.

    Raises:
        ConfigurationError: if one of the folders is that of the source.
    """
    place = source.parent if source.name in RUN_FILES else source
    for folder in folders:
        if folder.path.resolve() == place.resolve():
            raise refuse("run_dir", f"another folder than that of {key}", str(folder.path), "it would be replaced")


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What was there before a run began.

    Attributes:
        missing: The topmost folder on the way to the run folder that did not exist; None where all did.
        entries: What lay in the run folder.
    """

    missing: Path | None
    entries: frozenset[Path]

    @classmethod
    def at(cls, path: Path) -> _Found:
        return cls(missing=_first_missing(path), entries=frozenset(path.iterdir() if path.is_dir() else ()))

    def remove_the_rest(self, path: Path) -> None:
        if self.missing is not None:
            shutil.rmtree(path, ignore_errors=True)
            self._remove_empty_parents(path)
            return
        for entry in set(path.iterdir()) - self.entries:
            if entry.is_file():
                entry.unlink()

    def _remove_empty_parents(self, path: Path) -> None:
        """Removes the folders on the way that did not exist, down to one in which another process made something."""
        for parent in path.parents:
            if self.missing not in (parent, *parent.parents):
                return
            try:
                parent.rmdir()
            except OSError:
                return


@contextmanager
def begun(folders: list[RunFolder], command: str, settings: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Begins runs, keeps other processes out of their folders, and cleans up where the block does not end well.

    A user's error removes what was made, and marks a run that was there before as failed; any other error marks the
    runs as failed; an interruption marks them as interrupted and leaves them to be taken up again. A disk without room
    is no reason to lose what it holds: what is finished stays, and so does a checkpoint.

    Raises:
        StorageError: if a folder cannot be written, or another process works in it.
    """
    with ExitStack() as locks:
        found: list[tuple[_Found, RunFolder]] = []
        try:
            for folder in folders:
                before = _Found.at(folder.path)
                locks.enter_context(held(make_folder(folder.path)))
                found.append((before, folder))
            for folder, node in zip(folders, settings, strict=True):
                folder.begin(command, node)
            yield
        except RlselError as error:
            for before, folder in reversed(found):
                worth_keeping = folder.complete or has_checkpoint(folder.path)
                if not (isinstance(error, StorageError) and worth_keeping):
                    before.remove_the_rest(folder.path)
            _mark_unfinished((folder for _, folder in found), "failed", str(error))
            raise
        except Exception as error:
            _mark_unfinished(folders, "failed", f"{type(error).__name__}: {error}")
            raise
        except KeyboardInterrupt:
            _mark_unfinished(folders, "interrupted")
            raise


def _mark_unfinished(folders: Iterable[RunFolder], state: str, error: str | None = None) -> None:
    for folder in folders:
        if (folder.path / STATUS_FILE).exists() and not folder.complete:
            with suppress(StorageError):  # what is to be told is why it is unfinished
                folder.set_state(state, error)


def _first_missing(path: Path) -> Path | None:
    """Returns the topmost folder on the way to `path` that does not exist yet."""
    missing = None
    for candidate in (path, *path.parents):
        if candidate.exists():
            break
        missing = candidate
    return missing


def _read_status(path: Path) -> dict[str, Any]:
    try:
        status = json.loads((path / STATUS_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}


def check_writable(path: Path, setting: str = "run_dir") -> None:
    """Refuses a place where no folder can be made, before any work is done.

    Args:
        path: The folder.
        setting: Where the user chose it, for the message.

    Raises:
        StorageError: if a part of the path is a regular file or may not be written to.
    """
    import os

    for candidate in (path, *path.parents):
        if candidate.exists():
            if not candidate.is_dir():
                raise StorageError(
                    f"{setting} must lie below a folder, but {candidate} is a file: choose another {setting}"
                )
            if not os.access(candidate, os.W_OK | os.X_OK):
                raise StorageError(f"{setting} must be writable, but {candidate} is not: choose another {setting}")
            return


def common_parent(items: Sequence[InFolder], run_dir: Path | None) -> Path:
    """Returns the folder that holds all the run folders: `run_dir`, else the deepest one; a single one itself."""
    import os

    paths = [item.folder.path for item in items]
    if len(paths) == 1:
        return paths[0]
    return Path(os.path.commonpath(paths)) if run_dir is None else run_dir.absolute()
