"""The part of a data set that `rlsel train-on-subset` is given, checked against the data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rlsel.coreset import INDICES_FILE, RECORD_FILE, Coreset
from rlsel.data.dataset import Dataset
from rlsel.data.variation import Variation
from rlsel.errors import CoresetError
from rlsel.index_files import IndexFile, read_index_file
from rlsel.run_files import require_intact
from rlsel.runs.reader import read_run

_LEAST = 2
"""Samples: batch norm knows no variance of one."""


@dataclass(frozen=True, kw_only=True)
class Subset:
    """What is trained on.

    Attributes:
        positions: (K,) positions in what the user gave, ascending.
        coreset: The run that they belong to; None for bare indices and for the full split.
        title: What the folder is named after: the selector, `indices` or `full`.
    """

    positions: NDArray[np.int64]
    coreset: Coreset | None
    title: str


def load_subset(given: Path | None) -> Coreset | IndexFile | None:
    """Reads a run, or any file of positions or paths; a `coreset.json`, or an `indices.npy` beside it, is the run.

    Args:
        given: The run folder or the file; None for the whole training split, which takes no reading.

    Raises:
        CoresetError: if it is missing, unfinished or damaged.
    """
    if given is None:
        return None
    if given.is_dir():
        return read_run(given, "coreset").finished_coreset()
    beside_record = given.name in (INDICES_FILE, RECORD_FILE) and (given.parent / RECORD_FILE).is_file()
    if beside_record or not given.is_file():
        return Coreset.load(given)
    require_intact(given.parent, given.name)  # it may be a file of a run, as selected.csv is
    return read_index_file(given)


def subset_of(given: Coreset | IndexFile | None, dataset: Dataset, variation: Variation) -> Subset:
    """Finds what is trained on.

    Args:
        given: What `load_subset` gave.
        dataset: What it is a part of.
        variation: What was changed in the data set.

    Raises:
        CoresetError: if it belongs to another data set, if something of it is measured on, or if it is too small.
    """
    subset = _in_source(given, dataset, variation)
    if len(subset.positions) < _LEAST:
        raise CoresetError(
            f"the coreset must have at least {_LEAST} samples to train on, got {len(subset.positions)}: select with a "
            "larger ratio"
        )
    return subset


def _in_source(given: Coreset | IndexFile | None, dataset: Dataset, variation: Variation) -> Subset:
    source = dataset.source
    if given is None:
        return Subset(positions=dataset.train.in_source().numpy(), coreset=None, title="full")
    if isinstance(given, Coreset):
        given.check(size=len(source), fingerprint=dataset.fingerprint)
        _require_unseen(given.candidates, dataset, variation, "was selected from")
        subset = Subset(positions=given.indices, coreset=given, title=given.provenance.selector.name)
    else:
        subset = Subset(positions=given.positions(len(source), source.paths), coreset=None, title="indices")
        _require_unseen(subset.positions, dataset, variation, "keeps")
    outside = np.flatnonzero(dataset.places_in_train(torch.from_numpy(subset.positions)).numpy() < 0)
    if len(outside):
        raise CoresetError(
            f"the coreset keeps sample {subset.positions[outside[0]]}, which is none of the {len(dataset.train)} "
            f"candidates of the {len(source)} samples: give the settings of dataset. that it was selected with"
        )
    return subset


def _require_unseen(positions: NDArray[np.int64], dataset: Dataset, variation: Variation, verb: str) -> None:
    """Refuses a test split with samples that the choice has seen."""
    shared = np.intersect1d(positions, dataset.held_out.numpy())
    if len(shared):
        remedy = "hold them out before, as in rlsel select dataset.holdout=0.2, or leave dataset.holdout= out"
        if not variation.holdout and variation.measure_on == "test":
            remedy = "this data set always measures on them, leave them out of the coreset"
        raise CoresetError(
            f"the coreset {verb} {len(shared)} of the {len(dataset.held_out)} samples that are held out to measure on, "
            f"for example {shared[0]}: {remedy}"
        )
