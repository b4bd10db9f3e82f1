"""One input: a command line with the files that it reads, and whether its end keeps what the program promises."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from torturing.program import Answer, broken_promise, call, everything_in

SAMPLES = 24
QUICK = ("model.width=2", "training.steps=2", "training.batch_size=16", "device.accelerator=cpu")
"""Settings of a training that takes no time."""

LEARNED = "learned"
"""The finished run that some inputs start from."""


@dataclass(frozen=True)
class Case:
    """An input.

    Attributes:
        kind: What is odd about it.
        arguments: The command line, called in a folder of its own.
        files: What lies in that folder: relative paths with their content, or None for a folder.
    """

    kind: str
    arguments: tuple[str, ...]
    files: tuple[tuple[str, bytes | None], ...] = ()

    def fault(self, scratch: Path) -> str | None:
        """Calls the program in a new folder, and returns what is wrong with how it ended; None for nothing."""
        folder = Path(tempfile.mkdtemp(dir=scratch))
        try:
            for name, content in self.files:
                _put(folder, name, content)
            before = everything_in(folder)
            answer = call(folder, self.arguments)
            after = everything_in(folder)
            return broken_promise(answer, before, after) or _unfit_result(answer)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def on_data(root: Path) -> tuple[str, ...]:
    """Returns the settings that name the data of the finished run."""
    return ("dataset=arrays", f"dataset.path={root / 'images.npz'}")


def make_run(root: Path) -> None:
    """Makes small data and the finished run that some inputs start from."""
    images = np.random.default_rng(0).integers(0, 256, (SAMPLES, 6, 6)).astype(np.uint8)
    np.savez(root / "images.npz", images=images, labels=np.arange(SAMPLES) % 3)
    learn = ("selector.rollout=16", "selector.settle_passes=1", f"run_dir={LEARNED}")
    answer = call(root, ["select", *QUICK, *learn, *on_data(root)])
    if answer.code:
        raise RuntimeError(answer.err)


def _put(folder: Path, name: str, content: bytes | None) -> None:
    """Writes a file or makes a folder; a name that the system takes for no file is left out."""
    with contextlib.suppress(OSError, ValueError):
        path = folder / name
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)


def _unfit_result(answer: Answer) -> str | None:
    """Returns what is wrong with the numbers of a result; None for nothing."""
    folder = Path(answer.last_line)
    if answer.code or not answer.last_line or not folder.is_dir():
        return None
    faults = (_unfit_coreset(path.parent) for path in folder.rglob("coreset.json"))
    return next((fault for fault in faults if fault), None)


def _unfit_coreset(run: Path) -> str | None:
    record = json.loads((run / "coreset.json").read_text())
    indices, scores = np.load(run / "indices.npy"), np.load(run / "scores.npy")
    candidates = np.flatnonzero(~np.isnan(scores))
    if not np.isfinite(scores[candidates]).all() or len(candidates) != record["dataset"]["candidates"]:
        return "scores that are not finite"
    if not np.isin(indices, candidates).all() or (np.diff(indices) <= 0).any():
        return "indices that are no ascending candidates"
    exact = math.floor(record["ratio"]["requested"] * len(candidates) + 0.5)
    if record["export"]["mode"] != "threshold" and len(indices) != exact:
        return f"{len(indices)} of {len(candidates)} samples kept, {exact} asked for"
    return None
