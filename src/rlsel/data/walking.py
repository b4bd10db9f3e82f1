"""The folders below a folder in the order in which torchvision lists them, and which of them are worth reading.

torchvision goes into hidden folders and follows links, also those that lead back to where it came from, until the
system refuses. A position in its list is only right if all of that is counted, so all of it is listed here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlsel.data.locations import first_line
from rlsel.errors import DataError

MOST_REPEATS = 100_000
"""How many folders and files may be met again through links before the links must go."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder on one of the ways that lead to it.

    Attributes:
        top: The name of the folder that the walk started from.
        path: The way.
        real: Where it lies, without links.
        names: Its files, sorted.
        hidden: Whether the folder or one above it has a name that begins with a dot.
        circular: Whether the way goes through a link to a folder that it had come through before.
        linked: Whether the way goes through a link.
    """

    top: str
    path: Path
    real: Path
    names: tuple[str, ...]
    hidden: bool
    circular: bool
    linked: bool


def walk(base: Path, tops: Sequence[str]) -> list[Place]:
    """Lists folders and all folders below them, on every way that leads to one.

    Args:
        base: An absolute folder.
        tops: Names of folders in it, in the order wanted; an empty name for the base itself.

    Returns:
        The places below the first top, sorted by path, then those below the next.

    Raises:
        DataError: if a folder cannot be listed, or links lead to the same folders again and again.
    """
    places: list[Place] = []
    seen: set[Path] = set()
    repeats = 0
    for top in tops:
        below = []
        for place in _walk_one(base, top):
            if place.real in seen:
                repeats += 1 + len(place.names)
            if repeats > MOST_REPEATS:
                raise DataError(
                    f"{_last_link(base, place.path)} must be no link that leads back to folders listed already, got "
                    f"more than {MOST_REPEATS} folders and files met again: remove the link"
                )
            seen.add(place.real)
            below.append(place)
        places += sorted(below, key=lambda place: str(place.path))
    return places


def worth_reading(places: Sequence[Place]) -> list[bool]:
    """Says of each place whether it is neither hidden, nor circular, nor the same folder as another.

    Of several ways to a folder, the one without links counts; of several with links, the first.
    """
    chosen: dict[Path, Path] = {}
    for place in sorted(places, key=lambda place: place.linked):
        if not place.hidden and not place.circular:
            chosen.setdefault(place.real, place.path)
    return [chosen.get(place.real) == place.path for place in places]


def _walk_one(base: Path, top: str) -> Iterator[Place]:
    reals = {base.parent: base.parent.resolve(), base: base.resolve()}
    circular = set()
    for way, _, names in os.walk(base / top, followlinks=True, onerror=_refuse):
        path = Path(way)
        # From the folder above, since a way through forty links takes long to resolve.
        real = (reals[path.parent] / path.name).resolve()
        if path.parent in circular or reals[path.parent].is_relative_to(real):
            circular.add(path)
        reals[path] = real
        below = path.relative_to(base)
        yield Place(
            top=top,
            path=path,
            real=real,
            names=tuple(sorted(names)),
            hidden=any(part.startswith(".") for part in below.parts),
            circular=path in circular,
            linked=real != reals[base] / below,
        )


def _refuse(error: OSError) -> None:
    raise DataError(f"a folder cannot be listed ({first_line(error)}): make it readable or take it away") from error


def _last_link(base: Path, path: Path) -> Path:
    """Returns where the link really lies that was followed last on the way from the base to a path."""
    link = next((way for way in (path, *path.parents) if way.is_relative_to(base) and way.is_symlink()), path)
    return link.parent.resolve() / link.name
