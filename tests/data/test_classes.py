import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlsel.data.classes import draw_from_classes, require_two_samples, stratified_share
from rlsel.errors import DataError


@given(st.lists(st.integers(0, 3), min_size=4, max_size=60), st.integers(0, 9))
def test_draws_have_the_sizes_asked_for(labels: list[int], seed: int) -> None:
    targets = torch.tensor(labels)
    sizes = torch.bincount(targets, minlength=4).numpy()
    budgets = np.minimum(sizes, np.array([0, 1, 2, 100]))
    drawn = draw_from_classes(targets, budgets, np.random.default_rng(seed))
    assert torch.equal(drawn, torch.unique(drawn))
    assert torch.bincount(targets[drawn], minlength=4).tolist() == budgets.tolist()
    fewer = draw_from_classes(targets, budgets // 2, np.random.default_rng(seed))
    assert set(fewer.tolist()) <= set(drawn.tolist())


def test_each_sample_of_a_class_is_as_likely() -> None:
    labels = torch.tensor([0, 1, 0, 0, 0])
    draws = [draw_from_classes(labels, np.array([1, 1]), np.random.default_rng(seed)).tolist() for seed in range(2000)]
    assert all(1 in draw for draw in draws)
    for position in (0, 2, 3, 4):
        share = np.mean([position in draw for draw in draws])
        # Five standard errors of a quarter among 2000.
        assert abs(share - 0.25) < 5 * (0.25 * 0.75 / 2000) ** 0.5


def test_a_fifth_is_rounded_up_and_spread_over_the_classes() -> None:
    # 10 + 20 + 21 = 51 samples: ceil(51 / 5) = 11; shares 2.16, 4.31, 4.53: floors 2 + 4 + 4, the rest to the last.
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor([10, 20, 21]))
    train, test = stratified_share(labels, 0.2, 0)
    assert torch.bincount(labels[test]).tolist() == [2, 4, 5]
    assert torch.equal(torch.cat([train, test]).sort().values, torch.arange(51))
    assert torch.equal(train, train.sort().values)
    assert torch.equal(stratified_share(labels, 0.2, 0).test, test)
    assert not torch.equal(stratified_share(labels, 0.2, 1).test, test)


@given(st.lists(st.integers(2, 12), min_size=1, max_size=8))
def test_two_samples_of_each_class_stay(sizes: list[int]) -> None:
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    assert torch.bincount(labels[stratified_share(labels, 0.2, 0).train]).min() >= 2


def test_a_class_with_one_sample_is_named() -> None:
    with pytest.raises(DataError, match=r"^some: each class must have at least two .* got 1 of class 'b': add samples"):
        require_two_samples("some", torch.tensor([0, 0, 1, 2]), ("a", "b", "c"))


def test_a_class_without_samples_is_named() -> None:
    with pytest.raises(DataError, match="got 0 of class 'c'"):
        require_two_samples("some", torch.tensor([0, 0, 1, 1]), ("a", "b", "c"))


@pytest.mark.parametrize(("share", "count", "expected"), [(0.1, 30, 3), (0.3, 10, 3), (0.25, 10, 3), (0.0, 10, 0)])
def test_a_share_is_rounded_up_but_not_by_rounding_errors(share: float, count: int, expected: int) -> None:
    # 0.1 * 30 and 0.3 * 10 are a little above 3 in binary; a quarter of ten is 2.5, rounded up
    assert len(stratified_share(torch.zeros(count, dtype=torch.int64), share, 0).test) == expected
