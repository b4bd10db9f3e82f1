"""Damaged files of runs: whoever reads one comes to the same, or refuses it in one line; never to another result."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np

from torturing.outcomes import outcome_of
from torturing.program import Account, Answer, broken_promise, call, everything_in

_SMALL = ("model.width=2", "training.steps=4", "training.batch_size=32", "device.accelerator=cpu")
_MAKES: Mapping[str, tuple[str, ...]] = {
    "learned": ("select", *_SMALL, "selector.rollout=32", "selector.settle_passes=1", "ratio=0.5"),
    "scored": ("select", *_SMALL, "selector=aum", "export.trim_hardest=0.1", "ratio=[0.3,0.4]"),
    "trained": ("train-on-subset", *_SMALL, "coreset=full"),
    "embedded": ("features", "model.width=2"),
    "compared": ("compare", *_SMALL, "selectors=[el2n]", "ratios=[0.5]", "seeds=[0]"),
}
"""The runs that are damaged, and what makes each."""

_DAMAGES = ("flip", "truncate", "swap", "empty", "delete")
_SHARES = (500, 200, 50, 25, 25)
"""How often each of them of 800."""


@dataclass(frozen=True)
class Reader:
    """A command that reads a run.

    Attributes:
        line: The command line, called beside the runs.
        result: A pattern of the folders that it makes, below that of the runs; None for what it prints.
        replaces: Whether that is a finished run, which it makes again where it is damaged.
    """

    line: tuple[str, ...]
    result: str | None = "new"
    replaces: bool = False


def _again(name: str) -> Reader:
    return Reader((*_MAKES[name], f"run_dir={name}"), result=name, replaces=True)


_READERS: Mapping[str, Sequence[Reader]] = {
    "learned": (
        Reader(("apply", "run=learned", "ratio=0.4", "run_dir=new")),
        Reader(("finetune-ratio", "run=learned", "ratio=0.4", "epochs=1", "run_dir=new")),
        Reader(("finetune-ratio", "run=learned", "ratio=0.4", "epochs=1", "features=continued", "run_dir=new")),
        Reader(("train-on-subset", *_SMALL, "coreset=learned", "run_dir=new")),
        Reader(("train-on-subset", *_SMALL, "coreset=learned/indices.npy", "run_dir=new")),
        Reader(("report", "run=learned", "run_dir=new")),
        Reader(("export", "run=learned", "format=csv", "out=new/selection.csv")),
        Reader(("verify", "run=learned", "pairs=40", "removals=4", "run_dir=new")),
        Reader(("show", "run=learned"), result=None),
        _again("learned"),
    ),
    "scored": (
        Reader((*_MAKES["scored"][:-1], "ratio=[0.2,0.6]", "run_dir=scored"), result="scored/aum/ratio-0.[26]0*"),
        _again("scored"),
    ),
    "trained": (_again("trained"),),
    "embedded": (
        Reader(("select", *_SMALL, "selector=k_center", "features=embedded/features.npy", "run_dir=new")),
        _again("embedded"),
    ),
    "compared": (
        Reader(("report", "run=compared", "run_dir=new")),
        Reader(("show", "run=compared"), result=None),
        _again("compared"),
    ),
}
"""Who reads each of the runs."""


def try_damage(root: Path, count: int, seed: int, account: Account) -> None:
    """Damages files of finished runs, one at a time, and lets a command read the run.

    Args:
        root: An empty folder.
        count: How many files.
        seed: Decides which files and how.
        account: What came of it is added here.
    """
    images = np.random.default_rng(0).integers(0, 256, (90, 6, 6)).astype(np.uint8)
    images[60:70] = images[:10]
    np.savez(root / "images.npz", images=images, labels=np.arange(90) % 3)
    with patch("rlsel.commands.compare.comparison_pictures", return_value={"png": b"a picture"}):
        _try_each(root, count, np.random.default_rng(seed), account)


def _try_each(root: Path, count: int, generator: np.random.Generator, account: Account) -> None:
    whole, other = root / "whole", root / "other"
    for folder, number in ((whole, 0), (other, 1)):
        _make(folder, number)
    expected = {
        reader: _expected(whole, root / "damaged", reader) for readers in _READERS.values() for reader in readers
    }
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    shares = np.array(_SHARES) / sum(_SHARES)
    for _ in range(count):
        name, kind = files[generator.integers(len(files))], str(generator.choice(_DAMAGES, p=shares))
        readers = _READERS[name.parts[0]]
        reader = readers[generator.integers(len(readers))]
        place = root / "damaged"
        shutil.copytree(whole, place)
        if _damage(place / name, other / name, kind, generator):
            fault = _fault(place, reader, expected[reader])
            account.note(f"damage, {kind}", f"{name}, then {' '.join(reader.line)}", fault)
        shutil.rmtree(place)


def _make(folder: Path, seed: int) -> None:
    folder.mkdir()
    for name, line in _MAKES.items():
        seeded = [f"seeds=[{seed}]" if part == "seeds=[0]" else part for part in line]
        done = call(folder, _on_data((*seeded, *(() if name == "compared" else (f"seed={seed}",)), f"run_dir={name}")))
        if done.code:
            raise RuntimeError(f"{' '.join(line)}: {done.err}")


def _on_data(line: tuple[str, ...]) -> tuple[str, ...]:
    """Returns a line with the data of the runs, which lies beside their folders, where it does not find it in a run."""
    from_run = line[0] not in ("select", "train-on-subset", "compare", "features") or "coreset=learned" in line
    return line if from_run else (*line, "dataset=arrays", "dataset.path=../images.npz")


def _damage(path: Path, other: Path, kind: str, generator: np.random.Generator) -> bool:
    """Damages a file, and returns whether that changed it."""
    before = path.read_bytes()
    content = bytearray(before)
    if kind == "flip" and content:
        content[generator.integers(len(content))] ^= 1 << int(generator.integers(8))
    elif kind == "truncate":
        del content[int(generator.integers(len(content) + 1)) :]
    elif kind == "empty":
        content.clear()
    elif kind == "swap":
        content = bytearray(other.read_bytes() if other.is_file() else b"")
    if kind == "delete":
        path.unlink()
    else:
        path.write_bytes(content)
    return kind == "delete" or bytes(content) != before


def _read(place: Path, reader: Reader) -> tuple[Answer, object]:
    """Lets a command read the runs in a folder, and returns how it ended with what it came to."""
    done = call(place, _on_data(reader.line))
    if done.code or reader.result is None:
        return done, (done.out, done.err)
    # scores that are taken from a run beside are cut again without a training that could be measured
    return done, [outcome_of(found, without=("metrics.jsonl",)) for found in sorted(place.glob(reader.result))]


def _expected(whole: Path, place: Path, reader: Reader) -> object:
    """Returns what a command makes of the undamaged runs."""
    shutil.copytree(whole, place)
    done, outcome = _read(place, reader)
    shutil.rmtree(place)
    if done.code:
        raise RuntimeError(f"{' '.join(reader.line)}: {done.err}")
    return outcome


def _fault(place: Path, reader: Reader, expected: object) -> str | None:
    before = everything_in(place)
    done, outcome = _read(place, reader)
    if done.code == 0 and outcome != expected:
        return f"another result in silence: {_difference(outcome, expected)}"
    # what makes a damaged run again may say so, and removes what was there
    return broken_promise(done, before, before if reader.replaces else everything_in(place))


def _difference(outcome: object, expected: object) -> str:
    if isinstance(outcome, list) and isinstance(expected, list) and len(outcome) == len(expected):
        pairs = [pair for pair in zip(outcome, expected, strict=True) if pair[0] != pair[1]]
        return ", ".join(name for one, two in pairs for name in {**one, **two} if one.get(name) != two.get(name))
    return ascii(outcome)[:200]
