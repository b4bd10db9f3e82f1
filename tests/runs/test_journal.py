"""A file of rows that a killed program leaves behind."""

import json
from pathlib import Path

import pytest

from rlsel.errors import CoresetError
from rlsel.runs.journal import JournalFile


def test_rows_come_back_and_a_torn_line_does_not(tmp_path: Path) -> None:
    path = tmp_path / "made" / "rows.jsonl"
    first = JournalFile(path, {"run": "a"})
    assert not path.parent.exists()
    first.add("one", {"loss": 0.5})
    first.add("two", {"loss": 0.25, "order": "x"})
    with path.open("a") as file:
        file.write('{"name": "three", "lo')
    second = JournalFile(path, {"run": "a"})
    assert second.rows == {"one": {"loss": 0.5}, "two": {"loss": 0.25, "order": "x"}}
    second.add("three", {"loss": 1.0})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"schema_version": 1, "run": "a"}
    assert [line["name"] for line in lines[1:]] == ["one", "two", "three"]


def test_rows_of_another_run_are_refused_unless_they_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    JournalFile(path, {"run": "a"}).add("one", {"loss": 0.5})
    with pytest.raises(CoresetError, match="must belong to this run and these settings"):
        JournalFile(path, {"run": "b"})
    anew = JournalFile(path, {"run": "b"}, anew=True)
    assert anew.rows == {}
    assert "one" in path.read_text()
    anew.add("two", {"loss": 1.0})
    assert JournalFile(path, {"run": "b"}).rows == {"two": {"loss": 1.0}}
