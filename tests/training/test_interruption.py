"""Signals that wait for the end of a block."""

import signal
import threading
from collections.abc import Iterator

import pytest

from rlsel.training.interruption import signals_held_back


class TerminatedError(Exception):
    pass


@pytest.fixture
def terminating() -> Iterator[None]:
    def terminate(number: int, frame: object) -> None:
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, terminate)
    yield
    signal.signal(signal.SIGTERM, before)


SIGNALS = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError)]


def receive(*numbers: int) -> list[int | None]:
    """Receives signals while they are held back; returns which one counts after each, and None after the block."""
    counted: list[int | None] = []
    try:
        with signals_held_back() as stop:
            assert not stop
            for number in numbers:
                signal.raise_signal(number)
                assert stop
                counted.append(stop.signal_number)
        counted.append(None)
    except BaseException as error:
        error.add_note(repr([int(number or 0) for number in counted]))
        raise
    return counted


@pytest.mark.usefixtures("terminating")
@pytest.mark.parametrize(("number", "error"), SIGNALS)
def test_a_signal_is_delivered_after_the_block(number: int, error: type[BaseException]) -> None:
    with pytest.raises(error) as raised:
        receive(number)
    assert raised.value.__notes__ == [repr([int(number)])], "at the end of the block, and not behind it"
    assert receive() == [None]


@pytest.mark.usefixtures("terminating")
def test_the_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number, _ in SIGNALS]
    with signals_held_back() as stop:
        assert [signal.getsignal(number) for number, _ in SIGNALS] != before
    assert not stop
    assert [signal.getsignal(number) for number, _ in SIGNALS] == before
    with pytest.raises(ZeroDivisionError), signals_held_back():
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number, _ in SIGNALS] == before


@pytest.mark.usefixtures("terminating")
def test_the_first_signal_counts() -> None:
    with pytest.raises(KeyboardInterrupt) as raised:
        receive(signal.SIGINT, signal.SIGTERM)
    assert raised.value.__notes__ == [repr([int(signal.SIGINT)] * 2)]


@pytest.mark.usefixtures("terminating")
def test_whoever_presses_ctrl_c_twice_is_heard() -> None:
    with pytest.raises(KeyboardInterrupt) as raised:
        receive(signal.SIGINT, signal.SIGINT, signal.SIGINT)
    assert raised.value.__notes__ == [repr([int(signal.SIGINT)])], "the second is not held back"
    with pytest.raises(TerminatedError) as terminated:
        receive(signal.SIGTERM, signal.SIGTERM)
    assert terminated.value.__notes__ == [repr([int(signal.SIGTERM)] * 2)], "a second SIGTERM waits as the first"


@pytest.mark.usefixtures("terminating")
@pytest.mark.parametrize(("number", "error"), SIGNALS)
def test_what_may_take_long_is_left_at_once(number: int, error: type[BaseException]) -> None:
    came_to = []
    with pytest.raises(error), signals_held_back() as stop:  # noqa: PT012 - what follows is not reached
        with stop.let_through():
            came_to.append("inside")
            signal.raise_signal(number)
            came_to.append("behind the signal")
        came_to.append("behind the block")
    assert came_to == ["inside"]
    with pytest.raises(error):
        receive(number)


@pytest.mark.usefixtures("terminating")
def test_after_it_they_are_held_back_again() -> None:
    came_to = []
    with pytest.raises(KeyboardInterrupt), signals_held_back() as stop:  # noqa: PT012 - it is raised at the end
        with stop.let_through():
            pass
        signal.raise_signal(signal.SIGINT)
        came_to.append("the end")
    assert came_to == ["the end"]


def test_other_threads_need_no_handlers() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with signals_held_back() as stop:
            seen.append((bool(stop), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
