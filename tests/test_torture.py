"""What `make torture` does at length, in small: odd input, kills, damage and a disk without room."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlsel.training.loop import Checkpointing
from torturing import kills
from torturing.cases import make_run
from torturing.inputs import drawn
from torturing.numbers import number_cases
from torturing.odd_data import odd_input, odd_overrides
from torturing.program import Account, Answer, broken_promise


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder)
    return folder


def test_odd_input_ends_in_a_coreset_or_in_one_line_that_leaves_nothing(runs: Path, tmp_path: Path) -> None:
    every = list(number_cases(runs))
    assert len(every) > 3000
    cases = [every[i] for i in np.random.default_rng(1).permutation(len(every))[:16]]
    # what the settings are refused for costs a tenth of what is looked at as data
    cases += [*drawn(odd_input(runs), 24, 1), *drawn(odd_overrides(runs), 60, 2)]
    assert len(cases) == 100
    account = Account()
    for case in cases:
        account.note(case.kind, case.arguments, case.fault(tmp_path))
    assert account.faults == []


@pytest.mark.parametrize(
    ("answer", "left", "fault"),
    [
        (Answer(0, "/run\n", "note: 12 of 24 samples are kept\n"), (), None),
        (Answer(2, "", "error: ratio must be a number\n"), (), None),
        (Answer(2, "", "note: something\nerror: ratio must be a number\n"), (), "not exactly one line"),
        (Answer(2, "/run\n", "error: ratio must be a number\n"), (), "a result beside an error"),
        (Answer(2, "", "error: ratio must be a number\n"), ("new",), "left behind"),
        (Answer(0, "/run\n", ""), ("new/.scores.npy.1.part",), "left behind"),
        (Answer(1, "", "Traceback\nValueError: x\n"), (), "exit code 1"),
    ],
)
def test_a_broken_promise_is_noticed(answer: Answer, left: tuple[str, ...], fault: str | None) -> None:
    found = broken_promise(answer, frozenset({"data.npz"}), frozenset({"data.npz", *left}))
    assert found is None if fault is None else found is not None and found.startswith(fault)


@pytest.mark.parametrize(
    ("count", "lines"),
    [
        (2, ("train-on-subset, dynamic",)),
        pytest.param(10, ("select", "train-on-subset, dynamic"), marks=pytest.mark.thorough),
    ],
)
def test_runs_that_are_killed_end_as_calm_ones(tmp_path: Path, count: int, lines: tuple[str, ...]) -> None:
    account = Account()
    kills.try_kills(tmp_path, count, 0, account, lines=lines)
    assert account.faults == []
    assert account.tried.total() == count


def test_a_full_disk_keeps_the_checkpoint_and_the_same_line_goes_on(
    rlsel: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("select", "model.width=2", "training.epochs=3", "dataset.train_size=60", "ratio=0.5", "run_dir=new")
    kept = tmp_path / "new" / "indices.npy"
    assert rlsel(*line).code == 0
    calm = [kept.read_bytes(), (tmp_path / "new" / "scores.npy").read_bytes()]
    shutil.rmtree(tmp_path / "new")

    monkeypatch.setitem(Checkpointing.__init__.__kwdefaults__, "every_seconds", 0.0)
    flush = os.fsync
    written: list[int] = []

    def full_after_four(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) > 4:  # the state, the settings and the checkpoints of two epochs
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_after_four)
        refused = rlsel(*line)
    errors = [text for text in refused.err.splitlines() if text.startswith("error: ")]
    assert refused.code == 2
    assert len(errors) == 1
    assert "No space left on device: free space or choose another run_dir" in errors[0]
    assert [path.suffix for path in (tmp_path / "new").iterdir() if path.name.startswith(".")] == [".ckpt"]
    assert not kept.exists()

    again = rlsel(*line)
    assert again.code == 0
    assert "epoch 3/3" in again.err
    assert [kept.read_bytes(), (tmp_path / "new" / "scores.npy").read_bytes()] == calm
    assert not [path.name for path in (tmp_path / "new").iterdir() if path.name.startswith(".")]
