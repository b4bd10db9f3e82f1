"""How a command ends that did only a part of what it was asked to."""

from pathlib import Path


class PartlyFailedError(Exception):
    """Some of several runs failed; the others are done, and the results are written.

    Attributes:
        folder: Where the results are.
        by_user: Whether every failure is a user's mistake.
    """

    def __init__(self, message: str, *, folder: Path, by_user: bool) -> None:
        super().__init__(message)
        self.folder = folder
        self.by_user = by_user
