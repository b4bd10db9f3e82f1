"""Parquet with a file for each file of the features that were selected from: `shards`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from rlsel.checks import refuse
from rlsel.errors import ConfigurationError, DataError
from rlsel.formats.folders import Mode
from rlsel.formats.rows import Rows


def require_shards(rows: Rows) -> None:
    """Refuses a data set that has no shards, or others than the coreset was selected from.

    Raises:
        ConfigurationError: where there are none, or two of one name.
        DataError: where they have another number of rows.
    """
    name, size = rows.coreset.provenance.dataset.name, len(rows.coreset.scores)
    if not rows.shards:
        raise refuse("format", f"parquet for {name}, which has no files of features", "shards")
    twice = [shared for shared, count in Counter(shard.name for shard in rows.shards).items() if count > 1]
    if twice:
        raise refuse(
            "format", "parquet where files of features have the same name", "shards", f"{twice[0]} is there twice"
        )
    found = sum(shard.size for shard in rows.shards)
    if found != size:
        raise DataError(f"dataset.path must hold the {size} rows that were selected from, got {found}: put them back")


def fill_with_shards(rows: Rows, folder: Path, mode: Mode) -> None:
    """Writes the columns id, score and keep of the rows of each shard, as `NAME.parquet`.

    Raises:
        ConfigurationError: if pyarrow is not installed.
    """
    del mode  # there are no images
    try:
        from pyarrow import parquet, table
    except ImportError as error:
        raise ConfigurationError("format=shards needs a package: pip install pyarrow") from error
    start = 0
    for shard in rows.shards:
        inside = slice(*np.searchsorted(rows.indices, [start, start + shard.size]))
        places = rows.indices[inside]
        columns = {
            "id": places if shard.ids is None else shard.ids[places - start],
            "score": rows.scores[inside],
            "keep": rows.selected[inside],
        }
        parquet.write_table(table(columns), folder / f"{shard.name}.parquet")
        start += shard.size
