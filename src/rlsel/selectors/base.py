"""What a selection method is: needs an observed training (or not), and turns it into one score for each sample.

Scores and sets are two things: a selector scores, `rlsel.export` turns any scores into a coreset.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from rlsel.checks import refuse
from rlsel.cover.settings import CoverSettings
from rlsel.data.dataset import Dataset
from rlsel.errors import ConfigurationError
from rlsel.export import ExportSettings
from rlsel.models.target import ModelSpec, TargetModel
from rlsel.processes import ALONE, Processes
from rlsel.provenance import Outcome
from rlsel.selectors.evidence import EvidenceCollector
from rlsel.training.dynamics import DynamicsRecorder, TrainingDynamics
from rlsel.training.fabric import Fabric
from rlsel.training.feature_bank import FeatureBank
from rlsel.training.observation import CleanPass, Observer
from rlsel.training.reporting import Reporter
from rlsel.training.resuming import Checkpointing
from rlsel.training.settings import TrainingSettings

AnyObserver = TypeVar("AnyObserver", bound=Observer)

FINAL: int = -1
"""The clean pass after the last step, as a key of `Needs.clean_epochs` and `Observed.clean`."""


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """The training that a coreset is made for.

    Attributes:
        model: The architecture that will be trained.
        training: Its recipe, with the steps or the epochs that it will take.
    """

    model: ModelSpec
    training: TrainingSettings


@dataclass(frozen=True, kw_only=True)
class SelectionTask:
    """What is selected from, and with what means.

    Attributes:
        dataset: The data set; selection sees its training split only.
        model: The target model's architecture.
        training: How the target model is trained.
        fabric: Where things are computed, and in what precision.
        seed: The run's seed; a selector draws from streams of its own name.
        features: (N, D) features that the user brought, float32 on the CPU; None for the target model's.
        purpose: The training that the coreset is made for; None where the user did not say.
        checkpointing: Where interrupted work is taken up again; None for nowhere.
        reporter: Told what goes on.
    """

    dataset: Dataset
    model: ModelSpec
    training: TrainingSettings
    fabric: Fabric
    seed: int
    features: Tensor | None = None
    purpose: Purpose | None = None
    checkpointing: Checkpointing | None = None
    reporter: Reporter

    def part(self, name: str, *what: object) -> Checkpointing | None:
        """Returns the place of a piece of work, as `Checkpointing.part` does; None where nothing is saved."""
        return None if self.checkpointing is None else self.checkpointing.part(name, *what)

    @property
    def labels(self) -> Tensor:
        """(N,) int64 training labels."""
        return self.dataset.train.labels

    def __len__(self) -> int:
        return len(self.dataset.train)


class Recording:
    """What is recorded once of the shared training, while it runs.

    Attributes:
        num_classes: C.
        dynamics: Each sample in each epoch.
        bank: The newest features of each sample.
        collectors: The evidence that was asked for, by how the cover is measured.
    """

    def __init__(self, labels: Tensor, num_classes: int, *, processes: Processes = ALONE) -> None:
        """Prepares for samples with these (N,) labels of `num_classes` classes; `processes` share what is measured."""
        self._labels, self.num_classes, self._processes = labels, num_classes, processes
        self.dynamics = DynamicsRecorder(len(labels), num_classes)
        self.bank = FeatureBank(len(labels))
        self.collectors: dict[CoverSettings, EvidenceCollector] = {}
        self._observers: dict[Hashable, Observer] = {}

    def evidence(self, cover: CoverSettings) -> EvidenceCollector:
        """Returns the collector of the evidence for a cover, the same for all who ask."""
        if cover not in self.collectors:
            self.collectors[cover] = EvidenceCollector(
                cover,
                labels=self._labels,
                num_classes=self.num_classes,
                dynamics=self.dynamics,
                bank=self.bank,
                processes=self._processes,
            )
        return self.collectors[cover]

    def shared(self, key: Hashable, make: Callable[[], AnyObserver]) -> AnyObserver:
        """Returns an observer that several selectors of a run watch with, made once for each key."""
        if key not in self._observers:
            self._observers[key] = make()
        return self._observers[key]  # type: ignore[return-value]

    @property
    def observers(self) -> tuple[Observer, ...]:
        """All observers, in the order in which they must see the training: those that read others come last."""
        return (self.dynamics, self.bank, *self.collectors.values())


def recording_to_use(task: SelectionTask, shared: Recording) -> Recording:
    """Returns the shared recording; for features that the user brought, an empty one, since its own do not count."""
    return (
        shared
        if task.features is None
        else Recording(task.labels, task.dataset.num_classes, processes=task.fabric.processes)
    )


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a selector wants from the one target training that all selectors of a run share.

    Attributes:
        training: Whether it needs that training at all.
        clean_epochs: Clean passes to keep, by the number of epochs done (1 = after the first), or `FINAL`.
        watch: Makes an observer of the training, for a method that learns while the target trains. The recording
            sees each batch before it. Where several selectors return the same observer, it watches once.
        weighs: Whether that observer has a method `actions`, which `training.weighting=policy` weights the target's
            loss by.
        on_part: Whether a part of very many samples is enough to learn on (`Dataset.learn_on`): the method looks at
            nothing of the training but the features at its end, or judges samples that it has not learned on
            (`JudgesUnseen`).
    """

    training: bool = False
    clean_epochs: frozenset[int] = frozenset()
    watch: Callable[[Recording], Observer] | None = None
    weighs: bool = False
    on_part: bool = False


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What was seen of the target training; None where no selector of the run needed it.

    Attributes:
        model: The trained target model, in evaluation mode.
        dynamics: Each sample in each epoch, as its batch was seen.
        clean: The clean passes asked for by `Needs.clean_epochs`.
        observer: The selector's own observer, after the training.
        seconds: How long the training would have taken for this selector alone: what only others wanted to see is
            not counted.
    """

    model: TargetModel | None = None
    dynamics: TrainingDynamics | None = None
    clean: Mapping[int, CleanPass] = field(default_factory=dict)
    observer: Observer | None = None
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One number for each candidate. Arrays, and numbers of any real type, are taken and become float32 tensors.

    Attributes:
        values: (N,) float32, in the order of the training split; high = keep.
        kind: `score` (any scale: sampling standardises it), or `logit` (sampling takes it as it is: the probability
            of being drawn is proportional to its exponential; 0 is the threshold of a policy).
        policy: Whether the values are keep logits of a policy, so that `export.mode=threshold` makes sense.
        hardness: (N,) float32, high = hard, for `export.trim_hardest`; None where the score itself says it.
        groups: (N,) int64, for each sample the first of its near-duplicates, itself where it has none, for
            `export.near_duplicates`; None where the method does not look for them.
        outcome: What trials said about the choice; None without any.
        shared_seconds: Seconds of work that was found done, as another ratio of the run had needed it before.
    """

    values: Tensor
    kind: Literal["score", "logit"] = "score"
    policy: bool = False
    hardness: Tensor | None = None
    groups: Tensor | None = None
    outcome: Outcome | None = None
    shared_seconds: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _as_scores(self.values, "scores"))
        if self.hardness is not None:
            object.__setattr__(self, "hardness", _as_scores(self.hardness, "hardness"))


def _as_scores(given: object, name: str) -> Tensor:
    """Takes what a method returns, a tensor or an array of any real type, as (N,) float32 on the CPU."""
    try:
        if isinstance(given, np.ndarray):
            # a copy of its own: torch takes no reversed or read-only array, and none of another byte order
            given = np.array(given, dtype=given.dtype.newbyteorder("="), order="C")
        values = torch.as_tensor(given).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise refuse(name, "a tensor or an array of one number for each sample", type(given).__name__) from error
    if values.ndim != 1 or values.is_complex() or values.dtype == torch.bool:
        shape = f"{tuple(values.shape)} {str(values.dtype).removeprefix('torch.')}"
        raise ConfigurationError(f"{name} must be one real number for each sample, (N,), got {shape}")
    with_finite_digits = values.to(torch.float32)
    if not torch.isfinite(with_finite_digits).all():
        position = int((~torch.isfinite(with_finite_digits)).nonzero()[0])
        raise ConfigurationError(
            f"{name} must be finite in float32, got {values[position].item()} for sample {position}"
        )
    return with_finite_digits


@dataclass(frozen=True, kw_only=True)
class Uses:
    """Which settings of a run matter to a selector, so that one without effect can be named.

    Attributes:
        target: Whether it wants the target model trained, by the run or by itself.
        target_beside_features: Whether it does so where the user brings features.
        features: Whether it compares samples by the features that the user brings.
    """

    target: bool = True
    target_beside_features: bool = True
    features: bool = True


class Selector(Protocol):
    """A selection method: a frozen keyword-only dataclass whose fields are its hyperparameters.

    Two class variables are read where a method has them: `gives_keep_logits` and `uses`.
    """

    name: ClassVar[str]
    """The name on the command line and in `conf/selector/`."""

    @property
    def export(self) -> ExportSettings:
        """How the method's paper turns the scores into a set; what the user sets wins. A class variable will do."""
        ...

    def needs(self, task: SelectionTask) -> Needs:
        """Says what the method wants from the shared target training."""
        ...

    def score(self, task: SelectionTask, observed: Observed) -> Scores:
        """Scores every training sample.

        Raises:
            ConfigurationError: if the task does not fit the method.
            DataError: if the data does not.
        """
        ...


@runtime_checkable
class JudgesUnseen(Protocol):
    """A selection method that can learn on a part of the samples and judge all."""

    def score_all(self, task: SelectionTask, part: SelectionTask, observed: Observed) -> Scores:
        """Scores every training sample.

        Args:
            task: All that is selected from.
            part: The same task with a part of its samples.
            observed: What was seen of the training on the part.
        """
        ...


def gives_keep_logits(selector: Selector) -> bool:
    """Returns whether a method is a policy: it then has a class variable `gives_keep_logits` that is True."""
    return getattr(selector, "gives_keep_logits", False) is True


def scored(selector: Selector, task: SelectionTask, observed: Observed) -> Scores:
    """Scores every training sample with a method of anyone, which may return the bare numbers.

    Raises:
        RlselError: for a user's mistake, wrong scores of a user's own selector included.
    """
    found: object = selector.score(task, observed)
    try:
        scores = found if isinstance(found, Scores) else Scores(values=found)  # type: ignore[arg-type] # checked there
    except ConfigurationError as error:
        raise ConfigurationError(f"selector={selector.name}: {error}") from error
    for name, values in (("scores", scores.values), ("hardness", scores.hardness)):
        if values is not None and len(values) != len(task):
            raise ConfigurationError(
                f"selector={selector.name}: {name} must be one number for each of the {len(task)} samples, got "
                f"{len(values)}"
            )
    return scores


def uses(selector: Selector) -> Uses:
    """Returns what matters to a method, its class variable `uses`; everything, where it does not say so itself."""
    found: Uses = getattr(selector, "uses", Uses())
    return found


AnySelector = TypeVar("AnySelector", bound=Selector)


def for_ratio(selector: AnySelector, ratio: float) -> AnySelector:
    """Returns the selector for one ratio: with its field `ratio` set where it has one, else as it is."""
    if depends_on_ratio(selector):
        return dataclasses.replace(selector, ratio=ratio)  # type: ignore[type-var]
    return selector


def depends_on_ratio(selector: Selector) -> bool:
    """Returns whether the scores are made for one ratio."""
    return any(item.name == "ratio" for item in dataclasses.fields(selector))  # type: ignore[arg-type]
