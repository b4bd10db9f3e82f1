"""The files of a run by name: their checksums, and what of an earlier run goes."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from rlsel.errors import CoresetError
from rlsel.run_files import damage_of, remove_run, require_intact, seal


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A folder with two files of a run and one of the user, sealed."""
    (tmp_path / "scores.npy").write_bytes(b"scores")
    (tmp_path / "coreset.json").write_bytes(b"{}")
    (tmp_path / "mine.txt").write_bytes(b"mine")
    seal(tmp_path)
    return tmp_path


def test_the_list_is_what_sha256sum_reads(sealed: Path) -> None:
    lines = (sealed / "SHA256SUMS").read_text().splitlines()
    body = "".join(f"{line}\n" for line in lines[1:])
    assert lines == [
        f"# {hashlib.sha256(body.encode()).hexdigest()} of the lines below",
        f"{hashlib.sha256(b'{}').hexdigest()}  coreset.json",
        f"{hashlib.sha256(b'scores').hexdigest()}  scores.npy",
    ]
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=sealed, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "coreset.json: OK\nscores.npy: OK\n"), done.stderr


def test_what_was_sealed_is_intact(sealed: Path) -> None:
    assert damage_of(sealed) is None
    require_intact(sealed, "scores.npy", "mine.txt", "missing.npy")
    (sealed / "mine.txt").write_bytes(b"changed")
    (sealed / "labels.npy").write_bytes(b"came later")
    assert damage_of(sealed) is None


@pytest.mark.parametrize("content", [b"", b"score", b"scorer", b"scores\n"])
def test_another_content_is_damage(sealed: Path, content: bytes) -> None:
    path = sealed / "scores.npy"
    path.write_bytes(content)
    assert damage_of(sealed) == f"{path}: its SHA-256 is not the one in SHA256SUMS"
    assert damage_of(sealed, ["coreset.json"]) is None, "only what is asked for"
    with pytest.raises(CoresetError, match=rf"^cannot read {path}: its SHA-256 is not the one .*: make the run again"):
        require_intact(sealed, "coreset.json", "scores.npy")


def test_a_missing_file_is_damage(sealed: Path) -> None:
    (sealed / "scores.npy").unlink()
    assert damage_of(sealed) == f"{sealed / 'scores.npy'}: No such file or directory"


def test_a_list_that_is_damaged_itself_covers_nothing(sealed: Path) -> None:
    path = sealed / "SHA256SUMS"
    good = path.read_bytes()
    damaged = [good[:keep] for keep in range(len(good))]
    damaged += [good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :] for place in range(len(good))]
    for content in damaged:
        path.write_bytes(content)
        assert damage_of(sealed, ["scores.npy"]) == f"{path}: it is no complete list of checksums"


def test_a_list_that_went_missing_is_damage(sealed: Path) -> None:
    (sealed / "status.json").write_text('{"state": "complete", "checksums": true}')
    assert damage_of(sealed) is None
    (sealed / "SHA256SUMS").unlink()
    missing = f"{sealed / 'SHA256SUMS'}: it is missing, though status.json says that there are checksums"
    assert damage_of(sealed) == missing
    with pytest.raises(CoresetError, match=rf"^cannot read {missing}: make the run again"):
        require_intact(sealed, "scores.npy")


@pytest.mark.parametrize("status", [None, "", "[]", '{"state": "complete"}', '{"checksums": false}'])
def test_a_run_of_an_earlier_version_has_no_list(sealed: Path, status: str | None) -> None:
    if status is not None:
        (sealed / "status.json").write_text(status)
    (sealed / "SHA256SUMS").unlink()
    (sealed / "scores.npy").write_bytes(b"")
    assert damage_of(sealed) is None
    require_intact(sealed, "scores.npy")


OLD = ("scores.npy", "policy.safetensors", "near_duplicates.npy", "config.yaml", "SHA256SUMS", ".scores.npy.123.part")
KEPT = ("status.json", "mine.txt", "features.npy", ".mine.part", ".hidden")


@pytest.mark.parametrize("checkpoints", [True, False])
def test_what_an_earlier_run_left_goes_and_nothing_else(tmp_path: Path, checkpoints: bool) -> None:
    for name in (*OLD, *KEPT, ".training-0123abcd.ckpt"):
        (tmp_path / name).write_bytes(b"x")
    remove_run(tmp_path, checkpoints=checkpoints)
    kept = {*KEPT, *([] if checkpoints else [".training-0123abcd.ckpt"])}
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_a_folder_of_no_run_keeps_all(tmp_path: Path) -> None:
    for name in ("config.yaml", "model.safetensors", ".a.1.part"):
        (tmp_path / name).write_bytes(b"x")
    remove_run(tmp_path, checkpoints=True)
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "model.safetensors", ".a.1.part"}
