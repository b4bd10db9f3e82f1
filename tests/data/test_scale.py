import pytest
import torch

from rlsel.data.scale import describe_range, on_one_scale, pixel_range

BYTES, SIXTEENTHS, WIDE, CENTRED, STANDARD = (0.0, 1.0), (0.0, 16.0), (0.0, 255.0), (-1.0, 1.0), (-2.1, 2.6)


@pytest.mark.parametrize("known", [BYTES, SIXTEENTHS, WIDE])
@pytest.mark.parametrize("given", [BYTES, SIXTEENTHS, WIDE])
def test_the_scales_in_use_are_told_apart(known: tuple[float, float], given: tuple[float, float]) -> None:
    assert on_one_scale(known, given) == (known == given)


@pytest.mark.parametrize("centred", [CENTRED, STANDARD])
def test_centred_pixels_are_no_others(centred: tuple[float, float]) -> None:
    assert on_one_scale(centred, centred)
    assert not on_one_scale(centred, BYTES)
    assert not on_one_scale(BYTES, centred)


def test_darker_images_and_ringing_around_edges_are_allowed() -> None:
    assert on_one_scale(BYTES, (0.1, 0.3))
    assert on_one_scale((0.0, 0.4), BYTES)
    assert on_one_scale(BYTES, (-0.04, 1.06))
    assert on_one_scale(BYTES, (0.0, 0.0))


def test_the_range_counts_bytes_as_shares_of_255() -> None:
    assert pixel_range(torch.tensor([[51, 204], [102, 60]], dtype=torch.uint8)) == (0.2, 0.8)
    assert pixel_range(torch.tensor([-3.0, 7.5])) == (-3.0, 7.5)
    assert describe_range((-0.12345, 255.0)) == "-0.123 to 255"
