from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlsel.errors import ConfigurationError
from rlsel.policy.rewards import (
    Account,
    Behaviour,
    Cover,
    Dynamics,
    Evidence,
    Paper,
    PaperScalar,
    Reward,
    doubt,
    hardness,
    priced_reward,
    ratio_reward,
)

RATIOS = st.floats(0.01, 0.99)
# two of four keep probabilities are above one half; 8 · 0.625 / 4 = 1.25
ACCOUNT = Account(
    keep_probability=torch.tensor([0.75, 0.625, 0.5, 0.25]),
    all_merits=torch.tensor([0.0, 8.0, 0.0, 0.0]),
    ratio=0.8,
    price=0.5,
)


def evidence(mean_cover: list[float], behaviour: Behaviour | None = None) -> Evidence:
    values = torch.tensor(mean_cover)
    return Evidence(coverage=values + 10, mean_cover=values, behaviour=behaviour)


def behaviour(forgetting: list[float], error_norm: list[float]) -> Behaviour:
    return Behaviour(
        forgetting=torch.tensor(forgetting),
        error_norm=torch.tensor(error_norm),
        margin=1 - torch.tensor(error_norm),
        variability=torch.zeros(len(forgetting)),
        label_p_value=torch.ones(len(forgetting)),
    )


@pytest.mark.parametrize(
    ("share", "ratio", "expected"),
    [
        (0.6, 0.8, 3.75),  # 5 · (1 − 0.2 / 0.8)
        (0.9, 0.8, 2.5),  # 5 · (1 − 0.1 / 0.2)
        (0.35, 0.7, 2.5),  # halfway down
        (0.85, 0.7, 2.5),  # and halfway up
        (1.0, 1.0, 5.0),
        (0.25, 1.0, 1.25),
    ],
)
def test_ratio_reward_by_hand(share: float, ratio: float, expected: float) -> None:
    assert ratio_reward(share, ratio, 5.0) == pytest.approx(expected)


@given(ratio=RATIOS, scale=st.floats(0.1, 10))
def test_ratio_reward_is_full_at_the_ratio_and_gone_at_both_extremes(ratio: float, scale: float) -> None:
    assert ratio_reward(ratio, ratio, scale) == scale
    # rounding of a subtraction and a division
    assert ratio_reward(0.0, ratio, scale) == pytest.approx(0, abs=1e-12)
    assert ratio_reward(1.0, ratio, scale) == pytest.approx(0, abs=1e-12)


@given(ratio=RATIOS, shares=st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_ratio_reward_falls_with_the_gap_on_each_side(ratio: float, shares: list[float]) -> None:
    low, high = sorted(shares)
    if high <= ratio:
        assert ratio_reward(low, ratio, 5.0) <= ratio_reward(high, ratio, 5.0) + 1e-12
    if low >= ratio:
        assert ratio_reward(low, ratio, 5.0) >= ratio_reward(high, ratio, 5.0) - 1e-12


def test_priced_reward_by_hand() -> None:
    merit, actions = torch.tensor([2.0, 2.0, -1.0, -1.0, 0.5]), torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])
    # (merit − 0.5) · ±½
    assert priced_reward(merit, actions, 0.5).tolist() == [0.75, -0.75, -0.75, 0.75, 0.0]


def test_the_cover_is_scaled_to_unit_deviation_and_capped() -> None:
    # deviation √(2 / 2) · 4: 4 / 4 = 1
    assert Cover().merit(evidence([-4.0, 0.0, 4.0])).tolist() == [-1, 0, 1]
    assert Cover(cap=0.75).merit(evidence([-4.0, 0.0, 4.0])).tolist() == [-0.75, 0, 0.75]
    assert Cover().merit(evidence([0.0, 0.0, 0.0])).tolist() == [0, 0, 0]


@pytest.mark.parametrize("reward", [Cover(), Dynamics()])
def test_rewards_with_a_price_give_each_sample_its_own(reward: Cover | Dynamics) -> None:
    assert reward.priced
    merit, actions = torch.tensor([1.5, -0.5]), torch.tensor([1.0, 1.0])
    assert reward.reward(merit, actions, ACCOUNT).tolist() == [0.5, -0.5]


def test_the_papers_reward_by_hand() -> None:
    reward = Paper(scale=5.0)
    known = evidence([1.0, 2.0, 3.0])
    assert reward.merit(known).tolist() == [11, 12, 13]  # raw E_c
    actions = torch.tensor([0.0, 0.5, 1.0])
    # r1 = 5 · (1 − 0.3 / 0.8) = 3.125, plus E_c · π
    assert reward.reward(reward.merit(known), actions, ACCOUNT).tolist() == [3.125, 9.125, 16.125]
    assert not reward.priced


def test_the_scalar_reward_is_one_number_whatever_the_actions() -> None:
    reward = PaperScalar(scale=5.0)
    merit = reward.merit(evidence([1.0, 2.0, 3.0]))
    # 3.125 + the mean of E_c · π over the data set
    assert reward.reward(merit, torch.tensor([0.0, 0.5, 1.0]), ACCOUNT).tolist() == [4.375, 4.375, 4.375]
    assert not reward.priced


def test_hardness_by_hand() -> None:
    # logarithms of e⁰, e¹ and e² (0.001 is added): standardised −1, 0 and 1, the last capped
    known = behaviour([0.0, 2.0, 7.0], [1 - 1e-3, math.e - 2 - 1e-3, math.exp(2) - 7 - 1e-3])
    # logarithms of 0.02 · (e⁰, e², e¹) (0.01 is added): standardised −1, 1 (capped) and 0
    known = replace(known, variability=torch.tensor([0.02, 0.02 * math.exp(2), 0.02 * math.e]) - 0.01)
    found = hardness(known, cap=0.5)
    assert found.tolist() == pytest.approx([-1, (0 + 0.5) / 2, (0.5 + 0) / 2], abs=1e-5)  # float32 logarithms


def test_dynamics_adds_the_cover_with_its_weight() -> None:
    known = behaviour([0.0, 1.0, 4.0], [0.5, 0.2, 1.0])
    found = evidence([3.0, 0.0, -3.0], known)
    alone, both = Dynamics().merit(found), Dynamics(cover_weight=0.5).merit(found)
    assert torch.equal(alone, hardness(known, cap=1.5))
    assert (both - alone).tolist() == pytest.approx([0.5, 0, -0.5], abs=1e-6)  # half of ±1


def test_without_a_training_the_cover_stands_in() -> None:
    found = evidence([3.0, 0.0, -3.0])
    assert torch.equal(Dynamics().merit(found), Cover().merit(found))


@pytest.mark.parametrize(("ratio", "count"), [(0.02, 8), (0.1, 8), (0.2, 6), (0.3, 4), (0.45, 1), (0.5, 0), (1.0, 0)])
def test_the_smaller_the_choice_the_more_of_what_was_never_learned_is_demoted(ratio: float, count: int) -> None:
    margin = torch.linspace(0.92, -0.07, 100).roll(30)
    known = replace(behaviour([1.0] * 100, [0.5] * 100), margin=margin)
    found = Dynamics().demoted(evidence([0.0] * 100, known), ratio)
    assert found.tolist() == (margin < -0.075 + 0.01 * count).tolist()


def test_at_most_a_fifth_is_demoted() -> None:
    known = replace(behaviour([1.0] * 100, [0.5] * 100), margin=torch.linspace(-1, -0.1, 100))
    assert Dynamics().demoted(evidence([0.0] * 100, known), 0.1).nonzero().flatten().tolist() == list(range(20))


@pytest.mark.parametrize("reward", [Cover(), Paper(), PaperScalar(), Dynamics()])
def test_without_a_behaviour_nothing_is_demoted(reward: Reward) -> None:
    assert not reward.demoted(evidence([1.0, 2.0]), 0.1).any()


def test_a_label_that_is_taken_for_wrong_costs_at_most_two_weights() -> None:
    # one p-value of ten below 0.8: a share of 1/8; with one more in each of 50 bins, the density is 1/60 · 50 in an
    # empty bin, where p = 0.125 · 60 / 50 = 0.15, and no worse p-value may say less; 10/60 · 50 in the last, p = 0.015
    known = behaviour([1.0] * 10, [0.5] * 10)
    known = replace(known, label_p_value=torch.tensor([0.0] + [1.0] * 9))
    assert doubt(known).tolist() == pytest.approx([-math.log(1 - 0.15)] + [-math.log(1 - 0.015)] * 9, abs=1e-5)
    many = behaviour([1.0] * 9000, [0.5] * 9000)
    many = replace(many, label_p_value=torch.cat([torch.arange(1800) / 1800, torch.ones(7200)]))
    assert float(doubt(many)[0]) == pytest.approx(2.0)
    assert float(doubt(many)[-1]) < 0.05
    merit = Dynamics(doubt_weight=3.0).merit(evidence([0.0] * 9000, many))
    assert float(merit[-1] - merit[0]) == pytest.approx(6.0, abs=0.15)


def test_the_columns_of_a_state_are_standardised() -> None:
    assert evidence([1.0, 2.0, 3.0]).columns().tolist() == [[-1], [0], [1]]
    columns = evidence([1.0, 2.0, 6.0], behaviour([0.0, 1.0, 5.0], [0.1, 0.1, 0.1])).columns()
    assert columns.shape == (3, 7)
    assert columns[:, :2].std(dim=0).tolist() == pytest.approx([1, 1])
    assert columns[:, :2].mean(dim=0).tolist() == pytest.approx([0, 0], abs=1e-6)  # float32 rounding
    # what does not vary says nothing: at most the rounding of a mean, 6e-8, in units of 1e-6
    assert float(columns[:, 2:].abs().max()) < 0.1


def test_weights_are_checked() -> None:
    with pytest.raises(ConfigurationError, match=r"reward\.cap must be a number in \(0, inf\), got 0"):
        Cover(cap=0)
    with pytest.raises(ConfigurationError, match=r"reward\.scale must be a number in \[0, inf\), got -1"):
        Paper(scale=-1)
    with pytest.raises(ConfigurationError, match=r"reward\.scale"):
        PaperScalar(scale=-1)
    with pytest.raises(ConfigurationError, match=r"reward\.cap"):
        Dynamics(cap=0)
    with pytest.raises(ConfigurationError, match=r"reward\.cover_weight"):
        Dynamics(cover_weight=-0.1)
