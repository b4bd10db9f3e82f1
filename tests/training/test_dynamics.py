import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rlsel.models.target import TargetModel
from rlsel.training.checkpoints import load_state, save_state
from rlsel.training.dynamics import DynamicsRecorder, TrainingDynamics, other_labels, sample_dynamics
from rlsel.training.observation import BatchObservation, CleanPass, EpochEnd

SIZE, CLASSES = 11, 3
LABELS = torch.arange(SIZE) % CLASSES


def batch(epoch: int, indices: Tensor, logits: Tensor) -> BatchObservation:
    return BatchObservation(
        epoch=epoch,
        step=0,
        indices=indices,
        labels=LABELS[indices],
        logits=logits[indices],
        features=torch.zeros(len(indices), 1),
        losses=torch.zeros(len(indices)),
    )


def end(epoch: int, *, complete: bool = True) -> EpochEnd:
    def no_pass() -> CleanPass:
        raise AssertionError("the recorder must not ask for a clean pass")

    model = TargetModel(nn.Identity(), nn.Linear(1, 1))
    return EpochEnd(epoch=epoch, epochs=9, complete=complete, model=model, clean_pass=no_pass)


def orders(epochs: int) -> list[Sequence[Tensor]]:
    """Another order of the samples in each epoch, in batches of four."""
    return [torch.randperm(SIZE, generator=torch.Generator().manual_seed(epoch)).split(4) for epoch in range(epochs)]


def random_logits(epochs: int) -> Tensor:
    return 3 * torch.randn(epochs, SIZE, CLASSES, generator=torch.Generator().manual_seed(7))


def record(recorder: DynamicsRecorder, logits: Tensor) -> None:
    for epoch, batches in enumerate(orders(len(logits))):
        for indices in batches:
            recorder.on_batch(batch(epoch, indices, logits[epoch]))
        recorder.on_epoch_end(end(epoch))


def assert_same(left: TrainingDynamics, right: TrainingDynamics) -> None:
    for name in ("probability", "margin", "error_norm", "correct", "divergence", "other_margin"):
        assert torch.equal(getattr(left, name), getattr(right, name)), name


def softmax(logits: list[float]) -> list[float]:
    exponentials = [math.exp(logit) for logit in logits]
    return [value / sum(exponentials) for value in exponentials]


def test_every_quantity_agrees_with_a_loop_over_samples() -> None:
    logits = random_logits(3)
    recorder = DynamicsRecorder(SIZE, CLASSES)
    record(recorder, logits)
    dynamics = recorder.dynamics()
    assert dynamics.epochs == 3
    assert dynamics.correct.dtype == torch.bool
    for epoch in range(3):
        for i in range(SIZE):
            label = int(LABELS[i])
            p = softmax(logits[epoch, i].tolist())
            highest_other = max(p[c] for c in range(CLASSES) if c != label)
            error = math.sqrt(sum((p[c] - (c == label)) ** 2 for c in range(CLASSES)))
            other = int(other_labels(LABELS[i], torch.tensor(i), CLASSES))
            rival = max(p[c] for c in range(CLASSES) if c != other)
            assert float(dynamics.other_margin[epoch, i]) == pytest.approx(p[other] - rival, abs=1e-6)
            before = softmax(logits[epoch - 1, i].tolist())
            change = sum(abs(p[c] * math.log(p[c] / before[c])) for c in range(CLASSES)) if epoch else 0.0
            assert float(dynamics.probability[epoch, i]) == pytest.approx(p[label], abs=1e-6)
            assert float(dynamics.margin[epoch, i]) == pytest.approx(p[label] - highest_other, abs=1e-6)
            assert float(dynamics.error_norm[epoch, i]) == pytest.approx(error, abs=1e-6)
            assert bool(dynamics.correct[epoch, i]) == (p[label] == max(p))
            # the epoch before is kept in half precision: 2^-11 of logarithms of up to ten
            assert float(dynamics.divergence[epoch, i]) == pytest.approx(change, abs=5e-3)


def test_a_hand_worked_sample() -> None:
    # p = (3/4, 1/4), label 0: margin 1/2, of the other label −1/2, error √(1/16 + 1/16); before (1/2, 1/2):
    # 3/4 · ln(3/2) + |1/4 · ln(1/2)| = 0.30410 + 0.17329
    logits = torch.tensor([[math.log(3.0), 0.0]])
    measured, _ = sample_dynamics(logits, torch.tensor([0]), torch.tensor([1]), torch.full((1, 2), math.log(0.5)))
    assert measured[:, 0].tolist() == pytest.approx([0.75, 0.5, 0.35355, 1.0, 0.47739, -0.5], abs=1e-5)


def test_the_error_of_a_nearly_perfect_answer_keeps_its_digits() -> None:
    # p_1 = e^-40 / (1 + e^-40): the error is √2 · e^-40, far below the spacing of float32 near one
    measured, _ = sample_dynamics(torch.tensor([[40.0, 0.0]]), torch.tensor([0]), torch.tensor([1]), None)
    assert float(measured[2, 0]) == pytest.approx(math.sqrt(2) * math.exp(-40), rel=1e-4)


def test_extreme_logits_stay_finite() -> None:
    recorder = DynamicsRecorder(SIZE, CLASSES)
    logits = torch.zeros(2, SIZE, CLASSES)
    logits[0, :, 0], logits[1, :, 1] = 1e5, 1e5
    record(recorder, logits)
    dynamics = recorder.dynamics()
    assert torch.isfinite(dynamics.divergence).all()
    assert (dynamics.divergence[1] > 50).all()


def test_an_incomplete_last_epoch_does_not_count() -> None:
    logits = random_logits(2)
    recorder = DynamicsRecorder(SIZE, CLASSES)
    record(recorder, logits)
    complete = recorder.dynamics()
    recorder.on_batch(batch(2, torch.tensor([0, 1]), logits[0]))
    recorder.on_epoch_end(end(2, complete=False))
    assert_same(recorder.dynamics(), complete)


def test_the_only_epoch_counts_even_if_incomplete() -> None:
    recorder = DynamicsRecorder(SIZE, CLASSES)
    recorder.on_batch(batch(0, torch.tensor([2]), torch.tensor([0.0, 0.0, 9.0]).expand(SIZE, 3)))
    recorder.on_epoch_end(end(0, complete=False))
    dynamics = recorder.dynamics()
    unseen = torch.arange(SIZE) != 2
    assert dynamics.epochs == 1
    assert dynamics.correct[0].tolist() == [i == 2 for i in range(SIZE)]
    assert float(dynamics.probability[0, 2]) > 0.99
    # uniform over three classes: 1/3, margin 0, √((2/3)² + 2 (1/3)²) = √(2/3)
    assert torch.allclose(dynamics.probability[0, unseen], torch.tensor(1 / 3))
    assert (dynamics.margin[0, unseen] == 0).all()
    assert torch.allclose(dynamics.error_norm[0, unseen], torch.tensor(2 / 3).sqrt())
    assert (dynamics.divergence == 0).all()


def test_nothing_is_recorded_before_the_end_of_an_epoch() -> None:
    recorder = DynamicsRecorder(SIZE, CLASSES)
    recorder.on_batch(batch(0, torch.tensor([0]), random_logits(1)[0]))
    dynamics = recorder.dynamics()
    assert dynamics.epochs == 0
    assert dynamics.correct.shape == dynamics.margin.shape == (0, SIZE)


@pytest.mark.parametrize("stop", [(0, 1), (1, 2), (2, 0)])
def test_interrupted_and_resumed_equals_uninterrupted(stop: tuple[int, int], tmp_path: Path) -> None:
    logits = random_logits(3)
    whole = DynamicsRecorder(SIZE, CLASSES)
    record(whole, logits)
    recorder = DynamicsRecorder(SIZE, CLASSES)
    for epoch, batches in enumerate(orders(3)):
        for number, indices in enumerate(batches):
            if (epoch, number) == stop:
                save_state(tmp_path / "state", recorder.state_dict())
                recorder = DynamicsRecorder(SIZE, CLASSES)
                recorder.load_state_dict(load_state(tmp_path / "state"))
            recorder.on_batch(batch(epoch, indices, logits[epoch]))
        recorder.on_epoch_end(end(epoch))
    assert_same(recorder.dynamics(), whole.dynamics())


def test_dynamics_handed_out_do_not_change_later() -> None:
    recorder = DynamicsRecorder(SIZE, CLASSES)
    record(recorder, random_logits(1))
    handed_out = recorder.dynamics()
    copy = handed_out.probability.clone()
    recorder.on_batch(batch(1, torch.arange(SIZE), -random_logits(1)[0]))
    recorder.on_epoch_end(end(1))
    assert torch.equal(handed_out.probability, copy)
