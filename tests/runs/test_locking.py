"""One process at a time in a folder."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rlsel.errors import StorageError
from rlsel.runs.folder import RunFolder, begun
from rlsel.runs.locking import held

HOLD = """
import sys
from pathlib import Path
from rlsel.runs.locking import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Gives a process that holds the folder until its input ends, or it is killed."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_another_process_is_kept_out(tmp_path: Path) -> None:
    with another_process(tmp_path):
        message = rf"^run_dir must be a folder that no other process works in, got {tmp_path}: wait for that process"
        with pytest.raises(StorageError, match=message), held(tmp_path):
            raise AssertionError("never reached")
        assert [path.name for path in tmp_path.iterdir()] == [".rlsel.lock"], "which is the other's"


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        process.kill()
        process.wait()
        assert [path.name for path in tmp_path.iterdir()] == [".rlsel.lock"]
        with held(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_another_process_can_be_waited_for(tmp_path: Path) -> None:
    told: list[str] = []
    with another_process(tmp_path) as process:

        def end_it() -> None:
            told.append("waits")
            assert process.stdin is not None
            process.stdin.close()

        with held(tmp_path, on_wait=end_it):
            assert process.wait() == 0
    assert told == ["waits"]
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_another_process_makes_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "config.yaml").write_text("of the other")
    folders = [RunFolder(path=tmp_path / name, digest="0") for name in "ab"]
    with another_process(tmp_path / "b"), pytest.raises(StorageError, match="no other process"):  # noqa: SIM117
        with begun(folders, "select", [{}, {}]):
            raise AssertionError("never reached")
    assert [path.name for path in tmp_path.iterdir()] == ["b"], "what was begun beside it goes"
    assert (tmp_path / "b" / "config.yaml").read_text() == "of the other"


def test_the_lock_goes_with_the_run(tmp_path: Path) -> None:
    folder = RunFolder(path=tmp_path / "a", digest="0")
    with begun([folder], "select", [{}]):
        assert (tmp_path / "a" / ".rlsel.lock").exists()
        folder.set_state("complete")
    assert sorted(path.name for path in folder.path.iterdir()) == ["config.yaml", "status.json"]
