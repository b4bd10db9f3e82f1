"""Several processes that train one model: started, watched, and ended together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlsel.cli import together
from rlsel.cli.together import run_together
from rlsel.errors import ProcessError


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Puts a shell script in the place of the interpreter that the processes run."""

    def put(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))
        monkeypatch.setattr(together, "_SECONDS_TO_END", 0.3)

    return put


def test_each_process_runs_the_command_line_and_knows_its_place(program: Callable[[str], None], tmp_path: Path) -> None:
    program(f'echo "$@" "$RANK of $WORLD_SIZE" > {tmp_path}/said-$RANK; echo first; echo "last $RANK"')
    assert run_together(["/somewhere/rlsel", "select", "seed=1"], 2) == (0, "last 0")
    assert (tmp_path / "said-0").read_text() == "-m rlsel select seed=1 0 of 2\n"
    assert (tmp_path / "said-1").read_text() == "-m rlsel select seed=1 1 of 2\n"


def test_what_the_first_process_refuses_stands_alone(program: Callable[[str], None]) -> None:
    program('[ "$RANK" = 0 ] && exit 2; exit 2')
    assert run_together(["rlsel", "select"], 2) == (2, None)


def test_a_process_that_dies_ends_the_run_with_its_last_words(program: Callable[[str], None]) -> None:
    program('[ "$RANK" = 1 ] && { echo "no memory left" >&2; exit 3; }; exec sleep 60')
    began = time.monotonic()
    with pytest.raises(ProcessError, match=r"process 1 of device\.processes=2 ended with exit code 3.*no memory left"):
        run_together(["rlsel", "select"], 2)
    assert time.monotonic() - began < 30, "the first one slept on"


def test_a_first_process_that_is_killed_is_told_of(program: Callable[[str], None]) -> None:
    program('[ "$RANK" = 0 ] && kill -9 $$; exec sleep 60')
    with pytest.raises(ProcessError, match=r"process 0 of device\.processes=2 was ended by signal 9"):
        run_together(["rlsel", "select"], 2)


def test_more_processes_than_cores_are_refused(rlsel: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    result = rlsel("select", "device.processes=5")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: device.processes must be at most 4, the cores of this machine, got 5\n"


def test_a_command_that_trains_no_model_together_refuses(rlsel: Callable[..., Any], tmp_path: Path) -> None:
    result = rlsel("features", "device.processes=2")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: device.processes must be 1 for rlsel features, got 2: only select and train-on-subset train one model "
        "in several processes\n"
    )
    assert not list(tmp_path.iterdir())


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "rlsel", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.thorough
def test_two_processes_choose_what_one_does(tmp_path: Path) -> None:
    settings = ("select", "selectors=[rl_selector,static_cover,random]", "training.epochs=3", "device=cpu")
    one = run(*settings, f"run_dir={tmp_path}/one")
    two = run(*settings, f"run_dir={tmp_path}/two", "device.processes=2")
    assert (one.returncode, two.returncode) == (0, 0), two.stderr
    assert two.stdout == f"{tmp_path}/two\n"
    found = sorted(tmp_path.glob("one/*/*/indices.npy"))
    assert len(found) == 3
    for path in found:
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        expected, chosen = np.load(path), np.load(other)
        assert len(chosen) == len(expected)
        assert len(np.intersect1d(chosen, expected)) >= 0.9 * len(expected)
        scores, others = (np.load(one.with_name("scores.npy")) for one in (path, other))
        if "static_cover" in str(path):  # E_c; sums in another order move the model a little
            np.testing.assert_allclose(others, scores, rtol=1e-4)
        if "random" in str(path):
            assert other.read_bytes() == path.read_bytes()
    assert not list(tmp_path.rglob("*.ckpt")) + list(tmp_path.rglob(".rlsel.lock"))


@pytest.mark.thorough
def test_a_process_that_is_killed_ends_all_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rlsel", "select", "training.epochs=500", "device=cpu", "device.processes=2"]
    with subprocess.Popen([*command, f"run_dir={tmp_path}/run"], stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stderr is not None
        for line in parent.stderr:
            if "epoch" in line:
                break
        children = subprocess.run(["pgrep", "-P", str(parent.pid)], capture_output=True, text=True, check=True)
        os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
        rest = parent.stderr.read().splitlines()
    assert parent.returncode > 0
    assert [line for line in rest if "target" not in line] == [
        "error: one of the 2 processes that train together is gone, which ends the others: start the same command "
        "again, which goes on from its last checkpoint"
    ]
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"
