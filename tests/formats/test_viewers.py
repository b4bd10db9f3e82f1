"""What FiftyOne and Lightly are given, read back as their documentation says."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rlsel.coreset import Coreset
from rlsel.errors import DataError
from rlsel.formats.writing import export_coreset


def test_fiftyone_reads_tags_and_scores(
    coreset: Callable[..., Coreset], broken: list[str], root: Path, tmp_path: Path
) -> None:
    written = export_coreset(coreset(broken), "fiftyone", tmp_path / "labels.csv", root=root)
    with written.open(encoding="utf-8") as file:  # CSVDatasetImporter opens it so, and reads it with a DictReader
        rows = list(csv.DictReader(file))
    assert [row["filepath"] for row in rows] == [str(root / path) for path in broken]
    assert [row["tags"].split(",") for row in rows] == [["kept"], ["dropped"], ["kept"], ["dropped"], ["kept"]]
    assert [row["ground_truth"] for row in rows] == ["cats, big", "cats, big", "dögs", "dögs", "cats, big"]
    scores = np.array([0.1, -2.5, 3.25, 1e-8, 7.0], np.float32)
    assert np.array([row["score"] for row in rows], np.float32).tolist() == scores.tolist()
    assert [int(row["index"]) for row in rows] == [0, 1, 2, 3, 4]


def test_fiftyone_would_change_a_carriage_return(coreset: Callable[..., Coreset], root: Path, tmp_path: Path) -> None:
    (root / "a\rb.png").touch()
    with pytest.raises(DataError, match=r"without carriage returns for format=fiftyone, got '.*a\\rb.png': rename it"):
        export_coreset(coreset(["a\rb.png"]), "fiftyone", tmp_path / "labels.csv", root=root)


def test_lightly_finds_metadata_beside_each_image(
    coreset: Callable[..., Coreset], broken: list[str], tmp_path: Path
) -> None:
    folder = export_coreset(coreset(broken), "lightly", tmp_path / "out")
    metadata = folder / ".lightly" / "metadata"
    schema = json.loads((metadata / "schema.json").read_text(encoding="utf-8"))
    types = {entry["path"]: entry["valueDataType"] for entry in schema}
    assert types == {
        "score": "NUMERIC_FLOAT",
        "selected": "CATEGORICAL_BOOLEAN",
        "class": "CATEGORICAL_STRING",
        "index": "NUMERIC_INT",
    }
    assert all(set(entry) == {"name", "path", "defaultValue", "valueDataType"} for entry in schema)
    scores = np.array([0.1, -2.5, 3.25, 1e-8, 7.0], np.float32).tolist()
    names = ["cats, big", "cats, big", "dögs", "dögs", "cats, big"]
    for number, path in enumerate(broken):
        content = json.loads((metadata / path.replace(".png", ".json")).read_text(encoding="utf-8"))
        values = {"score": scores[number], "selected": number % 2 == 0, "class": names[number], "index": number}
        assert content == {"file_name": path, "type": "image", "metadata": values}
    assert len(list(metadata.rglob("*.json"))) == 1 + len(broken)
    tags = json.loads((folder / "tags.json").read_text(encoding="utf-8"))
    assert tags == {"kept": broken[::2], "dropped": broken[1::2]}


def test_two_images_with_one_file_of_metadata_are_refused(coreset: Callable[..., Coreset], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must differ before the ending .* format=lightly, got 'a/b.png' beside anoth"):
        export_coreset(coreset(["a/b.jpg", "a/b.png"]), "lightly", tmp_path / "out")
    assert not (tmp_path / "out").exists()
