"""Tasks here are calls without arguments, made of what any process can import."""

import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rlsel.comparing.processes import run_tasks

Call = Callable[[], Any]
DIE = partial(os._exit, 9)
Ends = list[tuple[Call, Any]]


def run(tasks: list[Call], *, jobs: int, follow: dict[Call, list[Call]] | None = None) -> Ends:
    """Runs the calls and returns each with its result, in the order in which they ended."""
    ends: Ends = []

    def on_end(task: Call, result: Any) -> list[Call]:
        ends.append((task, result))
        return (follow or {}).get(task, [])

    run_tasks(tasks, worker=operator.call, jobs=jobs, on_end=on_end)
    return ends


def test_one_job_is_done_here_in_order() -> None:
    tasks = [os.getpid, partial(abs, -2), partial(abs, -3)]
    assert run(tasks, jobs=1) == list(zip(tasks, [os.getpid(), 2, 3], strict=True))


def test_several_are_done_in_other_processes_that_are_used_again() -> None:
    ends = run([partial(os.getpid) for _ in range(8)], jobs=2)
    pids = {result for _, result in ends}
    assert len(ends) == 8
    assert os.getpid() not in pids
    assert len(pids) <= 2
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_follows_from_a_task_is_done_too(jobs: int) -> None:
    first, second, third = partial(abs, -1), partial(abs, -2), partial(abs, -3)
    ends = run([first], jobs=jobs, follow={first: [second], second: [third]})
    assert ends == [(first, 1), (second, 2), (third, 3)]


def test_a_process_that_dies_costs_its_own_task_only() -> None:
    rest = [partial(abs, -number) for number in range(4)]
    follower = partial(abs, -9)
    ends = run([rest[0], DIE, *rest[1:]], jobs=2, follow={rest[3]: [follower]})
    assert len(ends) == 6
    results = dict(ends)
    assert results[DIE] is None
    assert [results[task] for task in [*rest, follower]] == [0, 1, 2, 3, 9]


def test_an_exception_here_ends_the_processes_at_once() -> None:
    def interrupt(task: Call, result: Any) -> list[Call]:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_tasks([partial(time.sleep, 60), partial(abs, -1)], worker=operator.call, jobs=2, on_end=interrupt)
    assert time.monotonic() - start < 30, "nobody waited for the long one"
    assert not multiprocessing.active_children()


PARENT = """
from functools import partial
import operator, os, sys, time
from rlsel.comparing.processes import run_tasks

def tell(task, pid):
    print(pid, flush=True)
    return ()

if __name__ == "__main__":
    tasks = [os.getpid, partial(os.getpid), partial(time.sleep, 60), partial(time.sleep, 61)]
    run_tasks(tasks, worker=operator.call, jobs=2, on_end=tell)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_process_outlives_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = {int(parent.stdout.readline()) for _ in range(2)}
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(alive, pids))
