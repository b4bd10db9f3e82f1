"""Target trainings: the one that all selectors of a run share and watch, and further ones that a method asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from torch import Tensor

from rlsel.errors import ConfigurationError
from rlsel.models.target import TargetModel
from rlsel.randomness import Streams
from rlsel.selectors.base import FINAL, Needs, Observed, Recording, SelectionTask, Selector
from rlsel.selectors.evidence import EvidenceCollector
from rlsel.training.evaluation import clean_pass
from rlsel.training.loop import EpochRecord, Progress, Training, build_model
from rlsel.training.observation import BatchObservation, Callbacks, CleanPass, EpochEnd, Observer, Weigh
from rlsel.training.resuming import kept, working_time


class _CleanPasses:
    """An observer that keeps the clean passes after chosen epochs (counted from 1)."""

    def __init__(self, epochs: frozenset[int]) -> None:
        self._epochs = epochs
        self.kept: dict[int, CleanPass] = {}

    def on_batch(self, batch: BatchObservation) -> None:
        return

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        if end.epoch + 1 in self._epochs:
            self.kept[end.epoch + 1] = end.clean_pass()
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {"kept": {epoch: [kept.logits, kept.features] for epoch, kept in self.kept.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.kept = {
            epoch: CleanPass(logits=logits, features=features) for epoch, (logits, features) in state["kept"].items()
        }


class _Timed:
    """An observer whose time is counted, so that no selector is charged for what another one watches."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.seconds = 0.0

    def on_batch(self, batch: BatchObservation) -> None:
        start = time.perf_counter()
        self._observer.on_batch(batch)
        self.seconds += time.perf_counter() - start

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        start = time.perf_counter()
        measured = self._observer.on_epoch_end(end)
        self.seconds += time.perf_counter() - start
        return measured

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "observer": self._observer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seconds = state["seconds"]
        self._observer.load_state_dict(state["observer"])


class _Weighing(Protocol):
    """An observer whose actions can weight the target's loss."""

    def actions(self, indices: Tensor) -> Tensor:
        """Returns the (B,) actions on the batch at (B,) positions."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Costs:
    """Seconds of a shared training: all of it, and the parts that not every selector wanted."""

    total: float
    collectors: float
    passes: float
    watchers: float

    def alone(self, need: Needs, own: float) -> float:
        """Returns what the training would have taken for one selector, whose own observer took `own`."""
        if not need.training:
            return own
        watched = self.collectors + own if need.watch is not None else 0.0
        looked = self.passes if need.clean_epochs else 0.0
        return self.total - self.collectors - self.passes - self.watchers + watched + looked


@dataclass(frozen=True, kw_only=True)
class SharedTraining:
    """The target training of a run, with all that its selectors want to see of it.

    Attributes:
        task: What is trained on and how.
        needs: What each selector wants, in their order.
        on_epoch: Receives each epoch's measurements, and those of each selector's observer (empty without one).
    """

    task: SelectionTask
    needs: Sequence[Needs]
    on_epoch: Callable[[Mapping[str, float], Sequence[Mapping[str, float]]], None] | None = None

    def run(self) -> list[Observed]:
        """Trains, if any selector needs it, and returns what each of them sees."""
        task = self.task
        recording = Recording(task.labels, task.dataset.num_classes, processes=task.fabric.processes)
        watchers = [None if need.watch is None else need.watch(recording) for need in self.needs]
        if not any(need.training for need in self.needs):
            return [Observed(observer=watcher) for watcher in watchers]
        start = working_time(task.checkpointing)
        epochs = task.training.total_epochs(len(task))
        wanted = frozenset().union(*(need.clean_epochs for need in self.needs))
        passes = _CleanPasses(wanted)
        timed_passes = _Timed(passes)
        collectors = [_Timed(collector) for collector in recording.collectors.values()]
        # a collector of evidence sees the training with the recording that it belongs to, and must not see it twice
        timed: dict[int, _Timed] = {}  # by identity, as observers need not be hashable
        own = [
            None
            if watcher is None or isinstance(watcher, EvidenceCollector)
            else timed.setdefault(id(watcher), _Timed(watcher))
            for watcher in watchers
        ]
        shared: list[Observer] = [recording.dynamics, recording.bank, *collectors, timed_passes]
        model = self._train(shared, own, watchers)
        clean = dict(passes.kept)
        if FINAL in wanted or epochs in wanted:
            began = time.perf_counter()
            final = clean.get(epochs) or clean_pass(model, task.dataset, task.dataset.train, fabric=task.fabric)
            clean |= {FINAL: final, epochs: final}
            timed_passes.seconds += time.perf_counter() - began
        dynamics = recording.dynamics.dynamics()
        costs = _Costs(
            total=working_time(task.checkpointing) - start,
            collectors=sum(collector.seconds for collector in collectors),
            passes=timed_passes.seconds,
            watchers=sum(watcher.seconds for watcher in timed.values()),
        )
        return [
            Observed(
                model=model,
                dynamics=dynamics,
                clean=clean,
                observer=watcher,
                seconds=costs.alone(need, 0.0 if mine is None else mine.seconds),
            )
            for need, watcher, mine in zip(self.needs, watchers, own, strict=True)
        ]

    def _train(
        self, shared: list[Observer], own: Sequence[Observer | None], watchers: Sequence[Observer | None]
    ) -> TargetModel:
        task = self.task
        watching = list(dict.fromkeys(watcher for watcher in own if watcher is not None))

        def report(record: EpochRecord) -> None:
            if self.on_epoch is None:
                return
            measured = dict(record.training)
            for row in record.observers[: len(shared)]:
                measured |= row
            rows = dict(zip(watching, record.observers[len(shared) :], strict=True))
            self.on_epoch(measured, [{} if watcher is None else rows[watcher] for watcher in own])

        streams = Streams(seed=task.seed, names=("target",))
        return Training(
            build_model(task.model, task.dataset, streams),
            task.dataset,
            split=task.dataset.train,
            settings=task.training,
            fabric=task.fabric,
            streams=streams,
            progress=Progress(reporter=task.reporter, title=f"target {task.model.name}", on_epoch=report),
            callbacks=Callbacks(observers=[*shared, *watching], weigh=self._weigh(watchers)),
            checkpointing=task.checkpointing,
        ).run()

    def _weigh(self, watchers: Sequence[Observer | None]) -> Weigh | None:
        if self.task.training.weighting == "none":
            return None
        if len(self.needs) != 1 or not self.needs[0].weighs:
            raise ConfigurationError(
                f"training.weighting=policy must go with one policy at one ratio, got {len(self.needs)} selections: "
                "give one ratio and selector=rl_selector, or training.weighting=none"
            )
        watcher: _Weighing = watchers[0]  # type: ignore[assignment] # as `Needs.weighs` says
        return watcher.actions


def train_target(
    task: SelectionTask,
    *names: str | int,
    indices: Tensor | None = None,
    epochs: int | None = None,
    stop_after: int | None = None,
    observers: Sequence[Observer] = (),
    title: str = "",
) -> TargetModel:
    """Trains a fresh target model with the task's recipe.

    Args:
        task: What is trained on and how.
        *names: What the random streams are called: the method and this training; "target" alone repeats the shared
            target training of a run.
        indices: (K,) training positions to train on; None for all. Observers then see positions among these K.
        epochs: Passes over them; None for the task's own budget.
        stop_after: Epochs after which to stop, with the learning rates of the whole training; None for its end.
        observers: Watch the training.
        title: What the reporter calls it.

    Returns:
        The model in evaluation mode.
    """
    split = task.dataset.train if indices is None else task.dataset.train.subset(indices)
    settings = replace(task.training, weighting="none")
    if epochs is not None:
        settings = replace(settings, epochs=epochs, steps=None)
    streams = Streams(seed=task.seed, names=names)
    return Training(
        build_model(task.model, task.dataset, streams),
        task.dataset,
        split=split,
        settings=settings,
        fabric=task.fabric,
        streams=streams,
        progress=Progress(reporter=task.reporter, title=title or " ".join(map(str, names))),
        callbacks=Callbacks(observers=observers),
        checkpointing=task.part("training", names, indices, settings, stop_after),
        stop_after=stop_after,
    ).run()


def kept_values(task: SelectionTask, method: Selector, number: int, make: Callable[[SelectionTask], Tensor]) -> Tensor:
    """Returns what a part of a method's work came to, which an interruption of the run does not lose.

    Args:
        task: What is selected from.
        method: Whose work it is.
        number: Which part of it.
        make: Does it, given the task with the place of this part; its trainings are saved there.

    Returns:
        What `make` returned, on the CPU.
    """
    place = task.part("part", method, number)
    values: Tensor = kept(place, lambda: {"values": make(replace(task, checkpointing=place)).cpu()})["values"]
    return values
