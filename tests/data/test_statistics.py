import pytest
import torch

from rlsel.data.dataset import MemoryImages
from rlsel.data.statistics import channel_statistics


def test_bytes_by_hand() -> None:
    # Channel 0: 0, 255 -> mean 0.5, deviation 0.5. Channel 1: 51, 51 -> 0.2 always, so that the deviation is set to 1.
    pixels = torch.tensor([[[[0]], [[51]]], [[[255]], [[51]]]], dtype=torch.uint8)
    mean, std = channel_statistics(MemoryImages(pixels))
    assert mean == pytest.approx((0.5, 0.2))
    assert std == pytest.approx((0.5, 1.0))


def test_floats_agree_with_torch() -> None:
    pixels = 1000 + 3 * torch.randn(700, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    mean, std = channel_statistics(MemoryImages(pixels))
    # The reference is in float64 too; the squares near 10^6 cost it six of its sixteen digits.
    assert mean == pytest.approx(pixels.double().mean(dim=(0, 2, 3)).tolist(), rel=1e-9)
    assert std == pytest.approx(pixels.double().std(dim=(0, 2, 3), correction=0).tolist(), rel=1e-7)


def test_a_sample_is_evenly_spread() -> None:
    pixels = torch.arange(10.0).view(10, 1, 1, 1)
    # Positions 0, 2, 5, 7: floor(i * 10 / 4).
    assert channel_statistics(MemoryImages(pixels), at_most=4).mean == pytest.approx((3.5,))
    assert channel_statistics(MemoryImages(pixels), at_most=20).mean == pytest.approx((4.5,))


@pytest.mark.parametrize("value", [0.0, 1e-3, 7.7, 1e6])
def test_a_constant_channel_has_deviation_one(value: float) -> None:
    assert channel_statistics(MemoryImages(torch.full((9, 1, 7, 7), value))).std == (1.0,)
