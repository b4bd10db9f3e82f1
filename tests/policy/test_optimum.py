from __future__ import annotations

import pytest
import torch

from rlsel.policy.optimum import demote, optimal_logits, sampling_temperature, spread_like
from rlsel.policy.rewards import Cover, Evidence


def test_the_temperature_is_higher_for_small_choices_and_more_so_where_few_are_kept() -> None:
    many = [sampling_temperature(ratio, 1e9) for ratio in (0.0, 0.1, 0.3, 0.5, 0.9)]
    assert many == pytest.approx([1.5, 1.4, 1.2, 1, 1])
    few = [sampling_temperature(ratio, 75) for ratio in (0.0, 0.1, 0.3, 0.5, 0.9)]  # three times as much above 1
    assert few == pytest.approx([2.5, 2.2, 1.6, 1, 1])


def test_the_logits_at_the_optimum_are_the_merit_over_the_temperatures() -> None:
    evidence = Evidence(coverage=torch.zeros(3), mean_cover=torch.tensor([-1.0, 0.0, 1.0]))
    for ratio, warmer in ((0.5, 1.0), (0.1, 2.2)):  # 75 of a class are kept, as above
        size = round(2 * 75 / ratio)
        found = optimal_logits(Cover(), evidence, temperature=0.5, ratio=ratio, num_classes=2, size=size)
        assert found.tolist() == pytest.approx([-2 / warmer, 0, 2 / warmer])


def test_demoted_samples_are_below_all_others_in_their_order() -> None:
    demoted = torch.tensor([False, True, False, True, False])
    found = demote(torch.tensor([0.0, 3.0, -2.0, 1.0, 1.0]), demoted)
    assert found[~demoted].tolist() == [0, -2, 1]
    assert found[demoted].tolist() == pytest.approx([-6, -6.02])  # 4 below the lowest, a hundredth of 3 − 1 apart
    assert demote(found, torch.zeros(5, dtype=torch.bool)).equal(found)


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
