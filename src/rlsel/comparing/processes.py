"""Tasks that are done one after another here, or side by side in processes that live as long as there is work."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

OnEnd = Callable[[Task, Result | None], Sequence[Task]]
"""Told a task and its result, None where its process died; returns the tasks that can be done now."""


def run_tasks(
    tasks: Sequence[Task], *, worker: Callable[[Task], Result], jobs: int, on_end: OnEnd[Task, Result]
) -> None:
    """Does tasks, and the tasks that follow from them.

    Args:
        tasks: What can be done at once; done in this order, as far as one process is free after the other.
        worker: Does one task. It goes to each process once, so that it may keep there what all tasks need.
        jobs: How many processes; with one, everything is done in this process.
        on_end: Called in this process after each task.
    """
    queue = deque(tasks)
    if jobs == 1:
        while queue:
            task = queue.popleft()
            queue.extend(on_end(task, worker(task)))
        return

    def one_done(task: Task, result: Result | None) -> Sequence[Task]:
        queue.extend(on_end(task, result))
        return ()

    while queue:
        # a process died beside these: each is done alone, so that the next death has one cause
        for task in _run_until_death(queue, worker, jobs=jobs, on_end=on_end):
            if _run_until_death(deque([task]), worker, jobs=1, on_end=one_done):
                one_done(task, None)


def _run_until_death(
    queue: deque[Task], worker: Callable[[Task], Result], *, jobs: int, on_end: OnEnd[Task, Result]
) -> list[Task]:
    """Works through the queue until it is empty or a process dies; returns the tasks that were lost."""
    running: dict[Future[Result], Task] = {}
    lost: list[Task] = []
    with _processes(worker, jobs) as pool:
        while (queue and not lost) or running:
            while queue and not lost and len(running) < jobs:
                try:
                    with _ctrl_c_blocked():
                        future = pool.submit(_work, queue[0])
                except BrokenProcessPool:
                    lost.append(queue.popleft())
                else:
                    running[future] = queue.popleft()
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    lost.append(task)
                else:
                    queue.extend(on_end(task, future.result()))
    return lost


@contextmanager
def _processes(worker: Callable[[Any], Any], jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Gives a pool whose processes end with the block; at once where it is left by an exception, as by Ctrl-C."""
    others = set(multiprocessing.active_children())
    # not forked: a fork of a process with threads, or with a GPU in use, may hang
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(worker,))
    try:
        yield pool
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Makes the processes that start in the block deaf to Ctrl-C: their parent hears it and ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_workers: list[Callable[[Any], Any]] = []
"""What does the tasks of this process; empty in the process that the user started."""


_GRACE = 4.0
"""Seconds that a process has for saving what it does, once its parent is gone."""

_TERMINATED = 143


def _start(worker: Callable[[Any], Any]) -> None:
    """Begins the life of a process, which ends with that of its parent."""
    sys.stdout = sys.stderr
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _workers.append(worker)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # a training saves what a resumed one needs
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE)
        os._exit(_TERMINATED)


def _work(task: Any) -> Any:  # noqa: ANN401 - whatever the worker takes and gives
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _workers[0](task)
    except KeyboardInterrupt:
        os._exit(_TERMINATED)  # the pool would give this process its next task
    finally:
        signal.signal(signal.SIGTERM, before)
