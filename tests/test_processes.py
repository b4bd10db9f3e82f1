"""How work is cut for several processes."""

import pytest

from rlsel.processes import ALONE, lengths_of_parts, own_rank, process_count, rows_of_part


@pytest.mark.parametrize(
    ("number", "parts", "expected"), [(7, 3, [3, 2, 2]), (6, 3, [2, 2, 2]), (2, 3, [1, 1, 0]), (5, 1, [5])]
)
def test_parts_differ_by_one_at_most_and_leave_nothing_out(number: int, parts: int, expected: list[int]) -> None:
    lengths = lengths_of_parts(number, parts)
    assert lengths == expected
    taken = [place for part in range(parts) for place in range(number)[rows_of_part(lengths, part)]]
    assert taken == list(range(number))


def test_the_environment_tells_a_process_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert (own_rank(), process_count()) == (0, 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert own_rank() == 1
    monkeypatch.setenv("RANK", "5")  # the second process of the third machine
    monkeypatch.setenv("WORLD_SIZE", "6")
    assert (own_rank(), process_count()) == (5, 6)


def test_a_process_alone_is_the_first_of_one() -> None:
    assert (ALONE.rank, ALONE.size, ALONE.any(True), ALONE.any(False)) == (0, 1, True, False)
