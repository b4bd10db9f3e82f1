from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.test_coreset import provenance, small

from rlsel.coreset import Coreset
from rlsel.paying import balance, closing, next_command, tally

RUN = Path("/runs/one")
NEXT = "; next: rlsel train-on-subset coreset=/runs/one"


def test_a_saving_pays_after_as_many_trainings_as_it_goes_into_the_cost() -> None:
    # two of four samples, both of class 0, in 1.5 s; half of a training of 1 s is saved
    assert balance(small(), 1.0, run=RUN) == (
        "note: 2 of 4 samples are kept, 2 of each class that has any, in 1.5 s; a training like the target's saves "
        "about 0.5 s on them where it makes as many passes (none where it takes as many steps), so that the selection "
        "has paid after 3" + NEXT
    )


def test_what_trains_nothing_says_what_is_kept() -> None:
    coreset = replace(small(), provenance=replace(small().provenance, wall_seconds=61.4))
    assert balance(coreset, 0.0, run=RUN) == (
        "note: 2 of 4 samples are kept, 2 of each class that has any, in 61 s" + NEXT
    )


def test_the_classes_with_the_fewest_and_the_most_are_named() -> None:
    three = Coreset(
        indices=np.array([0, 1, 3]), scores=small().scores, labels=small().labels, provenance=provenance(4, 3)
    )
    # labels 0, 1, 1, 0: two of the class called "class 0" are kept and one of the other
    assert "3 of 4 samples are kept, fewest of class 'class 1' (1) and most of class 'class 0' (2), in" in balance(
        three, 0.0, run=RUN
    )


def test_several_are_told_in_one_line() -> None:
    longer = replace(small(), provenance=replace(small().provenance, wall_seconds=61.4))
    assert tally([small(), longer], run=RUN) == (
        "note: 2 coresets are made, of 2 to 2 samples, the dearest in 61 s" + NEXT
    )


def test_the_next_command_can_be_typed_where_the_user_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert next_command(tmp_path / "a b" / "c", small()) == "rlsel train-on-subset coreset='a b/c'"
    assert next_command(Path("/elsewhere/c"), small()) == "rlsel train-on-subset coreset=/elsewhere/c"


def test_what_has_no_labels_is_handed_on_and_not_trained_on() -> None:
    one_class = Coreset(
        indices=np.array([0, 3]),
        scores=small().scores,
        labels=np.zeros(4, dtype=np.int64),
        provenance=replace(
            provenance(4, 2),
            dataset=replace(provenance(4, 2).dataset, num_classes=1, class_names=("all",), label_values=("",)),
        ),
    )
    assert next_command(RUN, one_class) == "rlsel export run=/runs/one format=csv"


def test_one_coreset_is_told_in_full_and_several_are_summed_up() -> None:
    assert closing([small()], run=RUN, training_seconds=1.0) == balance(small(), 1.0, run=RUN)
    assert closing([small(), small()], run=RUN) == tally([small(), small()], run=RUN)
