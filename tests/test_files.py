import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from rlsel.errors import StorageError
from rlsel.files import (
    make_folder,
    read_array,
    remove_file,
    stays_below,
    write_array,
    write_atomically,
    write_json,
    write_text,
)


def test_writes_the_bytes_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "ε\n")
    write_json(tmp_path / "b.json", {"b": [1, 2.5, None]})
    assert (tmp_path / "a.txt").read_bytes() == b"\xce\xb5\n"
    assert json.loads((tmp_path / "b.json").read_text()) == {"b": [1, 2.5, None]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.json"]


def test_the_final_name_appears_only_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    def write(file: IO[bytes]) -> None:
        file.write(b"half")
        file.flush()
        assert not path.exists()

    write_atomically(path, write)
    assert path.read_bytes() == b"half"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), ValueError("x"), KeyboardInterrupt()]
)
def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(file: IO[bytes]) -> None:
        file.write(b"half")
        raise error

    with pytest.raises(StorageError if isinstance(error, OSError) else type(error)):
        write_atomically(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError) as caught:
        write_text(tmp_path / "a.txt", "x")
    reason = os.strerror(errno.ENOSPC)
    assert str(caught.value) == f"cannot write {tmp_path / 'a.txt'}: {reason}: free space or choose another run_dir"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_or_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "none" / "a.txt", tmp_path / "file" / "a.txt"):
        with pytest.raises(StorageError, match=r"cannot write .+: free space or choose another run_dir"):
            write_text(path, "x")
    with pytest.raises(StorageError, match=r"cannot make the folder .+: choose another run_dir"):
        make_folder(tmp_path / "file" / "x")
    with pytest.raises(StorageError, match="cannot make the folder"):
        make_folder(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_makes_a_folder_with_its_parents_once_or_twice(tmp_path: Path) -> None:
    for _ in range(2):
        assert make_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


def test_json_holds_no_number_that_json_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_removes_a_file_that_may_not_be_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    for _ in range(2):
        remove_file(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError, match="cannot remove"):
        remove_file(tmp_path)


@settings(max_examples=30, deadline=None)  # every example flushes a file to disk
@given(st_numpy.arrays(st.sampled_from([np.float32, np.int64, np.bool_, ">i4"]), st_numpy.array_shapes(min_dims=0)))
def test_an_array_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, array: Any) -> None:
    path = tmp_path_factory.mktemp("array") / "a.npy"
    write_array(path, array)
    found = read_array(path)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


def test_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_array(tmp_path / "a.npy", np.array([None]))
    np.save(tmp_path / "b.npy", np.array([None]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"b\.npy is no complete \.npy file"):
        read_array(tmp_path / "b.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["b.npy"]


@pytest.mark.parametrize("keep", [0, 3, 8, 100, 130])
def test_an_incomplete_array_is_refused(tmp_path: Path, keep: int) -> None:
    np.save(tmp_path / "a.npy", np.arange(3))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"^a\.npy is no complete \.npy file: [^\n]+$"):
        read_array(tmp_path / "a.npy")


def test_a_header_that_asks_for_all_memory_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        header = {"descr": "<i8", "fortran_order": False, "shape": (10**17,)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(ValueError, match=r"a\.npy is no complete \.npy file"):
        read_array(tmp_path / "a.npy")


@pytest.mark.parametrize("path", ["a.png", "a/b.png", "./a", "a..b/c", "..a"])
def test_a_path_below_its_root(path: str) -> None:
    assert stays_below(path)


@pytest.mark.parametrize("path", ["", ".", "..", "../a", "a/../../b", "a/..", "/a", "//a", "a\0b"])
def test_a_path_that_leads_out_of_its_root_or_nowhere(path: str) -> None:
    assert not stays_below(path)


def test_what_a_killed_process_wrote_of_a_file_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    living = f".[a].{os.getppid()}.part"
    names = (living, f".[a].{ended.pid}.part", f".b.{ended.pid}.part", ".[a].mine.part")
    for name in names:
        (tmp_path / name).write_bytes(b"half")
    write_text(tmp_path / "[a]", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"[a]", living, names[2], names[3]}
