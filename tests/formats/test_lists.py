"""Lists, read back line by line, by our own index files and by tar."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rlsel.coreset import Coreset
from rlsel.errors import ConfigurationError, DataError
from rlsel.formats.writing import export_coreset
from rlsel.index_files import read_index_file


def test_txt_names_files(coreset: Callable[..., Coreset], plain: list[str], tmp_path: Path) -> None:
    written = export_coreset(coreset(), "txt", tmp_path / "kept.txt")
    assert written.read_text(encoding="utf-8") == f"{plain[0]}\n{plain[2]}\n"
    assert read_index_file(written).positions(4, plain).tolist() == [0, 2]


def test_txt_has_positions_where_there_are_no_files(coreset: Callable[..., Coreset], tmp_path: Path) -> None:
    assert export_coreset(coreset(None), "txt", tmp_path / "kept.txt").read_text() == "0\n2\n"
    assert export_coreset(coreset(None), "txt", tmp_path / "rest.txt", part="dropped").read_text() == "1\n3\n"


@pytest.mark.parametrize("form", ["txt", "webdataset", "yolo"])
def test_a_name_that_no_line_holds_is_refused(
    coreset: Callable[..., Coreset], broken: list[str], root: Path, tmp_path: Path, form: str
) -> None:
    message = rf"paths must fit in a line for format={form} .* got '.*line\\nbreak.png': rename the file, or take"
    with pytest.raises(DataError, match=message):
        export_coreset(coreset(broken), form, tmp_path / "list.txt", root=root)
    assert not (tmp_path / "list.txt").exists()


@pytest.mark.parametrize("path", ["a/ü\u2028b.png", "a/b.png ", " a/b.png", "#a/b.png", "a/\x0cb.png"])
def test_what_a_reader_would_take_apart_is_refused(coreset: Callable[..., Coreset], tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError, match="paths must fit in a line for format=txt"):
        export_coreset(coreset([path]), "txt", tmp_path / "list.txt")


def test_tar_makes_a_shard_of_the_list(
    coreset: Callable[..., Coreset], plain: list[str], root: Path, tmp_path: Path
) -> None:
    written = export_coreset(coreset(), "webdataset", tmp_path / "files.txt")
    options = ["--verbatim-files-from", "--no-unquote", f"--files-from={written}"]
    subprocess.run(["tar", "--create", "--file=shard.tar", f"--directory={root}", *options], cwd=tmp_path, check=True)
    with tarfile.open(tmp_path / "shard.tar") as shard:
        assert shard.getnames() == [plain[0], plain[2]]


def test_two_files_that_would_be_one_sample_are_refused(coreset: Callable[..., Coreset], tmp_path: Path) -> None:
    paths = ["cats/a.left.png", "cats/b.png", "cats/a.right.png"]
    with pytest.raises(DataError, match=r"got 'cats/a.left.png' and 'cats/a.right.png': rename one of them"):
        export_coreset(coreset(paths), "webdataset", tmp_path / "files.txt")


def test_yolo_names_files_that_are_there(
    coreset: Callable[..., Coreset], plain: list[str], root: Path, tmp_path: Path
) -> None:
    lines = export_coreset(coreset(), "yolo", tmp_path / "images.txt", root=root).read_text(encoding="utf-8")
    assert lines.splitlines() == [str(root / plain[0]), str(root / plain[2])]
    assert all(Path(line).is_file() for line in lines.splitlines())


def test_samples_without_files_are_refused(coreset: Callable[..., Coreset], tmp_path: Path) -> None:
    message = (
        r"format must be one of csv, hf, parquet, torch, txt for samples without files, got 'webdataset': the data"
    )
    with pytest.raises(ConfigurationError, match=message):
        export_coreset(coreset(None), "webdataset", tmp_path / "files.txt")
