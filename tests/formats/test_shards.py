"""`format=shards` as a whole, on runs over shards of features."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

ROWS = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
SIZES = (12, 18)


def select(rlsel: Callable[..., Any], path: Path) -> Path:
    folder: Path = rlsel("select", "dataset=embeddings", f"dataset.path={path}", "selector=random", "ratio=0.5").folder
    return folder


def exported(rlsel: Callable[..., Any], run: Path) -> dict[str, dict[str, list[Any]]]:
    folder = rlsel("export", f"run={run}", "format=shards").folder
    return {path.name: parquet.read_table(path).to_pydict() for path in sorted(folder.iterdir())}


def test_each_file_has_its_own_ids_scores_and_decisions(rlsel: Callable[..., Any], tmp_path: Path) -> None:
    source = tmp_path / "rows"
    source.mkdir()
    ids = [f"item {number}" for number in range(30)]
    for name, part in (("a", slice(12)), ("b", slice(12, 30))):
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(ROWS[part].reshape(-1)), 4)
        columns = {"id": ids[part], "label": [n % 2 for n in range(30)[part]], "vector": vectors}
        parquet.write_table(pa.table(columns), source / f"{name}.parquet")
    run = select(rlsel, source)
    found = exported(rlsel, run)
    assert list(found) == ["a.parquet", "b.parquet"]
    assert [len(one["id"]) for one in found.values()] == list(SIZES)
    assert [*found["a.parquet"]["id"], *found["b.parquet"]["id"]] == ids
    scores = np.concatenate([one["score"] for one in found.values()]).astype(np.float32)
    assert np.array_equal(scores, np.load(run / "scores.npy"))
    kept = np.concatenate([one["keep"] for one in found.values()])
    assert np.array_equal(np.flatnonzero(kept), np.load(run / "indices.npy"))


def test_rows_without_ids_go_by_their_position_in_all_shards(rlsel: Callable[..., Any], tmp_path: Path) -> None:
    np.save(tmp_path / "x0.npy", ROWS[:12])
    np.save(tmp_path / "x1.npy", ROWS[12:])
    run = select(rlsel, tmp_path / "x*.npy")
    assert exported(rlsel, run)["x1.parquet"]["id"] == list(range(12, 30))
    np.save(tmp_path / "x1.npy", ROWS)
    again = rlsel("export", f"run={run}", "format=shards", f"out={tmp_path / 'again'}")
    assert again.code == 2
    assert "dataset.path must hold the 30 rows that were selected from, got 42" in again.err
    assert not (tmp_path / "again").exists()


def test_files_of_one_name_are_refused(rlsel: Callable[..., Any], tmp_path: Path) -> None:
    for folder, part in (("a", slice(12)), ("b", slice(12, 30))):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "x.npy", ROWS[part])
    run = select(rlsel, tmp_path / "*" / "x.npy")
    result = rlsel("export", f"run={run}", "format=shards", f"out={tmp_path / 'out'}")
    assert result.err == (
        "error: format must be parquet where files of features have the same name, got 'shards': x is there twice\n"
    )
    assert not (tmp_path / "out").exists()


def test_images_have_no_shards(rlsel: Callable[..., Any]) -> None:
    run = rlsel("select", "dataset.train_size=100", "selector=random").folder
    result = rlsel("export", f"run={run}", "format=shards")
    assert result.err == "error: format must be parquet for digits, which has no files of features, got 'shards'\n"
