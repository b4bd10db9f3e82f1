"""Tables, read back by the csv module, pyarrow and datasets."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, disable_progress_bars
from pyarrow import parquet

from rlsel.coreset import Coreset
from rlsel.errors import ConfigurationError, DataError
from rlsel.formats.writing import export_coreset

SCORES = [0.1, -2.5, 3.25, 1e-8, 7.0]
NAMES = ["cats, big", "cats, big", "dögs", "dögs", "cats, big"]
KEPT = [True, False, True, False, True]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    disable_progress_bars()


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_carries_every_name(coreset: Callable[..., Coreset], broken: list[str], tmp_path: Path) -> None:
    rows = read_csv(export_coreset(coreset(broken), "csv", tmp_path / "out.csv"))
    assert [row["path"] for row in rows] == broken
    assert [row["class_name"] for row in rows] == NAMES
    assert [row["label"] for row in rows] == ["0", "0", "1", "1", "0"]
    assert [row["index"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert [row["selected"] for row in rows] == ["1", "0", "1", "0", "1"]
    assert [np.float32(row["score"]) for row in rows] == [np.float32(score) for score in SCORES]


@pytest.mark.parametrize(("part", "indices"), [("kept", ["0", "2"]), ("dropped", ["1", "3"]), ("both", list("0123"))])
def test_a_part_has_its_candidates(
    coreset: Callable[..., Coreset], tmp_path: Path, part: Any, indices: list[str]
) -> None:
    rows = read_csv(export_coreset(coreset(), "csv", tmp_path / "out.csv", part=part))
    assert [row["index"] for row in rows] == indices


def test_a_name_that_is_no_text_keeps_its_bytes(coreset: Callable[..., Coreset], tmp_path: Path) -> None:
    path = b"cats/\xff.png".decode(errors="surrogateescape")
    made = coreset([path])
    written = export_coreset(made, "csv", tmp_path / "out.csv").read_bytes()
    assert written.endswith(b",cats/\xff.png\n")
    with pytest.raises(DataError, match=r"must be UTF-8 for format=parquet, got b'cats/\\xff.png': rename it"):
        export_coreset(made, "parquet", tmp_path / "out.parquet")


def test_parquet_has_typed_columns(coreset: Callable[..., Coreset], broken: list[str], tmp_path: Path) -> None:
    table = parquet.read_table(export_coreset(coreset(broken), "parquet", tmp_path / "out.parquet"))
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "index": "int64",
        "label": "int64",
        "class_name": "string",
        "score": "float",
        "selected": "bool",
        "path": "string",
    }
    assert table.column("path").to_pylist() == broken
    assert table.column("class_name").to_pylist() == NAMES
    assert table.column("label").to_pylist() == [0, 0, 1, 1, 0]
    assert table.column("selected").to_pylist() == KEPT
    assert table.column("score").to_numpy().tolist() == np.array(SCORES, np.float32).tolist()


def test_datasets_selects_by_the_hf_form(
    coreset: Callable[..., Coreset], broken: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    written = export_coreset(coreset(broken), "hf", tmp_path / "out.parquet")
    selection = Dataset.from_parquet(str(written), cache_dir=str(tmp_path / "cache"))
    assert selection.features["label"].names == ["cats, big", "dögs"]
    assert selection["path"][:] == broken
    assert selection["label"][:] == [0, 0, 1, 1, 0]
    assert selection["keep"][:] == KEPT
    mine = Dataset.from_dict({"text": ["a", "b", "c", "d", "e", "held out"]})
    kept = mine.select(selection.filter(lambda row: row["keep"])["index"])
    assert kept["text"][:] == ["a", "c", "e"]


def test_classes_of_one_name_stay_apart(coreset: Callable[..., Coreset], tmp_path: Path) -> None:
    written = export_coreset(coreset(None, names=("crane", "crane")), "hf", tmp_path / "out.parquet")
    selection = Dataset.from_parquet(str(written), cache_dir=str(tmp_path / "cache"))
    assert selection.features["label"].names == ["0 crane", "1 crane"]
    assert selection.column_names == ["index", "label", "score", "keep"]


@pytest.mark.parametrize(("form", "package"), [("hf", "datasets"), ("parquet", "pyarrow")])
def test_a_package_that_is_missing_is_named(
    coreset: Callable[..., Coreset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=f"^format={form} needs a package: pip install {package}$"):
        export_coreset(coreset(), form, tmp_path / "below" / "out")
    assert not (tmp_path / "below").exists()
