"""The supervised training loop."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.errors import DataError
from rlsel.models.target import TargetModel
from rlsel.randomness import Streams
from rlsel.training.dynamics import DynamicsRecorder
from rlsel.training.evaluation import clean_pass
from rlsel.training.fabric import Fabric
from rlsel.training.feature_bank import FeatureBank
from rlsel.training.loop import EpochRecord, Progress, Training, pass_batches
from rlsel.training.observation import BatchObservation, Callbacks, EpochEnd
from rlsel.training.reporting import SilentReporter
from rlsel.training.resuming import Checkpointing
from rlsel.training.settings import TrainingSettings
from rlsel.training.snapshots import SnapshotRecorder

MakeTraining = Callable[..., Training]
BytesOf = Callable[[nn.Module], dict[str, bytes]]

PLAIN = TrainingSettings(
    steps=1,
    batch_size=8,
    learning_rate=0.5,
    momentum=0.0,
    weight_decay=0.0,
    schedule="constant",
    warmup=0.0,
    augment=False,
)
"""Gradient descent and nothing else."""


@dataclass
class Watcher:
    """Takes down all that it sees; does something of its own before a chosen step is made."""

    at: int = -1
    act: Callable[[], None] = lambda: None
    batches: list[BatchObservation] = field(default_factory=list)
    ends: list[EpochEnd] = field(default_factory=list)
    seen: int = 0

    def on_batch(self, batch: BatchObservation) -> None:
        self.batches.append(batch)
        self.seen += len(batch.indices)
        if batch.step == self.at:
            self.act()

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        self.ends.append(end)
        return {"seen": self.seen}

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen = state["seen"]


@dataclass
class Looks:
    """An inspection that takes down the mean parameter."""

    steps: tuple[int, ...]
    modes: list[bool] = field(default_factory=list)
    seen: dict[int, float] = field(default_factory=dict)

    def look(self, step: int, model: TargetModel) -> None:
        self.modes.append(model.training)
        model.eval()
        self.seen[step] = float(model.head.weight.detach().mean())

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen = dict(state["seen"])


class AskingForCleanPasses(Watcher):
    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        assert end.clean_pass() is end.clean_pass(), "made once, however often it is asked for"
        return super().on_epoch_end(end)


def linear_task(points: Tensor, labels: Tensor) -> tuple[TargetModel, Dataset]:
    """A linear classifier of (N, 2) points, all of whose parameters are zero."""
    split = Split(images=MemoryImages(points[:, None, None, :]), labels=labels)
    dataset = Dataset(name="points", train=split, test=split, class_names=("0", "1"), mean=(0.0,), std=(1.0,))
    head = nn.Linear(2, 2)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return TargetModel(nn.Flatten(), head), dataset


def train_linear(
    fabric: Fabric,
    points: Tensor,
    labels: Tensor,
    settings: TrainingSettings,
    weigh: Callable[[Tensor], Tensor] | None = None,
) -> tuple[TargetModel, list[EpochRecord]]:
    model, dataset = linear_task(points, labels)
    records: list[EpochRecord] = []
    Training(
        model,
        dataset,
        split=dataset.train,
        settings=settings,
        fabric=fabric,
        streams=Streams(seed=0, names=("linear",)),
        progress=Progress(reporter=SilentReporter(), title="linear", on_epoch=records.append),
        callbacks=Callbacks(weigh=weigh),
    ).run()
    return model, records


POINTS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0], [0.5, -1.0]])
LABELS = torch.tensor([0, 1, 1, 0])


def test_one_step_is_one_step_of_gradient_descent(fabric: Fabric) -> None:
    model, records = train_linear(fabric, POINTS, LABELS, PLAIN)
    # all logits are zero: the softmax is 1/2, and the error of a class is 1/2 or -1/2. The gradient of its weights is
    # the mean of error times point. Class 0: (-[1, 0] + [0, 2] + [-1, 1] - [0.5, -1]) / 2 / 4 = [-2.5, 4] / 8
    expected = -0.5 * torch.tensor([[-2.5, 4.0], [2.5, -4.0]]) / 8
    torch.testing.assert_close(model.head.weight.detach(), expected)
    assert model.head.bias.tolist() == [0.0, 0.0], "as many samples of either class"
    assert records[0].training["loss"] == pytest.approx(0.6931472, abs=1e-6), "log 2"
    assert records[0].training["accuracy"] == 0.5, "equal logits count for the first class"


def test_loss_weights_are_relative(fabric: Fabric) -> None:
    weights = torch.tensor([1.0, 0.0, 0.5, 0.0])
    model, _ = train_linear(fabric, POINTS, LABELS, PLAIN, weigh=lambda indices: weights[indices])
    # class 0: (-1 * [1, 0] + 0.5 * [-1, 1]) / 2 / 1.5 = [-1.5, 0.5] / 3, divided by the sum of the weights, not by 4
    expected = -0.5 * torch.tensor([[-1.5, 0.5], [1.5, -0.5]]) / 3
    torch.testing.assert_close(model.head.weight.detach(), expected)
    torch.testing.assert_close(model.head.bias.detach(), -0.5 * torch.tensor([-0.5, 0.5]) / 3)
    tenth, _ = train_linear(fabric, POINTS, LABELS, PLAIN, weigh=lambda indices: 0.1 * weights[indices])
    torch.testing.assert_close(tenth.head.weight.detach(), expected)


def test_weights_that_are_all_zero_change_nothing(fabric: Fabric) -> None:
    model, _ = train_linear(fabric, POINTS, LABELS, PLAIN, weigh=lambda indices: torch.zeros(len(indices)))
    assert not model.head.weight.any()


def test_label_smoothing_softens_the_labels(fabric: Fabric) -> None:
    model, _ = train_linear(fabric, POINTS, LABELS, replace(PLAIN, label_smoothing=0.4))
    # the label's target is 1 - 0.4 / 2 = 0.8: errors of 0.3 in place of 0.5
    expected = -0.5 * 0.6 * torch.tensor([[-2.5, 4.0], [2.5, -4.0]]) / 8
    torch.testing.assert_close(model.head.weight.detach(), expected)


def test_a_linearly_separable_task_is_learned(fabric: Fabric) -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(80, 2, generator=generator)
    normal = torch.tensor([0.6, -0.8])
    side = points @ normal
    points += 0.3 * side.sign()[:, None] * normal  # a margin of 0.3 on both sides of the line
    labels = (side > 0).long()
    settings = TrainingSettings(epochs=30, batch_size=16, learning_rate=0.5, augment=False)
    model, records = train_linear(fabric, points, labels, settings)
    assert records[-1].training["accuracy"] == 1.0
    assert records[-1].training["loss"] < 0.1 < records[0].training["loss"]
    learned = model.head.weight.detach()[1] - model.head.weight.detach()[0]
    # within 18 degrees of the true normal: 80 points with a margin leave room for so much
    assert float(torch.cosine_similarity(learned, normal, dim=0)) > 0.95


@given(size=st.integers(1, 200), batch_size=st.integers(2, 50), seed=st.integers(0, 9))
def test_the_batches_of_an_epoch_hold_each_sample_once(size: int, batch_size: int, seed: int) -> None:
    settings = TrainingSettings(batch_size=batch_size)
    batches = pass_batches(torch.randperm(size, generator=torch.Generator().manual_seed(seed)), settings)
    assert sorted(torch.cat(batches).tolist()) == list(range(size))
    assert len(batches) == settings.steps_per_epoch(size)
    assert all(1 < len(batch) <= batch_size + 1 for batch in batches) or size == 1


def test_the_order_is_another_in_each_epoch(training: MakeTraining) -> None:
    watcher = Watcher()
    training(observers=[watcher]).run()
    orders = [torch.cat([b.indices for b in watcher.batches if b.epoch == epoch]).tolist() for epoch in range(4)]
    assert len({tuple(order) for order in orders}) == 4
    assert all(sorted(order) == list(range(61)) for order in orders)


def test_observers_see_each_batch_as_the_model_did(training: MakeTraining, dataset: Dataset) -> None:
    watcher = Watcher()
    training(observers=[watcher]).run()
    assert [(batch.epoch, batch.step) for batch in watcher.batches] == [(step // 3, step) for step in range(12)]
    for batch in watcher.batches:
        size = len(batch.indices)
        assert size in (20, 21)
        assert torch.equal(batch.labels, dataset.train.labels[batch.indices])
        assert (batch.logits.shape, batch.features.shape) == ((size, 3), (size, 12))
        assert not any(t.requires_grad for t in (batch.logits, batch.features, batch.losses))
        torch.testing.assert_close(
            batch.losses, nn.functional.cross_entropy(batch.logits, batch.labels, reduction="none")
        )
    assert [(end.epoch, end.epochs, end.complete) for end in watcher.ends] == [(e, 4, True) for e in range(4)]


def test_records_are_means_over_the_samples_of_the_epoch(training: MakeTraining) -> None:
    watcher, records = Watcher(), []
    training(observers=[Watcher(), watcher], on_epoch=records.append).run()
    for epoch, record in enumerate(records):
        batches = [batch for batch in watcher.batches if batch.epoch == epoch]
        losses = torch.cat([batch.losses for batch in batches])
        right = torch.cat([batch.logits.argmax(dim=1) == batch.labels for batch in batches])
        assert record.training["epoch"] == epoch + 1
        assert record.training["step"] == 3 * (epoch + 1)
        assert record.training["loss"] == pytest.approx(float(losses.mean()), rel=1e-6)  # float32 sums in other orders
        assert record.training["accuracy"] == pytest.approx(float(right.float().mean()))
        assert record.observers == ({"seen": 61 * (epoch + 1)},) * 2
    assert len(records) == 4


def test_the_same_seed_gives_the_same_bytes(training: MakeTraining, bytes_of: BytesOf) -> None:
    first = bytes_of(training().run())
    global_state = torch.get_rng_state()
    other = bytes_of(training(seed=1).run())
    assert torch.equal(torch.get_rng_state(), global_state), "the global generator is given back"
    torch.rand(7)  # nor does it matter where that generator stands
    assert bytes_of(training().run()) == first
    assert other != first
    assert bytes_of(training(names=("another",)).run()) != first


def test_watching_changes_nothing(training: MakeTraining, bytes_of: BytesOf) -> None:
    looks = Looks(steps=(2, 3, 12))
    observers = [AskingForCleanPasses(), DynamicsRecorder(61, 3), FeatureBank(61), SnapshotRecorder({2})]
    watched = training(observers=observers, inspection=looks, on_epoch=lambda record: None).run()
    assert bytes_of(watched) == bytes_of(training().run())
    assert list(looks.seen) == [2, 3, 12]


def test_the_clean_pass_at_the_end_of_an_epoch_is_that_of_the_model(
    training: MakeTraining, dataset: Dataset, fabric: Fabric
) -> None:
    class Last(Watcher):
        def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
            self.clean = end.clean_pass()
            return {}

    last = Last()
    model = training(observers=[last]).run()
    assert not model.training
    assert torch.equal(last.clean.logits, clean_pass(model, dataset, dataset.train, fabric=fabric).logits)


def test_a_budget_of_steps_cuts_the_last_epoch_short(training: MakeTraining, recipe: TrainingSettings) -> None:
    watcher, records = Watcher(), []
    training(settings=replace(recipe, steps=7), observers=[watcher], on_epoch=records.append).run()
    assert [end.complete for end in watcher.ends] == [True, True, False]
    assert [record.training["step"] for record in records] == [3, 6, 7]
    assert {end.epochs for end in watcher.ends} == {3}


def test_stopping_early_keeps_the_schedule_of_the_whole(training: MakeTraining, bytes_of: BytesOf) -> None:
    snapshots = SnapshotRecorder({2})
    whole = training(observers=[snapshots]).run()
    early = training(stop_after=2).run()
    assert bytes_of(early) == bytes_of(snapshots.restore(whole, 2)) != bytes_of(whole)
    assert bytes_of(training(stop_after=9).run()) == bytes_of(whole)


def test_the_reporter_is_told_the_progress(training: MakeTraining) -> None:
    class Telling(SilentReporter):
        def __init__(self) -> None:
            self.told: list[object] = []

        def start(self, task: str, epochs: int, steps: int) -> None:
            self.told.append((task, epochs, steps))

        def step(self, done: int) -> None:
            self.told.append(done)

        def epoch(self, measurements: Mapping[str, float]) -> None:
            self.told.append(("epoch", measurements["epoch"], measurements["seen"]))

        def finish(self) -> None:
            self.told.append("finish")

    reporter = Telling()
    training(reporter=reporter, observers=[Watcher()], stop_after=2).run()
    epochs = [[1, 2, 3, ("epoch", 1, 61)], [4, 5, 6, ("epoch", 2, 122)]]
    assert reporter.told == [("made", 2, 6), *epochs[0], *epochs[1], "finish"]


@dataclass
class Attempt:
    """A training with all that a checkpoint has to hold."""

    make: MakeTraining
    path: Path
    watcher: Watcher = field(default_factory=Watcher)
    records: list[EpochRecord] = field(default_factory=list)
    every_seconds: float = 1e9

    def __post_init__(self) -> None:
        self.dynamics, self.bank, self.looks = DynamicsRecorder(61, 3), FeatureBank(61), Looks(steps=(1, 5, 6, 11, 12))

    def run(self) -> TargetModel:
        return self.make(
            observers=[self.dynamics, self.bank, self.watcher],
            inspection=self.looks,
            on_epoch=self.records.append,
            checkpointing=Checkpointing(path=self.path, every_seconds=self.every_seconds),
        ).run()

    def results(self, bytes_of: BytesOf) -> list[object]:
        model = self.run()
        rows = [
            ({name: value for name, value in record.training.items() if name != "seconds"}, record.observers)
            for record in self.records
        ]
        dynamics = torch.stack([self.dynamics.dynamics().margin, self.dynamics.dynamics().divergence])
        return [
            bytes_of(model),
            rows,
            dynamics.numpy().tobytes(),
            self.bank.features.numpy().tobytes(),
            self.looks.seen,
        ]


@pytest.mark.parametrize("step", range(12))
def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(
    training: MakeTraining, bytes_of: BytesOf, tmp_path: Path, step: int
) -> None:
    expected = Attempt(training, tmp_path / "never").results(bytes_of)
    path = tmp_path / "state"
    stopped = Attempt(training, path, Watcher(at=step, act=lambda: signal.raise_signal(signal.SIGINT)))
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert path.exists()
    resumed = Attempt(training, path)
    assert resumed.results(bytes_of) == expected
    assert [batch.step for batch in resumed.watcher.batches] == list(range(step + 1, 12)), "no step is made twice"
    assert not (tmp_path / "never").exists(), "an undisturbed training has no need of a checkpoint"


def test_a_training_can_be_interrupted_again_and_again(
    training: MakeTraining, bytes_of: BytesOf, tmp_path: Path
) -> None:
    path = tmp_path / "state"
    for step in (1, 2, 7):
        with pytest.raises(KeyboardInterrupt):
            Attempt(training, path, Watcher(at=step, act=lambda: signal.raise_signal(signal.SIGINT))).run()
    assert Attempt(training, path).results(bytes_of) == Attempt(training, tmp_path / "never").results(bytes_of)


class Impatient(Watcher):
    """Presses Ctrl-C at the end of an epoch, and notes whether it got any further."""

    def on_epoch_end(self, end: EpochEnd) -> Mapping[str, float]:
        if end.epoch == 1:
            signal.raise_signal(signal.SIGINT)
        return super().on_epoch_end(end)


class ImpatientLooks(Looks):
    def look(self, step: int, model: TargetModel) -> None:
        if step == 5:
            signal.raise_signal(signal.SIGINT)
        super().look(step, model)


@pytest.mark.parametrize("where", ["the end of an epoch", "a look at the model"])
def test_what_may_take_long_is_interrupted_at_once(
    training: MakeTraining, bytes_of: BytesOf, tmp_path: Path, where: str
) -> None:
    path = tmp_path / "state"
    stopped = Attempt(training, path, every_seconds=0)
    if where == "the end of an epoch":
        stopped.watcher = Impatient()
    else:
        stopped.looks = ImpatientLooks(steps=stopped.looks.steps)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert len(stopped.watcher.ends) == 1, "the second epoch did not end"
    assert 5 not in stopped.looks.seen or where != "a look at the model"
    resumed = Attempt(training, path)
    assert resumed.results(bytes_of) == Attempt(training, tmp_path / "never").results(bytes_of)
    assert resumed.watcher.batches[0].step == (6 if where == "the end of an epoch" else 5), "no step is made twice"


def test_a_killed_training_goes_on_from_the_last_checkpoint(
    training: MakeTraining, bytes_of: BytesOf, tmp_path: Path
) -> None:
    def die() -> None:
        raise MemoryError

    path = tmp_path / "state"
    with pytest.raises(MemoryError):
        Attempt(training, path, Watcher(at=7, act=die), every_seconds=0).run()
    resumed = Attempt(training, path)
    assert resumed.results(bytes_of) == Attempt(training, tmp_path / "never").results(bytes_of)
    assert resumed.watcher.batches[0].step == 7, "the step in which it died is the only one that is repeated"


def test_without_a_checkpoint_an_interruption_ends_the_training(training: MakeTraining) -> None:
    watcher = Watcher(at=4, act=lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        training(observers=[watcher]).run()
    assert watcher.batches[-1].step == 4


def test_the_seconds_of_before_an_interruption_count(training: MakeTraining, tmp_path: Path) -> None:
    path = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        Attempt(training, path, Watcher(at=4, act=lambda: signal.raise_signal(signal.SIGINT))).run()
    resumed = Attempt(training, path)
    resumed.run()
    seconds = [record.training["seconds"] for record in resumed.records]
    assert len(seconds) == 4
    assert seconds == sorted(seconds)


@dataclass
class Shrinking:
    """Leaves the first samples out, more of them in each pass, by how much of it was seen before."""

    pass_size: int = 30
    seen: int = 0
    progress: list[float] = field(default_factory=list)

    def choose(self, progress: float, generator: torch.Generator) -> Tensor:
        self.progress.append(progress)
        left = torch.arange(min(self.seen, 50), 61)
        return left[torch.randperm(len(left), generator=generator)]

    def observe(self, positions: Tensor, logits: Tensor, labels: Tensor) -> Tensor | None:
        self.seen += len(positions) // 2
        return 1 + positions.float() / 100

    def exchange(self) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen = state["seen"]


def test_a_rule_chooses_each_pass(training: MakeTraining, recipe: TrainingSettings) -> None:
    watcher, rule = Watcher(), Shrinking()
    training(observers=[watcher], passes=rule, settings=replace(recipe, steps=8)).run()
    passes = [torch.cat([b.indices for b in watcher.batches if b.epoch == epoch]) for epoch in range(4)]
    # batches of 20: 61 samples, then 31 (30 were seen, rounded down), 16 and 11
    assert [sorted(positions.tolist()) for positions in passes[:3]] == [list(range(n, 61)) for n in (0, 30, 45)]
    assert rule.progress[:3] == [0.0, 3 / 8, 5 / 8]
    assert [end.complete for end in watcher.ends][:3] == [True] * 3


def test_a_rule_weights_the_losses(fabric: Fabric) -> None:
    @dataclass
    class Weighing(Shrinking):
        pass_size: int = 4

        def choose(self, progress: float, generator: torch.Generator) -> Tensor:
            return torch.arange(4)

        def observe(self, positions: Tensor, logits: Tensor, labels: Tensor) -> Tensor | None:
            return torch.tensor([2.0, 0.0, 1.0, 0.0])[positions]

    model, dataset = linear_task(POINTS, LABELS)
    Training(
        model,
        dataset,
        split=dataset.train,
        settings=PLAIN,
        fabric=fabric,
        streams=Streams(seed=0, names=("linear",)),
        progress=Progress(reporter=SilentReporter(), title="linear"),
        callbacks=Callbacks(passes=Weighing()),
    ).run()
    # class 0: (-2 * [1, 0] + 1 * [-1, 1]) / 2 / 4, the mean of the weighted losses: not divided by the weights
    expected = -0.5 * torch.tensor([[-3.0, 1.0], [3.0, -1.0]]) / 8
    torch.testing.assert_close(model.head.weight.detach(), expected)


@pytest.mark.parametrize("step", [0, 2, 3, 5, 6])
def test_an_interrupted_training_keeps_to_its_passes(
    training: MakeTraining, bytes_of: BytesOf, tmp_path: Path, step: int
) -> None:
    def run(path: Path, watcher: Watcher) -> TargetModel:
        checkpointing = Checkpointing(path=path, every_seconds=1e9)
        return training(observers=[watcher], passes=Shrinking(), checkpointing=checkpointing).run()

    undisturbed, resumed = Watcher(), Watcher()
    expected = bytes_of(run(tmp_path / "never", undisturbed))
    path = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        run(path, Watcher(at=step, act=lambda: signal.raise_signal(signal.SIGINT)))
    assert bytes_of(run(path, resumed)) == expected
    order = [batch.indices.tolist() for batch in undisturbed.batches]
    assert [batch.indices.tolist() for batch in resumed.batches] == order[step + 1 :]


@pytest.mark.parametrize("rate", [1e9, 1e30])
def test_a_training_that_diverges_ends_in_its_epoch(
    training: MakeTraining, recipe: TrainingSettings, rate: float
) -> None:
    watcher = Watcher()
    with pytest.raises(DataError, match=r"^the loss must be .* in epoch 1 of made: the training diverged, lower"):
        training(observers=[watcher], settings=replace(recipe, learning_rate=rate)).run()
    assert watcher.ends == [], "nobody sees the features of such a model"
