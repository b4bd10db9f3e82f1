"""What a selection will take, said before it starts: time from a short calibration, memory from the sizes.

The calibration is the training itself on a few batches for three epochs, in the last of which a policy acts. It changes
no result, as all streams of random numbers are fresh ones. It is left out where the sizes say that a run is short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from rlsel.cutting import peak_memory
from rlsel.errors import ConfigurationError
from rlsel.files import write_json
from rlsel.randomness import Streams
from rlsel.selection import Wanted
from rlsel.selectors.base import SelectionTask
from rlsel.selectors.part import part_of
from rlsel.selectors.rl_selector import RLSelector
from rlsel.selectors.target_training import SharedTraining
from rlsel.training.loop import build_model
from rlsel.training.reporting import SilentReporter

ESTIMATE_FILE = "estimate.json"

_SHORT_STEPS, _SHORT_PAIRS = 5000, 500_000_000
"""Steps and pairs within classes below which a run is not worth an estimate: about half a minute on one core."""

_BATCHES = 12
"""Batches of each epoch of the calibration."""

_PER_PAIR, _PER_PRODUCT = 1.2e-9, 2e-11
"""Seconds for each pair of samples of a class, and for each pair and dimension, of E_c."""

_ACTS_IN = 1 / 3
"""Share of the epochs in which a policy acts: those that follow a measurement of E_c."""

_BYTES_PER_SAMPLE = 250
"""Of labels, scores, neighbours and what else there is once for each sample."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What decides what a selection takes.

    Attributes:
        samples: N, all that is judged.
        learned_on: S, the samples that are trained on; 0 where nothing is.
        classes: Samples of each class of those that are trained on.
        dimensions: D of the features that samples are compared by.
        epochs: Passes over the S samples.
        batch_size: Samples in a step.
        measurements: How often E_c is measured.
        settle_passes: Passes of a policy after the training; 0 without one.
    """

    samples: int
    learned_on: int
    classes: tuple[int, ...]
    dimensions: int
    epochs: int
    batch_size: int
    measurements: int
    settle_passes: int

    @property
    def steps(self) -> int:
        """Steps of the training."""
        return self.epochs * max(1, self.learned_on // self.batch_size)

    @property
    def pairs(self) -> int:
        """Pairs of samples that the measurements of E_c look at."""
        return self.measurements * sum(size**2 for size in self.classes)

    @property
    def short(self) -> bool:
        """Whether the run is short whatever the machine."""
        return self.steps < _SHORT_STEPS and self.pairs < _SHORT_PAIRS


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What a calibration measured, in seconds.

    Attributes:
        plain_step: A step of the training in which no policy acts.
        acting_step: One in which a policy acts.
    """

    plain_step: float
    acting_step: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run will take.

    Attributes:
        seconds: From now to its end.
        peak_rss_bytes: The most memory that it will hold, without pages of mapped files.
    """

    seconds: float
    peak_rss_bytes: int

    def __str__(self) -> str:
        minutes = self.seconds / 60
        lasts = f"{self.seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min"
        return f"about {lasts} and {self.peak_rss_bytes / 1e9:.1f} GB of memory"

    def save(self, folder: Path) -> None:
        """Writes `estimate.json`; what it took stands in `coreset.json`, under the same names."""
        write_json(folder / ESTIMATE_FILE, {"seconds": self.seconds, "peak_rss_bytes": self.peak_rss_bytes})


def estimated_seconds(sizes: Sizes, pace: Pace) -> float:
    """Returns the seconds of a training, its measurements of E_c, the passes of a policy, and judging all samples."""
    acting = max(0.0, pace.acting_step - pace.plain_step)
    training = sizes.steps * (pace.plain_step + _ACTS_IN * acting)
    cover = sizes.pairs * (_PER_PAIR + sizes.dimensions * _PER_PRODUCT)
    settling = sizes.settle_passes * sizes.learned_on / sizes.batch_size * acting
    # a pass forward is a third of a step
    judging = sizes.samples / sizes.batch_size * pace.plain_step / 3
    return training + cover + settling + judging


def estimated_bytes(sizes: Sizes, held: int) -> int:
    """Returns the most memory of a selection.

    Args:
        sizes: Its sizes.
        held: Bytes that the process holds before it.
    """
    dynamics = sizes.learned_on * (6 * 4 * sizes.epochs + 2 * len(sizes.classes))
    # the bank, the last pass with its logits, and the states of a policy
    features = 4 * sizes.learned_on * (3 * sizes.dimensions + len(sizes.classes) + 80)
    return held + dynamics + features + _BYTES_PER_SAMPLE * sizes.samples


def estimate_selection(task: SelectionTask, wanted: Sequence[Wanted]) -> Estimate | None:
    """Estimates selections that share a training; None where they are short.

    Args:
        task: What is selected from.
        wanted: What is to be made.

    Raises:
        ConfigurationError: if they need more memory than there is.
    """
    needs = {one.selector: one.selector.needs(task) for one in wanted}
    if not any(need.training for need in needs.values()):
        return None
    part = part_of(task)
    learned_on = part if part is not None and all(need.on_part for need in needs.values()) else task
    sizes = _sizes(task, learned_on, wanted)
    if sizes.short:
        return None
    estimate = Estimate(
        seconds=estimated_seconds(sizes, _calibrate(learned_on, wanted)),
        peak_rss_bytes=estimated_bytes(sizes, _held_bytes()),
    )
    available = _available_bytes()
    more = estimate.peak_rss_bytes - _held_bytes()
    if available is not None and more > available:
        knob = "dataset.learn_on=" if task.dataset.learn_on is not None else "dataset.train_size= or training.epochs="
        raise ConfigurationError(
            f"memory must suffice for the selection, which needs {more / 1e9:.1f} GB more, got "
            f"{available / 1e9:.1f} GB that are free: lower {knob}, or free some"
        )
    return estimate


def _sizes(task: SelectionTask, learned_on: SelectionTask, wanted: Sequence[Wanted]) -> Sizes:
    policies = [one.selector for one in wanted if isinstance(one.selector, RLSelector)]
    epochs = task.training.total_epochs(len(learned_on))
    refreshes = [policy.cover.refresh_every for policy in policies]
    model = build_model(task.model, task.dataset, _streams(task.seed))
    return Sizes(
        samples=len(task),
        learned_on=len(learned_on),
        classes=tuple(learned_on.dataset.class_counts()),
        dimensions=model.head.in_features,
        epochs=epochs,
        batch_size=task.training.batch_size,
        measurements=epochs // min(refreshes) + 1 if refreshes else 1,
        settle_passes=sum(policy.settle_passes for policy in policies),
    )


def _calibrate(learned_on: SelectionTask, wanted: Sequence[Wanted]) -> Pace:
    """Trains on a few batches for three epochs: one to warm up, one plain, and one in which policies act."""
    dataset = learned_on.dataset
    rows = dataset.image_shape[1:] == (1, 1)
    count = min(len(learned_on), learned_on.training.batch_size * (_BATCHES if rows else _BATCHES // 4))
    chosen = torch.randperm(len(learned_on), generator=_streams(learned_on.seed).generator("samples"))[:count]
    small = replace(
        learned_on,
        dataset=replace(dataset, train=dataset.train.subset(chosen.sort().values), given=dataset.source),
        features=None if learned_on.features is None else learned_on.features[chosen.sort().values],
        training=replace(learned_on.training, epochs=3, steps=None),
        purpose=None,
        reporter=SilentReporter(),
    )
    ends: list[float] = []
    SharedTraining(
        task=small,
        needs=[selector.needs(small) for selector in {one.selector: None for one in wanted}],
        on_epoch=lambda measured, _: ends.append(measured["seconds"]),
    ).run()
    steps = small.training.steps_per_epoch(count)
    return Pace(plain_step=(ends[1] - ends[0]) / steps, acting_step=(ends[2] - ends[1]) / steps)


def _streams(seed: int) -> Streams:
    return Streams(seed=seed, names=("estimate",))


def _held_bytes() -> int:
    """Returns the bytes that this process holds, without pages of files that can be dropped where that is known."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("RssAnon:"):
                return 1024 * int(line.split()[1])
    return peak_memory()


def _available_bytes() -> int | None:
    """Returns the bytes that are free for this process, those of a container where it is one; None where unknown."""
    free: list[int] = []
    of_machine, limit = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
    if of_machine.is_file():
        lines = [line for line in of_machine.read_text().splitlines() if line.startswith("MemAvailable:")]
        free += [1024 * int(line.split()[1]) for line in lines]
    if limit.is_file() and limit.read_text().strip().isdecimal():
        free.append(int(limit.read_text()) - int(limit.with_name("memory.current").read_text()))
    return min(free, default=None)
