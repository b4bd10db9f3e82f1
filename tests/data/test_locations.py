from pathlib import Path

import pytest

from rlsel.data.locations import cache_folder, downloaded
from rlsel.errors import DataError


def test_the_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert cache_folder() == tmp_path / "elsewhere" / "rlsel"
    for unset in ("", "relative/folder"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_folder() == tmp_path / "home" / ".cache" / "rlsel"


def test_a_download_is_done_once_and_is_whole(empty_cache: Path) -> None:
    def fetch(folder: Path) -> None:
        assert not (empty_cache / "some").exists()
        (folder / "file").write_text("content")

    first = downloaded("some", fetch, searched="here", remedy="do something")
    again = downloaded("some", fetch, searched="here", remedy="do something")
    assert first == again == empty_cache / "some"
    assert [path.name for path in empty_cache.iterdir()] == ["some"]
    assert (first / "file").read_text() == "content"


def test_the_faster_of_two_processes_wins(empty_cache: Path) -> None:
    def fetch(folder: Path) -> None:
        (folder / "file").write_text("slow")
        (empty_cache / "some").mkdir()
        (empty_cache / "some" / "file").write_text("fast")

    assert (downloaded("some", fetch, searched="here", remedy="do something") / "file").read_text() == "fast"
    assert [path.name for path in empty_cache.iterdir()] == ["some"]


def test_a_failed_download_leaves_nothing(empty_cache: Path) -> None:
    def fetch(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise OSError("connection lost\nat byte 3")

    with pytest.raises(DataError) as error:
        downloaded("some", fetch, searched="here", remedy="do something")
    assert str(error.value) == "some was not found in here, and its download failed (connection lost): do something"
    assert list(empty_cache.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_an_error(empty_cache: Path) -> None:
    empty_cache.parent.write_text("a file in the way")
    with pytest.raises(DataError, match=r"its download failed \(.*\): do something"):
        downloaded("some", lambda folder: folder, searched="here", remedy="do something")


def test_a_file_in_the_way_is_an_error(empty_cache: Path) -> None:
    empty_cache.mkdir(parents=True)
    (empty_cache / "some").write_text("a file")
    with pytest.raises(DataError, match=r"its download failed \(.*\): do something"):
        downloaded("some", lambda folder: folder, searched="here", remedy="do something")
