from __future__ import annotations

from dataclasses import replace

from tests.test_coreset import small

from rlsel.paying import balance


def test_a_saving_pays_after_as_many_trainings_as_it_goes_into_the_cost() -> None:
    # two of four samples, both of class 0, in 1.5 s; half of a training of 1 s is saved
    assert balance(small(), 1.0) == (
        "note: 2 of 4 samples are kept, 2 of each class that has any, in 1.5 s; a training like the target's saves "
        "about 0.5 s on them where it makes as many passes (none where it takes as many steps), so that the selection "
        "has paid after 3"
    )


def test_what_trains_nothing_says_what_is_kept() -> None:
    coreset = replace(small(), provenance=replace(small().provenance, wall_seconds=61.4))
    assert balance(coreset, 0.0) == "note: 2 of 4 samples are kept, 2 of each class that has any, in 61 s"
