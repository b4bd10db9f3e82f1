"""A module of Python that makes the subset: `torch`."""

from __future__ import annotations

import textwrap

from rlsel.formats.rows import Rows

_MODULE = '''\
# {origin}

from torch.utils.data import Dataset, Subset

SIZE = {size}
INDICES = [
{indices}
]


def subset(dataset: Dataset) -> Subset:
    """Returns the samples of the data set, given whole and in its own order."""
    if len(dataset) != SIZE:
        raise ValueError(f"the data set must have {{SIZE}} samples, got {{len(dataset)}}")
    return Subset(dataset, INDICES)
'''


def torch_content(rows: Rows) -> bytes:
    """Returns a module with the positions and a function `subset`, which needs nothing but torch."""
    origin = rows.coreset.provenance
    part = {"kept": "kept", "dropped": "dropped", "both": "kept and dropped"}[rows.part]
    text = (
        f"{len(rows.indices)} positions in {origin.dataset.name!a}, {part} by {origin.selector.name!a} at ratio "
        f"{origin.ratio.requested:g}, seed {origin.seed}"
    )
    numbers = ", ".join(map(str, rows.indices.tolist())) + ","
    indices = textwrap.fill(numbers, 100, initial_indent="    ", subsequent_indent="    ")
    return _MODULE.format(origin=text, size=origin.dataset.size, indices=indices).encode()
