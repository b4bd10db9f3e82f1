"""Work that outlives an interruption: where it is saved, what is kept of finished parts, and how it goes on.

A run has one `Checkpointing`, and each piece of work in it a part of that, which is one file: while the work goes on,
the state that it is taken up from; once it is done, what it came to.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from rlsel.training.checkpoints import load_state, save_state
from rlsel.training.interruption import signals_held_back

_WORTH_SAVING = 0.1
"""Share of the interval between two writes above which work is saved before something that may take long."""

_RESULT, _SECONDS = "result", "seconds"


class Checkpointing:
    """Where a piece of work can be taken up again, and those that it is made of.

    Attributes:
        path: The file.
        every_seconds: Least time between two writes of it.
    """

    def __init__(
        self, *, path: Path, every_seconds: float = 30.0, writes: bool = True, whole: Checkpointing | None = None
    ) -> None:
        """Names a place; nothing is written yet.

        Args:
            path: A file that ends in `.ckpt`; whoever made this removes it, and those of the parts.
            every_seconds: Least time between two writes.
            writes: Whether files are written and removed; else this only reads what another process writes.
            whole: What this is a part of; None for a place of its own.
        """
        self.path, self.every_seconds, self._writes, self._whole = path, every_seconds, writes, whole
        self._found_seconds = 0.0
        self._saved_at = time.monotonic()

    def part(self, name: str, *what: object) -> Checkpointing:
        """Returns the place of a piece of this work.

        Args:
            name: What it is, in letters and underscores.
            *what: All that decides what it comes to, besides what decides the whole: tensors on the CPU, and values
                with a faithful `repr`.
        """
        digest = hashlib.sha256(repr([_faithful(one) for one in what]).encode()).hexdigest()[:8]
        path = self.path.with_name(f"{self.path.stem}.{name}-{digest}.ckpt")
        return Checkpointing(path=path, every_seconds=self.every_seconds, writes=self._writes, whole=self)

    def load(self) -> dict[str, Any] | None:
        """Returns what was saved; None where nothing was.

        Raises:
            CoresetError: if the file is damaged.
        """
        return load_state(self.path) if self.path.exists() else None

    def save(self, state: Mapping[str, Any]) -> None:
        """Writes nested dicts and lists of tensors, numbers and strings.

        Raises:
            StorageError: if that is not possible.
        """
        if self._writes:
            save_state(self.path, state)
        self._saved_at = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved_at > self.every_seconds

    @property
    def worth_saving(self) -> bool:
        """Whether enough was done since the last time to save before something that may take long."""
        return time.monotonic() - self._saved_at > _WORTH_SAVING * self.every_seconds

    def found(self, seconds: float) -> None:
        """Counts work that an earlier attempt did, so that `working_time` goes on from there."""
        self._root._found_seconds += seconds

    def remove(self) -> None:
        """Removes the file, those of the parts, and what was half written of them."""
        if not self._writes:
            return
        for path in self.path.parent.glob(f"*{self.path.stem}.*"):
            path.unlink(missing_ok=True)

    def remove_parts(self) -> None:
        """Removes what only the parts needed."""
        if not self._writes:
            return
        for path in self.path.parent.glob(f"{self.path.stem}.*.ckpt"):
            path.unlink(missing_ok=True)

    @property
    def _root(self) -> Checkpointing:
        return self if self._whole is None else self._whole._root


def _faithful(value: object) -> object:
    """Returns what stands for a value in a `repr`: that of a long tensor leaves most of it out."""
    return hashlib.sha256(value.numpy().tobytes()).hexdigest() if isinstance(value, Tensor) else value


def working_time(checkpointing: Checkpointing | None) -> float:
    """Returns seconds of a clock on which the work that earlier attempts did, and that was found, has passed too."""
    return time.monotonic() + (0.0 if checkpointing is None else checkpointing._root._found_seconds)


def kept(place: Checkpointing | None, make: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Returns what a piece of work came to: what is kept of it, else what is made now, which is kept.

    Args:
        place: Its place; None keeps nothing.
        make: Does the work; may have parts of its own, which are not needed afterwards.

    Returns:
        Nested dicts and lists of tensors on the CPU, numbers and strings.

    Raises:
        CoresetError: if what was kept is damaged.
    """
    if place is None:
        return make()
    result = already_kept(place)
    if result is not None:
        return result
    began = working_time(place)
    made = make()
    place.save({_RESULT: made, _SECONDS: working_time(place) - began})
    place.remove_parts()
    return made


def already_kept(place: Checkpointing) -> Mapping[str, Any] | None:
    """Returns what `kept` has kept; None where the work is not done.

    Raises:
        CoresetError: if it is damaged.
    """
    saved = place.load()
    if saved is None:
        return None
    place.found(saved[_SECONDS])
    result: Mapping[str, Any] = saved[_RESULT]
    return result


class StepwiseWork(Protocol):
    """Work in steps, each well below a second, between which its state is whole."""

    @property
    def done(self) -> bool:
        """Whether no step is left."""
        ...

    def step(self) -> None:
        """Does the next step."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Returns all that the other steps need, as tensors, numbers, strings, and lists and dicts of them."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned."""
        ...


def carry_on(work: StepwiseWork, place: Checkpointing | None) -> None:
    """Does work to its end, from where an interruption left it.

    Args:
        work: Not begun yet.
        place: Where its state is saved; None saves nothing.

    Raises:
        CoresetError: if the saved state is damaged.
    """
    if place is None:
        while not work.done:
            work.step()
        return
    seconds_before = 0.0
    if (saved := place.load()) is not None:
        work.load_state_dict(saved[_RESULT])
        seconds_before = saved[_SECONDS]
        place.found(seconds_before)
    began = working_time(place) - seconds_before
    done = work.done
    while not done:
        with signals_held_back() as stop:
            work.step()
            done = work.done
            if stop or place.due or (done and place.worth_saving):
                place.save({_RESULT: work.state_dict(), _SECONDS: working_time(place) - began})
