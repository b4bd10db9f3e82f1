"""The one supervised training loop, for the target model of a selection and for models trained on a coreset."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlsel.data.dataset import Dataset, Split
from rlsel.data.loading import ImageBatch, load_batches
from rlsel.errors import DataError
from rlsel.models.target import ModelSpec, TargetModel
from rlsel.randomness import Streams
from rlsel.training.batch_norm import share_batch_norms
from rlsel.training.evaluation import clean_pass
from rlsel.training.fabric import Fabric
from rlsel.training.interruption import StopRequest, signals_held_back
from rlsel.training.observation import BatchObservation, Callbacks, CleanPass, EpochEnd
from rlsel.training.optimisation import build_optimizer, learning_rate_factor, set_learning_rate
from rlsel.training.reporting import Reporter
from rlsel.training.resuming import Checkpointing
from rlsel.training.settings import TrainingSettings
from rlsel.training.sharing import SharedBatches

_EXPLODED = 1e4
"""Mean cross-entropy in an epoch from which no training recovers; that of guessing is log(number of classes)."""

_LONG = 1.0
"""Seconds above which the end of an epoch is worth a checkpoint before it."""


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """What was measured in an epoch.

    Attributes:
        training: Epoch (from 1), steps done, loss, accuracy as seen, learning rate, seconds since the start.
        observers: What each observer measured, in their order.
    """

    training: Mapping[str, float]
    observers: tuple[Mapping[str, float], ...]

    @property
    def row(self) -> dict[str, float]:
        """All of it as one line of measurements."""
        merged = dict(self.training)
        for measured in self.observers:
            merged |= measured
        return merged


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Who is told how a training goes.

    Attributes:
        reporter: Told each step, and the measurements of each epoch.
        title: What the reporter calls this training.
        on_epoch: Receives each epoch's record, those of before an interruption included.
    """

    reporter: Reporter
    title: str
    on_epoch: Callable[[EpochRecord], None] | None = None

    def publish(self, record: EpochRecord) -> None:
        """Tells what was measured in an epoch."""
        self.reporter.epoch(record.row)
        if self.on_epoch is not None:
            self.on_epoch(record)


def build_model(spec: ModelSpec, dataset: Dataset, streams: Streams) -> TargetModel:
    """Builds a model with initial parameters of the stream "parameters", in the channels-last memory format."""
    with streams.borrowed("parameters"):
        model = spec.build(dataset.image_shape, dataset.num_classes)
    return model.to(memory_format=torch.channels_last)


def pass_batches(order: Tensor, settings: TrainingSettings) -> tuple[Tensor, ...]:
    """Cuts the (K,) positions of a pass into (B,) positions of each batch; the rest of one sample joins the last."""
    batches = settings.steps_per_epoch(len(order))
    edges = [settings.batch_size * i for i in range(1, batches)]
    return torch.tensor_split(order, edges)


class Training:
    """A supervised training that can be watched, inspected, interrupted and taken up again.

    All randomness comes from streams named after the step or the epoch, so that the state between two steps is only
    the model, the optimiser and what the observers hold.
    """

    def __init__(
        self,
        model: TargetModel,
        dataset: Dataset,
        *,
        split: Split,
        settings: TrainingSettings,
        fabric: Fabric,
        streams: Streams,
        progress: Progress,
        callbacks: Callbacks | None = None,
        checkpointing: Checkpointing | None = None,
        stop_after: int | None = None,
    ) -> None:
        """Prepares a training of `model` on the N samples of `split`.

        Args:
            model: Trained in place.
            dataset: Says how images are normalised and augmented.
            split: The training samples; observers see positions in it.
            settings: The recipe.
            fabric: The device and the precision.
            streams: Where its randomness comes from.
            progress: Who is told how it goes.
            callbacks: What watches it and weights its loss; None for nothing.
            checkpointing: Where to save what a resumed training needs; None for nowhere.
            stop_after: Epochs after which to stop, with the schedule of the whole training; None for its end.
        """
        self._dataset, self._split, self._settings, self._fabric = dataset, split, settings, fabric
        self._streams, self._progress, self._checkpointing = streams, progress, checkpointing
        self._callbacks = callbacks or Callbacks()
        self._optimizer = build_optimizer(model, settings)
        self._processes, self._shared = fabric.processes, SharedBatches(fabric.processes)
        if self._processes.size > 1:
            share_batch_norms(model)
        self._wrapped, self._fabric_optimizer = fabric.setup(model, self._optimizer)
        self._model = model
        size = len(split) if self._callbacks.passes is None else self._callbacks.passes.pass_size
        self._total = settings.total_steps(size)
        self._epochs = settings.total_epochs(size)
        self._last = self._total
        if stop_after is not None:
            self._last = min(self._total, stop_after * settings.steps_per_epoch(size))
        self._step = 0
        self._epoch, self._done = 0, 0  # passes begun before this one, and batches of this one that are done
        self._order = torch.zeros(0, dtype=torch.int64)
        self._records: list[EpochRecord] = []
        # samples, losses, right answers of this epoch; a step must not wait for the device
        self._sums = torch.zeros(3, device=fabric.device)
        self._seconds_before = 0.0
        self._end_is_long = True  # as far as is known before the first epoch ended

    def run(self) -> TargetModel:
        """Trains to the end, from the checkpoint where there is one, and returns the model in evaluation mode.

        Raises:
            DataError: if it diverges, at the end of the epoch in which it does.
        """
        self._resume()
        self._began = time.monotonic()
        self._progress.reporter.start(
            self._progress.title, math.ceil(self._epochs * self._last / self._total), self._last
        )
        for record in self._records:
            self._progress.publish(record)
        # an epoch may have been interrupted between its last step and its end
        while self._step < self._last or self._done:
            self._run_epoch()
        if self._worth_saving:
            self._save()
        self._progress.reporter.finish()
        self._processes.take_from_first(self._model.buffers())
        return self._model.eval()

    def _run_epoch(self) -> None:
        if self._done == 0:
            self._begin_epoch()
        batches = pass_batches(self._order, self._settings)
        self._model.train()
        with signals_held_back() as stop:
            if self._done:
                self._look(stop)
            left: Sequence[Tensor] = batches[self._done :] if self._step < self._total else ()
            for batch, whole in zip(self._load(left), left, strict=True):
                self._run_step(batch, whole)
                self._done += 1
                stopped = stop.in_any(self._processes)
                if stopped or self._due:
                    self._save()
                if stopped:
                    return
                self._look(stop)
                if self._step == self._total:
                    break
            if self._end_is_long and self._worth_saving:
                self._save()
            began = time.monotonic()
            with stop.let_through():
                self._end_epoch(complete=self._done == len(batches))
            self._end_is_long = time.monotonic() - began > _LONG
            self._epoch, self._done = self._epoch + 1, 0
            if stop.in_any(self._processes) or self._due:
                self._save()

    def _look(self, stop: StopRequest) -> None:
        """Looks at the model where that is due; what is saved until the next step is from before."""
        inspection = self._callbacks.inspection
        if inspection is None or self._step not in inspection.steps:
            return
        if self._worth_saving:
            self._save()
        with stop.let_through():
            inspection.look(self._step, self._model)
        self._model.train()

    def _begin_epoch(self) -> None:
        order = self._streams.generator("order", self._epoch)
        passes = self._callbacks.passes
        if passes is None:
            self._order = torch.randperm(len(self._split), generator=order)
        else:
            self._order = passes.choose(self._step / self._total, order)
        self._augmentation = self._streams.generator("augmentation", self._epoch)

    def _load(self, batches: Sequence[Tensor]) -> Iterator[ImageBatch]:
        return load_batches(
            self._dataset,
            self._split,
            batches,
            device=self._fabric.device,
            augmentation=self._dataset.augmentation if self._settings.augment else None,
            generator=self._augmentation,
            own_rows=self._shared.rows,
        )

    def _run_step(self, batch: ImageBatch, whole: Tensor) -> None:
        rate = self._settings.learning_rate * learning_rate_factor(self._step, self._total, self._settings)
        set_learning_rate(self._optimizer, rate)
        with self._streams.borrowed(*self._shared.own_stream("layers", self._step)):
            logits, features = self._wrapped(batch.images)
        losses = nn.functional.cross_entropy(
            logits.float(), batch.labels, reduction="none", label_smoothing=self._settings.label_smoothing
        )
        seen = (logits.detach().float(), features.detach().float(), losses.detach())
        observation = self._observed(batch, whole, seen)
        for observer in self._callbacks.observers:
            observer.on_batch(observation)
        self._fabric_optimizer.zero_grad()
        self._fabric.backward(self._mean_loss(losses, observation))
        self._fabric_optimizer.step()
        self._step += 1
        right = (observation.logits.argmax(dim=1) == observation.labels).sum()
        self._sums += torch.stack([torch.full_like(right, len(whole)), observation.losses.sum(), right])
        self._progress.reporter.step(self._step)

    def _observed(self, batch: ImageBatch, whole: Tensor, seen: Sequence[Tensor]) -> BatchObservation:
        """Returns what all processes saw of the batch at the positions `whole`; this one saw `batch`."""
        logits, features, losses = self._shared.whole(seen, len(whole))
        alone = len(batch.labels) == len(whole)
        return BatchObservation(
            epoch=self._epoch,
            step=self._step,
            indices=whole,
            labels=batch.labels if alone else self._split.labels[whole].to(batch.labels.device),
            logits=logits,
            features=features,
            losses=losses,
        )

    def _mean_loss(self, losses: Tensor, batch: BatchObservation) -> Tensor:
        """Returns what this process is to take the gradient of, of which the processes take the mean.

        Args:
            losses: Those of its own part.
            batch: The whole batch.
        """
        size = len(batch.indices)
        rows, parts = self._shared.rows(size), self._shared.parts(size)
        share = parts * len(losses) / size  # 1 for one process, and for parts of one length
        if self._callbacks.passes is not None:
            of_pass = self._callbacks.passes.observe(batch.indices, batch.logits, batch.labels)
            return share * (losses if of_pass is None else of_pass[rows] * losses).mean()
        if self._callbacks.weigh is None:
            return share * losses.mean()
        # divided by the sum of the weights: a low keep ratio must not shrink the learning rate
        weights = self._callbacks.weigh(batch.indices).to(losses.device)
        return parts * (weights[rows] * losses).sum() / weights.sum().clamp_min(1e-6)

    def _end_epoch(self, *, complete: bool) -> None:
        samples, losses, right = self._sums.tolist()
        self._require_sound(losses / samples)
        shared: list[CleanPass] = []

        def clean() -> CleanPass:
            if not shared:
                shared.append(clean_pass(self._model, self._dataset, self._split, fabric=self._fabric))
            return shared[0]

        end = EpochEnd(
            epoch=self._epoch,
            epochs=self._epochs,
            complete=complete,
            model=self._model,
            clean_pass=clean,
        )
        measured = tuple(observer.on_epoch_end(end) for observer in self._callbacks.observers)
        training = {
            "epoch": self._epoch + 1,
            "step": self._step,
            "loss": losses / samples,
            "accuracy": right / samples,
            "learning_rate": self._optimizer.param_groups[0]["lr"],
            "seconds": self._seconds(),
        }
        self._sums.zero_()
        self._records.append(EpochRecord(training=training, observers=measured))
        self._progress.publish(self._records[-1])

    def _require_sound(self, loss: float) -> None:
        """Ends a training whose mean loss in this epoch is no number, or one that only grows."""
        if not loss <= _EXPLODED:
            raise DataError(
                f"the loss must be a number up to {_EXPLODED:g}, got {loss:g} in epoch {self._epoch + 1} of "
                f"{self._progress.title}: the training diverged, lower training.learning_rate or raise training.warmup"
            )

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began

    @property
    def _due(self) -> bool:
        return self._checkpointing is not None and self._checkpointing.due

    @property
    def _worth_saving(self) -> bool:
        return self._checkpointing is not None and self._checkpointing.worth_saving

    def _save(self) -> None:
        if self._checkpointing is None:
            return
        inspection, passes = self._callbacks.inspection, self._callbacks.passes
        self._checkpointing.save(
            {
                "step": self._step,
                "epoch": self._epoch,
                "done": self._done,
                "order": self._order,
                "passes": {} if passes is None else passes.state_dict(),
                "model": self._model.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "observers": [observer.state_dict() for observer in self._callbacks.observers],
                "inspection": {} if inspection is None else inspection.state_dict(),
                "augmentation": self._augmentation.get_state(),
                "sums": self._sums,
                "seconds": self._seconds(),
                "records": [
                    {"training": dict(record.training), "observers": [dict(row) for row in record.observers]}
                    for record in self._records
                ],
            },
        )

    def _resume(self) -> None:
        state = None if self._checkpointing is None else self._checkpointing.load()
        if self._checkpointing is None or state is None:
            return
        self._checkpointing.found(state["seconds"])
        self._step, self._epoch, self._done = state["step"], state["epoch"], state["done"]
        self._order = state["order"]
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        for observer, saved in zip(self._callbacks.observers, state["observers"], strict=True):
            observer.load_state_dict(saved)
        if self._callbacks.passes is not None:
            self._callbacks.passes.load_state_dict(state["passes"])
        if self._callbacks.inspection is not None:
            self._callbacks.inspection.load_state_dict(state["inspection"])
        self._augmentation = torch.Generator()
        self._augmentation.set_state(state["augmentation"])
        self._sums = state["sums"].to(self._fabric.device)
        self._seconds_before = state["seconds"]
        self._records = [
            EpochRecord(training=saved["training"], observers=tuple(saved["observers"])) for saved in state["records"]
        ]
