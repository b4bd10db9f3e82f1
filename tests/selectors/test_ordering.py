from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlsel.selectors.ordering import order_within_classes, random_blocks, rank_scores


def test_scores_fall_along_the_order() -> None:
    # positions 1, 3, 0, 2 of four: 1 - (p + 1/2) / 4
    assert rank_scores(torch.tensor([2, 0, 3, 1])).tolist() == [0.625, 0.125, 0.875, 0.375]


@given(smallest=st.integers(1, 20), factor=st.integers(1, 20))
def test_the_highest_scores_share_a_budget_in_proportion(smallest: int, factor: int) -> None:
    labels = torch.tensor([0] * smallest * factor + [1] * 2 * smallest * factor + [2] * 4 * smallest * factor)
    scores = order_within_classes(torch.rand(len(labels), 1), labels, lambda own: torch.arange(len(own)), num_classes=3)
    kept = scores.argsort(descending=True)[: 7 * smallest]
    assert torch.bincount(labels[kept], minlength=3).tolist() == [smallest, 2 * smallest, 4 * smallest]


def test_classes_are_ordered_apart() -> None:
    features = torch.tensor([[3.0], [1.0], [2.0], [9.0], [8.0]])
    labels = torch.tensor([0, 2, 0, 0, 2])
    scores = order_within_classes(features, labels, lambda own: own[:, 0].argsort(), num_classes=3)
    # class 0 holds 2, 3, 9 in three sixths; class 2 holds 1, 8 in two quarters
    torch.testing.assert_close(scores, torch.tensor([3 / 6, 3 / 4, 5 / 6, 1 / 6, 1 / 4]))


def test_a_group_that_is_small_enough_is_one_block() -> None:
    members = torch.tensor([4, 7, 9])
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert [block.tolist() for block in random_blocks(members, 3, generator)] == [[4, 7, 9]]
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(("size", "largest", "sizes"), [(10, 4, [4, 3, 3]), (9, 3, [3, 3, 3]), (7, 6, [4, 3])])
def test_blocks_are_a_random_partition(size: int, largest: int, sizes: list[int]) -> None:
    members = torch.arange(size) * 3
    blocks = random_blocks(members, largest, torch.Generator().manual_seed(1))
    assert [len(block) for block in blocks] == sizes
    assert torch.cat(blocks).sort().values.tolist() == members.tolist()
    assert all(torch.equal(block, block.sort().values) for block in blocks)
    assert torch.cat(blocks).tolist() != members.tolist()
