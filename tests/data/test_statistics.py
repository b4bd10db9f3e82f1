import pytest
import torch

from rlsel.data.dataset import MemoryImages
from rlsel.data.statistics import channel_statistics, checked_statistics
from rlsel.errors import DataError


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


def planted(copies: int, count: int) -> MemoryImages:
    """Images that all differ, of which the last `copies` are then made equal."""
    pixels = torch.zeros(count, 2, 3, 4, dtype=torch.uint8)
    numbers = torch.arange(count)
    pixels[:, 0, 0, 0], pixels[:, 1, 2, 3] = (numbers % 256).byte(), (numbers // 256).byte()
    pixels[count - copies :] = pixels[-1]
    return MemoryImages(pixels)


@pytest.mark.parametrize("at_most", [None, 600, 5])
def test_what_is_checked_has_the_same_statistics(at_most: int | None) -> None:
    noise = torch.randn(700, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    for images in (planted(300, 700), MemoryImages(noise)):
        assert checked_statistics(images, "own", at_most=at_most) == channel_statistics(images, at_most=at_most)
    # One channel may be constant.
    assert checked_statistics(planted(1, 2), "own") == channel_statistics(planted(1, 2))
    assert checked_statistics(MemoryImages(torch.eye(2).view(1, 1, 2, 2)), "own").mean == (0.5,)


def test_more_than_half_may_not_be_identical() -> None:
    checked_statistics(planted(350, 700), "own")
    with pytest.raises(DataError, match=r"^own: most samples must differ, got 351 of 700 that are identical: see"):
        checked_statistics(planted(351, 700), "own")
    with pytest.raises(DataError, match=r"got 2 of 3 that are identical"):
        checked_statistics(planted(2, 3), "own")


def test_of_many_images_a_sample_is_compared() -> None:
    # Of 5000, 2048 are compared: floor(i * 5000 / 2048). From ceil(2400 * 2048 / 5000) = 984 on they lie behind 2400.
    with pytest.raises(DataError, match=r"got 1064 of 2048 that are identical"):
        checked_statistics(planted(2600, 5000), "own")
    checked_statistics(planted(2400, 5000), "own")
    # Of ten, five are looked at: 0, 2, 4, 6 and 8.
    with pytest.raises(DataError, match=r"got 3 of 5 that are identical"):
        checked_statistics(planted(6, 10), "own", at_most=5)


@pytest.mark.parametrize("value", [0.0, 7.7])
def test_images_that_never_change_are_refused(value: float) -> None:
    with pytest.raises(
        DataError, match=r"^own: samples must differ, got the same value in every pixel of the 9 looked at: see"
    ):
        checked_statistics(MemoryImages(torch.full((9, 2, 7, 7), value)), "own")
    different_channels = torch.tensor([value, value + 1]).view(1, 2, 1, 1).repeat(9, 1, 1, 1)
    with pytest.raises(DataError, match=r"the same value in every pixel"):
        checked_statistics(MemoryImages(different_channels), "own")
