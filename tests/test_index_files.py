import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlsel.errors import CoresetError
from rlsel.index_files import read_index_file

PATHS = ("cat/1.png", "cat/2.png", "dog/a b.png", "dog/ü,1.png")


def positions(path: Path, size: int = 10, paths: tuple[str, ...] | None = None) -> list[int]:
    found = read_index_file(path).positions(size, paths)
    assert found.dtype == np.int64
    return found.tolist()


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (1, -1)])
def test_whole_numbers_of_any_type_and_order(tmp_path: Path, kind: type, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "x.npy", np.array([7, 2, 9, 0], kind).reshape(shape))
    assert positions(tmp_path / "x.npy") == [0, 2, 7, 9]


def test_numbers_of_another_byte_order(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([7, 2], ">i4"))
    assert positions(tmp_path / "x.npy") == [2, 7]


@pytest.mark.parametrize("shape", [(10,), (10, 1)])
def test_a_mask(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "x.npy", np.isin(np.arange(10), [3, 8]).reshape(shape))
    assert positions(tmp_path / "x.npy") == [3, 8]
    with pytest.raises(CoresetError, match="is a mask of 10 samples, the data set has 11"):
        positions(tmp_path / "x.npy", 11)


@pytest.mark.parametrize("name", ["x.txt", "x.csv", "x.TXT"])
@pytest.mark.parametrize(
    "content",
    [
        "7\n2\n9\n",
        "7\r\n2\r\n9",
        "\ufeff7\n2\n9\n",
        "index\n7\n2\n9\n",
        "7\n\n2\n  9  \n",
        "7.000000000000000000e+00\n2.0\n9\n",
    ],
)
def test_a_position_in_each_line(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert positions(tmp_path / name) == [2, 7, 9]


def test_paths_may_be_those_below_the_training_folder(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("dog/1.png\ncat/1.png\n")
    assert positions(tmp_path / "x.txt", 2, ("train/cat/1.png", "train/dog/1.png")) == [0, 1]
    (tmp_path / "x.txt").write_text("dog/1.png\ntrain/dog/1.png\n")
    with pytest.raises(CoresetError, match="must keep each sample once, got train/dog/1"):
        positions(tmp_path / "x.txt", 2, ("train/cat/1.png", "train/dog/1.png"))


def test_what_numpy_writes_as_text(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x.txt", np.array([7, 2, 123456]), header="kept")
    assert positions(tmp_path / "x.txt", 200_000) == [2, 7, 123456]


def test_a_table_with_a_header(tmp_path: Path) -> None:
    with (tmp_path / "x.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerows([["label", "index", "Selected"], ["a,b", 4, 1], ["c", 5, 0], ["d\ne", 1, "true"], ["f", 6, ""]])
    assert positions(tmp_path / "x.csv") == [1, 4]


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "dog/../../secret.png"])
def test_a_path_is_one_of_the_data_set_or_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.png").touch()
    (tmp_path / "x.txt").write_text(f"{PATHS[0]}\n{path}\n")
    with pytest.raises(CoresetError, match="names files that the data set does not have: "):
        positions(tmp_path / "x.txt", 4, PATHS)


def test_paths_are_found_however_they_are_written(tmp_path: Path) -> None:
    for number, prefix in enumerate(["", "./", "/data/train/", "train/"]):
        path = tmp_path / f"{number}.txt"
        path.write_text(f"path\n{prefix}dog/a b.png\n{prefix}cat/1.png\n", encoding="utf-8")
        assert positions(path, 4, PATHS) == [0, 2]
    (tmp_path / "windows.txt").write_text("cat\\\\2.png\n".replace("\\\\", "\\"))
    assert positions(tmp_path / "windows.txt", 4, PATHS) == [1]
    with (tmp_path / "x.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "selected"], [PATHS[3], 1], [PATHS[0], 0]])
    assert positions(tmp_path / "x.csv", 4, PATHS) == [3]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([3, 1, 3, 1]), "must keep each sample once, got 1 more than once"),
        (np.array([-2, 1]), "must be positions from 0, got -2"),
        (np.array([0.5, 1.5]), "must be whole numbers or booleans, got float64: scores are no indices"),
        (np.array([1.0, 2.0]), r"save indices\.astype\(np\.int64\)"),
        (np.array([0, 1, 1, 0]), r"holds nothing but 0 and 1, .* save it as mask\.astype\(bool\)"),
        (np.zeros(0, np.int64), "is empty: it keeps nothing"),
        (np.zeros(5, bool), "is a mask that keeps nothing, of 5 samples"),
        (np.zeros((2, 3), int), r"must be one list of indices, got the shape \(2, 3\)"),
        (np.array(3), r"got the shape \(\)"),
        (np.array(["a"]), "must be whole numbers or booleans, got <U1"),
        (np.array([1, 2**63 + 5], np.uint64), "must be positions in a data set, got 9223372036854775813"),
        (np.array([2, 10]), "keeps sample 10, the data set has 10, counted from 0"),
    ],
)
def test_arrays_that_are_no_indices_are_refused_for_what_they_are(tmp_path: Path, array: Any, message: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(CoresetError, match=message) as error:
        positions(tmp_path / "x.npy")
    assert "\n" not in str(error.value)
    assert "damaged" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", "# nothing\n", "is empty"),
        ("x.txt", "3\nthree\n", "must have one position in each line, got 'three'"),
        ("x.txt", "3\n1.5\n", "got '1.5'"),
        ("x.txt", "3 5 8\n", "must have one position in each line, got '3 5 8'"),
        ("x.txt", "3\n1_0\n", "got '1_0'"),
        ("x.txt", "3\n99999999999999999999\n", "must be positions in a data set, got 99999999999999999999"),
        ("x.txt", "3\n3\n", "got 3 more than once"),
        ("x.csv", "3,4\n5,6\n", "must have a column index or path, or one column alone, got '3,4'"),
        ("x.csv", "index,selected\n3\n", "must have 2 columns in each line, got '3'"),
        ("x.csv", "index,selected\n3,maybe\n", "must have 1 or 0 in the column selected, got 'maybe'"),
        ("x.txt", "cat/1.png\n", "names files, the data set has none: give positions"),
        ("x.npz", "PK\x03\x04", "is an archive: save the indices alone"),
        ("x.json", "[1, 2]", "must be an .npy, .txt or .csv file of indices, got another kind of file"),
    ],
)
def test_texts_that_are_no_indices_are_refused_for_what_they_are(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(CoresetError, match=message) as error:
        positions(tmp_path / name)
    assert "\n" not in str(error.value)
    assert "damaged" not in str(error.value)


def test_unknown_and_repeated_paths_are_named(tmp_path: Path) -> None:
    unknown = [f"bird/{number}.png" for number in range(7)]
    (tmp_path / "x.txt").write_text("\n".join(["cat/1.png", *unknown]))
    with pytest.raises(CoresetError, match=r"does not have: bird/0.png, .*bird/4.png and 2 more: give their paths"):
        positions(tmp_path / "x.txt", 4, PATHS)
    (tmp_path / "x.txt").write_text("cat/1.png\ncat/2.png\ncat/1.png\n")
    with pytest.raises(CoresetError, match=r"must keep each sample once, got cat/1\.png more than once"):
        positions(tmp_path / "x.txt", 4, PATHS)


def test_damage_is_called_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(9))
    whole = path.read_bytes()
    for content in (whole[:-3], whole + b"x", whole[:20]):
        path.write_bytes(content)
        with pytest.raises(CoresetError, match=r"x\.npy is damaged: x\.npy "):
            read_index_file(path)
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe1\n")
    with pytest.raises(CoresetError, match="is damaged: it is no text"):
        read_index_file(tmp_path / "x.txt")
    np.save(path, np.array([1, None]), allow_pickle=True)
    with pytest.raises(CoresetError, match="holds Python objects: save the indices as"):
        read_index_file(path)
    with pytest.raises(CoresetError, match=r"cannot read .*none\.npy: No such file"):
        read_index_file(tmp_path / "none.npy")
