from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rlsel.cover.settings import CoverSettings
from rlsel.selectors.base import Recording
from rlsel.selectors.evidence import EvidenceCollector, behaviour_of
from rlsel.training.checkpoints import load_state, save_state
from rlsel.training.dynamics import TrainingDynamics
from rlsel.training.observation import Observer

Film = Callable[..., None]
LABELS = torch.arange(60) % 3
FEATURES = torch.randn(60, 4, generator=torch.Generator().manual_seed(8))


def slow_standardised_cover(features: Tensor) -> Tensor:
    """E_c by all pairs in float64, standardised in each class."""
    values = torch.zeros(60, dtype=torch.float64)
    for label in range(3):
        own = features[label == LABELS].double()
        cover = (own[:, None] - own).norm(dim=2).sum(dim=1)
        values[label == LABELS] = (cover - cover.mean()) / cover.std(correction=0)
    return values.float()


def collector(cover: CoverSettings) -> tuple[EvidenceCollector, tuple[Observer, ...], Recording]:
    recording = Recording(LABELS, 3)
    made = recording.evidence(cover)
    return made, recording.observers, recording


def test_behaviour_by_hand() -> None:
    # three epochs of three samples: forgotten once, learned, forgotten twice needs four epochs
    correct = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=torch.bool)
    rows = torch.tensor([[0.1, 0.2, 0.3], [0.3, 0.4, 0.5], [0.2, 0.3, 0.4], [0.2, 0.3, 0.4]])
    # labels 0, 1, 1: the other labels are 1, 0 and 0; label 0 had the mean margins 0.3 and 0.4 where it is wrong, and
    # label 1 had 0.2 there: the own margins −0.2, −0.3 and −0.4 are below all of them
    found = behaviour_of(
        TrainingDynamics(
            probability=rows, margin=-rows, error_norm=rows, correct=correct, divergence=rows, other_margin=rows
        ),
        torch.tensor([0, 1, 1]),
        2,
    )
    assert found.label_p_value.tolist() == [0, 0, 0]
    # 0.1, 0.3, 0.2, 0.2: mean 0.2, variance 0.02 / 4
    assert found.variability.tolist() == pytest.approx([0.005**0.5] * 3)
    assert found.forgetting.tolist() == [2, 0, 2]
    assert found.error_norm.tolist() == pytest.approx([0.2, 0.3, 0.4])
    assert found.margin.tolist() == pytest.approx([-0.2, -0.3, -0.4])


def test_another_measure_takes_the_place_of_the_cover() -> None:
    made, _, _ = collector(CoverSettings(measure="prototype"))
    slow = torch.zeros(60)
    for label in range(3):
        own = FEATURES[label == LABELS]
        slow[label == LABELS] = (own - own.mean(dim=0)).norm(dim=1)
    # float32 sums in another order
    torch.testing.assert_close(made.measured(FEATURES, None).coverage, slow, rtol=1e-5, atol=1e-6)


def test_the_mean_cover_is_the_running_mean(film: Film) -> None:
    made, observers, recording = collector(CoverSettings(refresh_every=1))
    slow = []
    for epoch in range(3):
        film(observers, FEATURES, LABELS, epochs=range(epoch, epoch + 1))
        slow.append(slow_standardised_cover(recording.bank.features))
        assert made.evidence is not None
        # float32 distances, standardised
        torch.testing.assert_close(made.evidence.mean_cover, torch.stack(slow).mean(dim=0), rtol=0, atol=1e-4)
    assert (slow[0] - slow[1]).abs().max() > 0.1
    # one more measurement is added to what is returned, and not kept
    found = made.measured(FEATURES, None)
    expected = torch.stack([*slow, slow_standardised_cover(FEATURES)]).mean(dim=0)
    torch.testing.assert_close(found.mean_cover, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(made.evidence.mean_cover, torch.stack(slow).mean(dim=0), rtol=0, atol=1e-4)
    assert torch.equal(made.measured(FEATURES, None).mean_cover, found.mean_cover)


def test_the_behaviour_is_that_of_the_epochs_so_far(film: Film) -> None:
    made, observers, recording = collector(CoverSettings(refresh_every=1))
    film(observers, FEATURES, LABELS, epochs=range(3))
    assert made.evidence is not None
    assert made.evidence.behaviour is not None
    assert torch.equal(made.evidence.behaviour.margin, recording.dynamics.dynamics().margin.mean(dim=0))


def test_without_a_training_there_is_one_measurement() -> None:
    made, _, _ = collector(CoverSettings(distance="cosine", reduction="sum"))
    found = made.measured(FEATURES, None)
    assert found.behaviour is None
    unit = FEATURES / FEATURES.norm(dim=1, keepdim=True)
    same = (LABELS[:, None] == LABELS).float()
    # one minus the cosine, without the sample itself
    slow = ((1 - unit @ unit.T) * same).sum(dim=1)
    torch.testing.assert_close(found.coverage, slow, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("refresh_every", "epochs", "measured"),
    [(2, 5, [1, 3]), (1, 3, [0, 1, 2]), (3, 3, [1]), (3, 2, [0, 1]), (3, 1, [0])],
)
def test_it_measures_as_often_as_asked_and_leaves_an_epoch(
    film: Film, refresh_every: int, epochs: int, measured: list[int]
) -> None:
    made, observers, _ = collector(CoverSettings(refresh_every=refresh_every))
    found = []
    for epoch in range(epochs):
        before = made.evidence
        film(observers, FEATURES, LABELS, epochs=range(epoch, epoch + 1), total=epochs)
        if made.evidence is not before:
            found.append(epoch)
    assert found == measured


def test_a_stored_state_goes_on_identically(film: Film, tmp_path: Path) -> None:
    whole, observers, _ = collector(CoverSettings(refresh_every=1))
    film(observers, FEATURES, LABELS, epochs=range(2))
    save_state(tmp_path / "state", {"observers": [observer.state_dict() for observer in observers]})
    resumed, fresh, _ = collector(CoverSettings(refresh_every=1))
    for observer, state in zip(fresh, load_state(tmp_path / "state")["observers"], strict=True):
        observer.load_state_dict(state)
    for watching in (observers, fresh):
        film(watching, FEATURES, LABELS, epochs=range(2, 4))
    assert whole.evidence is not None
    assert resumed.evidence is not None
    assert torch.equal(whole.evidence.columns(), resumed.evidence.columns())
    assert torch.equal(whole.evidence.coverage, resumed.evidence.coverage)


def test_a_state_of_before_the_first_measurement_is_empty() -> None:
    made, _, _ = collector(CoverSettings(refresh_every=1))
    assert made.state_dict() == {}
    made.load_state_dict({})
    assert made.evidence is None


def test_whoever_asks_for_the_same_cover_shares_it() -> None:
    recording = Recording(LABELS, 3)
    assert recording.evidence(CoverSettings()) is recording.evidence(CoverSettings(distance="euclidean"))
    assert recording.evidence(CoverSettings()) is not recording.evidence(CoverSettings(distance="cosine"))
