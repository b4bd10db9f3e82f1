from __future__ import annotations

import pytest
import torch

from rlsel.policy.optimum import Calibration, calibration_temperature, demote, spread_like
from rlsel.policy.rewards import Cover, Evidence, Paper, Reward


def test_the_temperature_is_higher_for_small_choices_and_more_so_where_few_are_kept() -> None:
    many = [calibration_temperature(ratio, 1e9) for ratio in (0.0, 0.1, 0.3, 0.5, 0.9)]
    assert many == pytest.approx([1.5, 1.4, 1.2, 1, 1])
    few = [calibration_temperature(ratio, 75) for ratio in (0.0, 0.1, 0.3, 0.5, 0.9)]  # three times as much above 1
    assert few == pytest.approx([2.5, 2.2, 1.6, 1, 1])


def test_the_logits_at_the_optimum_are_the_merit_over_the_temperatures() -> None:
    evidence = Evidence(coverage=torch.zeros(3), mean_cover=torch.tensor([-1.0, 0.0, 1.0]))
    for ratio, warmer in ((0.5, 1.0), (0.1, 2.2)):  # 75 of a class are kept, as above
        size = round(2 * 75 / ratio)
        calibration = Calibration(reward=Cover(), entropy_weight=0.5, ratio=ratio, num_classes=2, size=size)
        assert calibration.optimum(evidence).tolist() == pytest.approx([-2 / warmer, 0, 2 / warmer])


def test_demoted_samples_are_below_all_others_in_their_order() -> None:
    demoted = torch.tensor([False, True, False, True, False])
    found = demote(torch.tensor([0.0, 3.0, -2.0, 1.0, 1.0]), demoted)
    assert found[~demoted].tolist() == [0, -2, 1]
    assert found[demoted].tolist() == pytest.approx([-6, -6.02])  # 4 below the lowest, a hundredth of 3 − 1 apart
    assert demote(found, torch.zeros(5, dtype=torch.bool)).equal(found)


def calibration_of(reward: Reward, entropy_weight: float) -> Calibration:
    return Calibration(reward=reward, entropy_weight=entropy_weight, ratio=2 / 3, num_classes=1, size=3)


LEARNED = torch.tensor([10.0, 30.0, 20.0])
EVIDENCE = Evidence(coverage=torch.zeros(3), mean_cover=torch.tensor([-1.0, 0.0, 1.0]))


def test_a_policy_keeps_its_order_at_the_distances_of_the_optimum() -> None:
    # the optimum is 2, 0 and -2; with a hundredth of the policy's own: 2.3, 0.2 and -1.9, and two are kept
    expected = [-1.9 + 0.85, 2.3 + 0.85, 0.2 + 0.85]
    calibration = calibration_of(Cover(), 0.5)
    assert calibration.known(LEARNED, EVIDENCE).tolist() == pytest.approx(expected, abs=1e-6)
    assert calibration.unseen(LEARNED, EVIDENCE).tolist() == pytest.approx(expected, abs=1e-6)


def test_without_a_price_a_policy_stays_as_it_ended() -> None:
    calibration = calibration_of(Paper(), 0.5)
    assert calibration.known(LEARNED, EVIDENCE).equal(LEARNED)
    assert calibration.unseen(LEARNED, EVIDENCE).equal(LEARNED)


def test_without_an_entropy_bonus_only_the_threshold_of_unseen_samples_moves() -> None:
    calibration = calibration_of(Cover(), 0.0)
    assert calibration.known(LEARNED, EVIDENCE).equal(LEARNED)
    # its own distances, and a hundredth more: 30.3, 20.2 and 10.1; the threshold is in the middle of the last two
    assert calibration.unseen(LEARNED, EVIDENCE).tolist() == pytest.approx([-5.05, 15.15, 5.05], abs=1e-5)


def test_the_order_is_that_of_the_policy_and_the_distances_are_those_of_the_optimum() -> None:
    # a hundredth of the policy's own logits is added
    found = spread_like(torch.tensor([10.0, 30.0, 20.0, 40.0]), torch.tensor([1.0, 7.0, 0.0, 3.0]), 0.5)
    assert found.dtype == torch.float32
    middle = (3.3 + 1.2) / 2
    assert found.tolist() == pytest.approx([0.1 - middle, 3.3 - middle, 1.2 - middle, 7.4 - middle], abs=1e-6)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.73, 1.0])
@pytest.mark.parametrize("size", [1, 5, 60, 100])
def test_the_share_is_the_ratio_for_any_number_of_samples(ratio: float, size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    learned = torch.randn(100, generator=generator)
    # most of them tie, as capped merits do
    optimum = torch.randn(size, generator=generator).clamp(-0.2, 0.2)
    found = spread_like(learned, optimum, ratio)
    assert int((found > 0).sum()) == round(100 * ratio)
    assert found.argsort().equal(learned.argsort())
    assert float(found.max() - found.min()) == pytest.approx(
        float(optimum.max() - optimum.min() + 0.01 * (learned.max() - learned.min())), abs=1e-5
    )
