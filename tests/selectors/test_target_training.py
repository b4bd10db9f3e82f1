"""What a shared target training tells each of its selectors."""

import time
from collections.abc import Mapping
from typing import Any

from rlsel.selectors.base import FINAL, Needs, SelectionTask
from rlsel.selectors.target_training import SharedTraining
from rlsel.training.observation import BatchObservation, EpochEnd


class Slow:
    """Takes a hundredth of a second for each batch."""

    def __init__(self) -> None:
        self.batches = 0

    def on_batch(self, batch: BatchObservation) -> None:
        self.batches += 1
        time.sleep(0.01)

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        return {"batches": self.batches}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        return


def test_no_selector_is_charged_for_what_another_one_watches(tiny_task: SelectionTask) -> None:
    watcher = Slow()
    needs = [Needs(), Needs(training=True), Needs(training=True, watch=lambda recording: watcher)]
    untrained, plain, watching = SharedTraining(task=tiny_task, needs=needs).run()
    # 90 samples in batches of 16 are 6 steps in each of the 3 epochs
    assert watcher.batches == 18
    assert watching.observer is watcher
    assert untrained.seconds == 0
    assert plain.seconds > 0
    assert watching.seconds - plain.seconds >= 0.18


def test_the_clean_passes_are_charged_to_who_asked_for_them(tiny_task: SelectionTask) -> None:
    needs = [Needs(training=True), Needs(training=True, clean_epochs=frozenset({1, FINAL}))]
    plain, looking = SharedTraining(task=tiny_task, needs=needs).run()
    assert plain.seconds < looking.seconds
    assert set(looking.clean) == {1, 3, FINAL}


def test_what_an_observer_measures_reaches_its_own_selector(tiny_task: SelectionTask) -> None:
    rows: list[list[Mapping[str, float]]] = []
    needs = [Needs(training=True), Needs(training=True, watch=lambda recording: Slow())]
    SharedTraining(task=tiny_task, needs=needs, on_epoch=lambda shared, own: rows.append(list(own))).run()
    assert rows == [[{}, {"batches": 6}], [{}, {"batches": 12}], [{}, {"batches": 18}]]


def test_without_a_need_nothing_is_trained(tiny_task: SelectionTask) -> None:
    (observed,) = SharedTraining(task=tiny_task, needs=[Needs()]).run()
    assert (observed.model, observed.dynamics, observed.seconds) == (None, None, 0.0)
