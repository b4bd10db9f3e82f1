"""The jobs of a comparison: selections that share a target training, and trainings on what was selected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rlsel.errors import RlselError
from rlsel.runs.folder import RunFolder
from rlsel.runs.plan import Planned
from rlsel.runs.settings import RunSettings


@dataclass(frozen=True, kw_only=True)
class SelectJob:
    """Selections of one seed, from one target training.

    Attributes:
        settings: Data, model, training and seed.
        planned: The coresets to make, at least one.
        request: All coresets of the job, those that are made already among them.
    """

    settings: RunSettings
    planned: tuple[Planned, ...]
    request: tuple[Planned, ...]

    @property
    def title(self) -> str:
        """What is done, in a few words."""
        names = dict.fromkeys(one.name for one in self.planned)
        return f"selection by {', '.join(names)} with seed {self.settings.seed}"

    def title_of(self, planned: Planned) -> str:
        """Returns what one of the selections is called in a message."""
        return f"selection by {planned.name} at ratio {planned.wanted.ratio:g} with seed {self.settings.seed}"

    @property
    def folders(self) -> tuple[RunFolder, ...]:
        """Where the results go."""
        return tuple(one.folder for one in self.planned)


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """One training on a part of the training split.

    Attributes:
        settings: Data, model, seed, and a training whose number of steps is settled.
        indices: The `indices.npy` of the part; None for all of the split.
        sha256: SHA-256 of that file, or of the one that would hold all positions.
        title: What is done, in a few words.
        folder: Where the result goes.
    """

    settings: RunSettings
    indices: Path | None
    sha256: str
    title: str
    folder: RunFolder

    @property
    def folders(self) -> tuple[RunFolder, ...]:
        """Where the results go."""
        return (self.folder,)


Job = SelectJob | TrainJob


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Something that could not be done.

    Attributes:
        title: What, in a few words.
        reason: Why, in one line.
        by_user: Whether it is a user's mistake.
    """

    title: str
    reason: str
    by_user: bool

    @classmethod
    def of(cls, title: str, error: Exception) -> Failure:
        """Returns the failure that an error is."""
        by_user = isinstance(error, RlselError)
        text = str(error) if by_user else f"{type(error).__name__}: {error}"
        return cls(title=title, reason=" ".join(text.split()), by_user=by_user)

    def __str__(self) -> str:
        return f"{self.title}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class JobEnd:
    """How a job ended.

    Attributes:
        seconds: Seconds that it took.
        failures: What of it could not be done.
    """

    seconds: float
    failures: tuple[Failure, ...]
