"""Runs killed by SIGKILL, again and again, and started with the same line: they end as one calm run does."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rlsel.runs.locking import LOCK_FILE
from torturing.outcomes import Outcome, outcome_of
from torturing.processes import PLACES, Ended, Kill, run
from torturing.program import Account, call, everything_in

_SMALL = ("dataset.train_size=150", "model.width=2", "training.epochs=4", "training.batch_size=50", "device=cpu")
_FINETUNE = ("finetune-ratio", "run=run", "ratio=0.4", "epochs=3")

LINES: Mapping[str, tuple[str, ...]] = {
    "select": ("select", *_SMALL, "selector.rollout=50", "run_dir=new"),
    "select, several": ("select", *_SMALL, "selectors=[rl_selector,el2n,ccs]", "ratio=[0.3,0.5]", "run_dir=new"),
    "select, extra trainings": ("select", *_SMALL, "selectors=[grand,moso,self_sup_prototypes]", "run_dir=new"),
    "finetune-ratio": (*_FINETUNE, "run_dir=new"),
    "finetune-ratio, continued": (*_FINETUNE, "features=continued", "run_dir=new"),
    "apply": ("apply", "run=run", "ratio=[0.3,0.4]", "run_dir=new"),
    "train-on-subset": ("train-on-subset", *_SMALL[1:], "coreset=run", "run_dir=new"),
    "train-on-subset, dynamic": ("train-on-subset", *_SMALL, "coreset=dynamic", "ratio=0.5", "run_dir=new"),
    "compare": ("compare", *_SMALL, "selectors=[rl_selector,el2n]", "ratios=[0.5]", "seeds=[0]", "run_dir=new"),
    "features": ("features", "dataset.train_size=150", "model.width=2", "run_dir=new"),
    "report": ("report", "run=run", "run_dir=new"),
}
"""The lines that are killed; all work on the built-in digits, and some start from a finished run."""

_MAKE_RUN = ("select", *_SMALL, "selector.rollout=50", "ratio=0.5", "run_dir=run")


def try_kills(root: Path, count: int, seed: int, account: Account, lines: Sequence[str] = tuple(LINES)) -> None:
    """Kills runs.

    Args:
        root: An empty folder.
        count: How many runs, spread over the lines; a quarter of them is killed three times in a row.
        seed: Decides when.
        account: What came of it is added here.
        lines: Names of those that are killed.
    """
    generator = np.random.default_rng(seed)
    begin(root)
    for k, name in enumerate(lines):
        ended = run(fresh(root), LINES[name])
        require(ended)
        expected, calm = outcome_of(root / "work" / "new"), everything_in(root / "work")
        for i in range(count // len(lines) + (k < count % len(lines))):
            kills = [_moment(ended, generator) for _ in range(3 if i % 4 == 3 else 1)]
            account.note(f"kills, {name}", kills, _fault(fresh(root), LINES[name], kills, expected, calm))


def begin(root: Path) -> None:
    """Makes the finished run, after all that the processes need is imported once and for all."""
    (root / "warm").mkdir()
    for line in (("select", "selector=random", "run_dir=run"), ("report", "run=run")):
        call(root / "warm", line)
    (root / "made").mkdir()
    require(run(root / "made", _MAKE_RUN))


def require(ended: Ended) -> None:
    if ended.code:
        raise RuntimeError(ended.said)


def fresh(root: Path) -> Path:
    """Returns a new folder with nothing but the finished run in it; the same path each time, which runs record."""
    shutil.rmtree(root / "work", ignore_errors=True)
    return shutil.copytree(root / "made", root / "work")


def _moment(calm: Ended, generator: np.random.Generator) -> Kill:
    """Draws a moment: within the writing of a file, or any in the time that a calm run takes."""
    if calm.files and generator.random() < 0.5:
        return Kill(file=int(generator.integers(1, calm.files + 1)), place=PLACES[generator.integers(len(PLACES))])
    return Kill(seconds=float(generator.uniform(0, calm.seconds)))


def _fault(
    folder: Path, line: Sequence[str], kills: Sequence[Kill], expected: Outcome, calm: frozenset[str]
) -> str | None:
    for kill in kills:
        ended = run(folder, line, kill)
        if ended.code not in (0, -9):
            return f"exit code {ended.code} where it was killed: {ended.said[-500:]}"
    ended = run(folder, line)
    if ended.code:
        return f"exit code {ended.code} behind the kill: {ended.said[-500:]}"
    found = outcome_of(folder / "new")
    if found != expected:
        return f"another result: {[name for name in {**expected, **found} if expected.get(name) != found.get(name)]}"
    # the lock of a killed process may lie in a run that was complete by then; it locks nothing any more
    left = {name for name in everything_in(folder) - calm if not name.endswith(LOCK_FILE)}
    return f"left behind: {sorted(left)}" if left else None
