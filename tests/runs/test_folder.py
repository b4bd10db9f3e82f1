"""Run folders: where they lie, what state they are in, and that a refused run leaves none behind."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlsel.errors import ConfigurationError, StorageError
from rlsel.run_files import seal
from rlsel.runs.folder import (
    RunFolder,
    begun,
    cell_name,
    check_writable,
    common_parent,
    note_damage,
    require_apart,
    run_folder,
    to_make,
)


def run_at(path: Path, digest: str = "0123abcd") -> RunFolder:
    return RunFolder(path=path, digest=digest)


def status(path: Path) -> dict[str, Any]:
    return json.loads((path / "status.json").read_text())


def begin_and_raise(folders: list[RunFolder], error: BaseException) -> None:
    """Begins runs that leave a file and then fail."""
    with begun(folders, "select", [{} for _ in folders]):
        for folder in folders:
            (folder.path / "half.npy").write_bytes(b"half")
        raise error


USER_ERROR = ConfigurationError("this does not fit")


@pytest.mark.parametrize(
    ("ratio", "seed", "digest", "expected"),
    [
        (0.7, 0, None, "ratio-0.70_seed-0"),
        (1.0, 12, None, "ratio-1.00_seed-12"),
        (0.125, 3, None, "ratio-0.125_seed-3"),
        (0.3, 0, "0123abcd", "ratio-0.30_seed-0_0123abcd"),
    ],
)
def test_a_folder_is_named_after_what_is_in_it(ratio: float, seed: int, digest: str | None, expected: str) -> None:
    assert cell_name(ratio, seed, digest) == expected


def test_a_run_is_complete_with_its_own_settings_only(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "a")
    assert not folder.complete
    with begun([folder], "select", [{"seed": 3}]):
        running = {"state": "running", "error": None, "settings_hash": "0123abcd", "checksums": False}
        assert status(folder.path) == running
        assert not folder.complete
        folder.set_state("complete")
    assert folder.complete
    assert not run_at(folder.path, "ffffffff").complete
    assert yaml.safe_load((folder.path / "config.yaml").read_text()) == {"command": "select", "seed": 3}


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"state": "complete"}', '{"settings_hash": "0123abcd"}'])
def test_a_damaged_status_is_not_complete(tmp_path: Path, content: str) -> None:
    (tmp_path / "status.json").write_text(content)
    assert not run_at(tmp_path).complete


def test_a_user_s_error_leaves_nothing(tmp_path: Path) -> None:
    folders = [run_at(tmp_path / "new" / "a" / "b"), run_at(tmp_path / "new" / "c"), run_at(tmp_path / "d")]
    with pytest.raises(ConfigurationError, match="does not fit"):
        begin_and_raise(folders, USER_ERROR)
    assert not list(tmp_path.iterdir()), "nor the folders in between"


def test_a_user_s_error_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigurationError):
        begin_and_raise([run_at(tmp_path / "there"), run_at(tmp_path / "there" / "new")], USER_ERROR)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine.txt"]


def test_a_user_s_error_in_a_run_that_was_there_marks_it_as_failed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        begin_and_raise([run_at(tmp_path / "a")], KeyboardInterrupt())
    with pytest.raises(ConfigurationError):
        begin_and_raise([run_at(tmp_path / "a")], USER_ERROR)
    assert status(tmp_path / "a")["state"] == "failed"
    assert status(tmp_path / "a")["error"] == "this does not fit"


def test_a_folder_that_cannot_be_made_is_a_user_s_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folders = [run_at(tmp_path / "new" / "a"), run_at(tmp_path / "file" / "b")]
    with pytest.raises(StorageError, match="cannot make the folder"), begun(folders, "select", [{}, {}]):
        raise AssertionError("never reached")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_defect_leaves_failed_runs(tmp_path: Path) -> None:
    folders = [run_at(tmp_path / "a"), run_at(tmp_path / "b"), run_at(tmp_path / "c")]

    def break_down() -> None:
        with begun(folders, "select", [{}, {}, {}]):
            folders[0].set_state("complete")
            raise ZeroDivisionError("unexpected")

    with pytest.raises(ZeroDivisionError):
        break_down()
    assert [status(folder.path)["state"] for folder in folders] == ["complete", "failed", "failed"]
    assert status(folders[1].path)["error"] == "ZeroDivisionError: unexpected"
    assert not folders[1].complete


def test_an_interruption_leaves_runs_to_go_on_with(tmp_path: Path) -> None:
    folder = run_at(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        begin_and_raise([folder], KeyboardInterrupt())
    assert status(folder.path)["state"] == "interrupted"
    assert (folder.path / "half.npy").exists()


def test_another_run_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    for name in ("policy.safetensors", "near_duplicates.npy", "SHA256SUMS", ".scores.npy.7.part", "mine.txt"):
        (tmp_path / name).write_text("of another")
    (tmp_path / ".training-0123abcd.ckpt").write_text("of another")
    run_at(tmp_path, "ffffffff").set_state("interrupted")
    run_at(tmp_path).begin("select", {})
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "config.yaml", "status.json"}


def test_a_run_that_begins_again_keeps_its_checkpoint(tmp_path: Path) -> None:
    run_at(tmp_path).begin("select", {})
    for name in (".training-0123abcd.ckpt", "scores.npy"):
        (tmp_path / name).write_text("half of it")
    run_at(tmp_path).begin("select", {})
    assert {path.name for path in tmp_path.iterdir()} == {".training-0123abcd.ckpt", "config.yaml", "status.json"}


def test_a_damaged_run_is_not_complete_and_says_why(tmp_path: Path) -> None:
    folder = run_at(tmp_path)
    folder.begin("select", {})
    seal(tmp_path)
    folder.set_state("complete")
    assert folder.complete
    assert folder.damage is None
    (tmp_path / "config.yaml").write_text("")
    assert not folder.complete
    notes: list[str] = []
    note_damage([folder, run_at(tmp_path, "ffffffff"), run_at(tmp_path / "none")], notes.append)
    assert notes == [
        f"note: a finished run is made again, since it is damaged: {tmp_path / 'config.yaml'}: its SHA-256 is not the "
        "one in SHA256SUMS"
    ]


def test_a_run_never_replaces_what_it_starts_from(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for source in (tmp_path, tmp_path / "link", tmp_path / "indices.npy"):
        with pytest.raises(ConfigurationError, match=r"^run_dir must be another folder than that of coreset, got "):
            require_apart([run_at(tmp_path / "a"), run_at(tmp_path)], "coreset", source)
    for source in (tmp_path / "b", tmp_path / "mine.npy"):
        require_apart([run_at(tmp_path / "a"), run_at(tmp_path)], "coreset", source)


def test_what_another_process_made_beside_survives_a_refused_run(tmp_path: Path) -> None:
    def fail_late() -> None:
        with begun([run_at(tmp_path / "new" / "a" / "b")], "select", [{}]):
            (tmp_path / "new" / "other").mkdir()
            raise USER_ERROR

    with pytest.raises(ConfigurationError):
        fail_late()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["other"]


def test_a_file_in_the_way_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "a", file / "a" / "b"):
        with pytest.raises(StorageError, match=rf"run_dir must lie below a folder, but {file} is a file"):
            check_writable(path)
    check_writable(tmp_path / "new" / "a")
    check_writable(tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(StorageError, match=rf"run_dir must be writable, but {tmp_path} is not"):
        check_writable(tmp_path / "new" / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@dataclass(frozen=True)
class Made:
    folder: RunFolder


def made(path: Path) -> Made:
    return Made(RunFolder(path=path, digest="d"))


def test_the_folder_that_holds_all_runs(tmp_path: Path) -> None:
    cells = [made(tmp_path / "random" / name) for name in "ab"]
    assert common_parent(cells[:1], None) == common_parent(cells[:1], tmp_path) == tmp_path / "random" / "a"
    assert common_parent(cells, None) == tmp_path / "random"
    assert common_parent([*cells, made(tmp_path / "el2n" / "a")], None) == tmp_path
    assert common_parent(cells, tmp_path) == tmp_path, "as the user gave it, whatever lies below"
    assert common_parent(cells, Path("given")) == Path.cwd() / "given"


@pytest.mark.parametrize(
    ("run_dir", "several", "expected"),
    [
        (None, False, "outputs/select/digits/el2n/name"),
        (None, True, "outputs/select/digits/el2n/name"),
        (Path("mine"), False, "mine"),
        (Path("mine"), True, "mine/el2n/name"),
    ],
)
def test_where_a_run_lies(run_dir: Path | None, several: bool, expected: str) -> None:
    folder = run_folder("select", "digits", "el2n", "name", run_dir=run_dir, several=several, digest="d")
    assert folder == RunFolder(path=Path.cwd() / expected, digest="d")


def test_only_what_is_missing_is_made_unless_it_is_wanted_again(tmp_path: Path) -> None:
    cells = [made(tmp_path / name) for name in "ab"]
    cells[0].folder.begin("select", {})
    assert to_make(cells, again=False) == cells, "a run that has only begun is missing"
    cells[0].folder.set_state("complete")
    assert to_make(cells, again=False) == cells[1:]
    assert to_make(cells, again=True) == cells
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="run_dir must lie below a folder"):
        to_make([cells[0], made(tmp_path / "file" / "a")], again=False)
