import math

import pytest
import torch

from rlsel.cover import coverage as exact
from rlsel.cover import measures
from rlsel.cover.landmarks import EXACT_UP_TO, LANDMARKS, landmark_coverage, landmarks_note
from rlsel.cover.settings import CoverSettings
from rlsel.errors import ConfigurationError

SIZE = 2000


def features(offset: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    centres = 3 * torch.randn(5, 8, generator=generator)
    return centres[torch.arange(SIZE) % 5] + torch.randn(SIZE, 8, generator=generator) + offset


def mean_distances(rows: torch.Tensor, distance: str) -> torch.Tensor:
    rows = rows.double()
    if distance == "cosine":
        rows = rows / rows.norm(dim=1, keepdim=True)
        return (1 - rows @ rows.T).fill_diagonal_(0).sum(dim=1) / (len(rows) - 1)
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist").sum(dim=1) / (len(rows) - 1)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_it_is_unbiased_and_its_error_is_the_one_that_it_states(distance: str) -> None:
    rows = features()
    known = mean_distances(rows, distance)
    found = [landmark_coverage(rows, 200, distance=distance, seed=seed) for seed in range(60)]
    errors = torch.stack([one.mean.double() - known for one in found])
    stated = torch.stack([one.standard_error.double() for one in found])
    # the mean of 60 draws is 60 ** -½ of one draw's error away from the truth: 4.5 of these for the worst of 2000
    assert (errors.mean(dim=0).abs() / (stated.mean(dim=0) / math.sqrt(60))).max() < 4.5
    # the standard deviation of 60 draws is itself known to 1 / √120 = 9 %; over all samples, its mean far better
    assert float((errors.std(dim=0) / stated.mean(dim=0)).mean()) == pytest.approx(1, abs=0.1)
    assert (errors.abs() < 6 * stated).all()


def test_all_others_as_landmarks_are_no_estimate_any_more() -> None:
    rows = features(offset=300.0)  # far from the origin
    found = landmark_coverage(rows, SIZE - 1)
    torch.testing.assert_close(found.mean.double(), mean_distances(rows, "euclidean"), rtol=2e-3, atol=0)
    # one of 2000 is missing where a sample is a landmark itself
    assert ((found.mean - mean_distances(rows, "euclidean")).abs() < 6 * found.standard_error).float().mean() > 0.99
    assert float(found.standard_error.max()) < 0.01


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_class_beyond_the_limit_is_estimated_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch, reduction: str
) -> None:
    rows, labels = features(), (torch.arange(SIZE) < 300).long()
    before = exact.coverage(rows, labels, num_classes=2, reduction=reduction)
    monkeypatch.setattr(exact, "EXACT_UP_TO", 1000)
    monkeypatch.setattr(exact, "landmark_coverage", lambda own, **given: landmark_coverage(own, 400, **given))
    after = exact.coverage(rows, labels, num_classes=2, reduction=reduction)
    assert torch.equal(after[:300], before[:300])
    estimate = landmark_coverage(rows[300:], 400)
    others = 1 if reduction == "mean" else SIZE - 301
    # a mean is a sum divided again: one rounding
    torch.testing.assert_close(after[300:], estimate.mean * others, rtol=2e-7, atol=0)
    assert ((after - before)[300:].abs() < 6 * others * estimate.standard_error).all()
    assert float(torch.corrcoef(torch.stack([before[300:], after[300:]]))[0, 1]) > 0.98


def test_the_error_is_stated_where_there_is_one() -> None:
    assert landmarks_note(EXACT_UP_TO) is None
    assert str(landmarks_note(EXACT_UP_TO + 1)).endswith("is 1/64 of the standard deviation of a sample's distances")
    assert LANDMARKS == 64**2


def test_a_density_of_so_many_pairs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "EXACT_UP_TO", 1000)
    with pytest.raises(ConfigurationError, match=r"cover.measure must be .* for a class above 1000"):
        measures.measure_redundancy(
            features(), torch.zeros(SIZE, dtype=torch.int64), CoverSettings(measure="density"), num_classes=1
        )
