import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlsel.data.augmentation import Augmentation, augment
from rlsel.errors import ConfigurationError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(count: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Images whose pixels are all different and none zero."""
    return torch.arange(1.0, 1 + count * channels * height * width).view(count, channels, height, width)


def windows(image: torch.Tensor, padding: int, height: int, width: int) -> list[torch.Tensor]:
    """Every window of a (C, H, W) image with a border of zeros: a double loop."""
    channels, rows, columns = image.shape
    padded = torch.zeros(channels, rows + 2 * padding, columns + 2 * padding)
    padded[:, padding : padding + rows, padding : padding + columns] = image
    return [
        padded[:, top : top + height, left : left + width]
        for top in range(rows + 2 * padding - height + 1)
        for left in range(columns + 2 * padding - width + 1)
    ]


def test_nothing_is_nothing() -> None:
    images = numbered(3, 2, 4, 5)
    assert torch.equal(augment(images, Augmentation(), generator()), images)


@settings(max_examples=40, deadline=None)
@given(
    channels=st.integers(1, 3),
    height=st.integers(3, 6),
    width=st.integers(3, 6),
    padding=st.integers(0, 3),
    flip=st.booleans(),
    crop=st.none() | st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_a_crop_is_a_window_of_the_padded_image_or_its_mirror_image(
    channels: int, height: int, width: int, padding: int, flip: bool, crop: int | None, seed: int
) -> None:
    images = numbered(5, channels, height, width)
    result = augment(images, Augmentation(crop_padding=padding, flip=flip, crop=crop), generator(seed))
    rows, columns = (crop, crop) if crop else (height, width)
    assert result.shape == (5, channels, rows, columns)
    for before, after in zip(images, result, strict=True):
        allowed = windows(before, padding, rows, columns)
        allowed += [window.flip(-1) for window in allowed] if flip else []
        assert any(torch.equal(after, window) for window in allowed)


def test_every_window_is_equally_likely() -> None:
    images = numbered(1, 1, 3, 3).expand(18000, 1, 3, 3)
    result = augment(images, Augmentation(crop_padding=1), generator())
    shares = [(result == window).flatten(1).all(dim=1).float().mean().item() for window in windows(images[0], 1, 3, 3)]
    assert len(shares) == 9
    assert sum(shares) == pytest.approx(1)
    # Five standard errors of a share of 1/9 among 18000.
    assert all(abs(share - 1 / 9) < 5 * (1 / 9 * 8 / 9 / 18000) ** 0.5 for share in shares)


def test_each_image_has_a_draw_of_its_own() -> None:
    images = numbered(1, 1, 8, 8).expand(64, 1, 8, 8)
    result = augment(images, Augmentation(crop_padding=4, flip=True, cutout=3), generator())
    # 81 places times 2 mirrorings times 64 cutouts: among 64 draws hardly two are the same.
    assert len(torch.unique(result.flatten(1), dim=0)) > 60


def test_half_of_the_images_are_mirrored_and_nothing_else() -> None:
    images = torch.randn(4000, 3, 4, 5, generator=generator())
    result = augment(images, Augmentation(flip=True), generator(1))
    same = (result == images).flatten(1).all(dim=1)
    mirrored = (result == images.flip(-1)).flatten(1).all(dim=1)
    assert torch.equal(same, ~mirrored)
    # Five standard errors of a half among 4000: 5 * 0.5 / sqrt(4000) = 0.04.
    assert abs(mirrored.float().mean().item() - 0.5) < 0.04


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_cutout_blanks_one_square_that_the_border_may_cut_off(side: int) -> None:
    images = numbered(400, 2, 7, 9)
    result = augment(images, Augmentation(cutout=side), generator())
    blank = result == 0
    assert torch.equal(result[~blank], images[~blank])
    assert torch.equal(blank[:, 0], blank[:, 1])
    rows, columns = blank[:, 0].any(dim=2), blank[:, 0].any(dim=1)
    assert torch.equal(blank[:, 0], rows[:, :, None] & columns[:, None, :])
    heights, widths = rows.sum(dim=1), columns.sum(dim=1)
    # The centre is inside the image, so at least the smaller half of the square is: ceil(side / 2).
    assert heights.min() == widths.min() == -(-side // 2)
    assert heights.max() == widths.max() == side
    for line in torch.cat([rows, columns.view(-1, 9)[:, :7]]):
        assert line.int().diff().abs().sum() <= 2


def test_cutout_does_not_move_the_crops() -> None:
    images = numbered(50, 1, 6, 6)
    without = augment(images, Augmentation(crop_padding=2, flip=True), generator(5))
    with_cutout = augment(images, Augmentation(crop_padding=2, flip=True, cutout=2), generator(5))
    kept = with_cutout != 0
    assert torch.equal(with_cutout[kept], without[kept])
    assert (~kept).sum() > (without == 0).sum()


def test_the_generator_decides_and_goes_on() -> None:
    images = numbered(32, 3, 8, 8)
    everything = Augmentation(crop_padding=2, flip=True, cutout=3)
    first, again = generator(3), generator(3)
    batches = [augment(images, everything, first) for _ in range(2)]
    assert torch.equal(batches[0], augment(images, everything, again))
    assert torch.equal(batches[1], augment(images, everything, again))
    assert not torch.equal(batches[0], batches[1])


def test_the_input_is_left_alone_and_its_layout_does_not_matter() -> None:
    images = numbered(16, 3, 8, 8)
    before = images.clone()
    everything = Augmentation(crop_padding=2, flip=True, cutout=3)
    result = augment(images, everything, generator())
    assert torch.equal(images, before)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(result, augment(images.contiguous(memory_format=torch.channels_last), everything, generator()))


def test_a_crop_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="a crop of 9 x 9 does not fit into 8 x 8 pixels"):
        augment(numbered(1, 1, 6, 6), Augmentation(crop=9, crop_padding=1), generator())


@pytest.mark.parametrize("wrong", [{"crop_padding": -1}, {"cutout": -1}, {"crop": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=f"augmentation.{next(iter(wrong))} must be an integer of at least"):
        Augmentation(**wrong)


def test_a_part_of_a_batch_is_changed_as_it_is_among_all() -> None:
    images = torch.rand(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    settings = Augmentation(crop_padding=2, flip=True, cutout=2)
    whole = augment(images, settings, torch.Generator().manual_seed(0))
    part = augment(images[2:5], settings, torch.Generator().manual_seed(0), rows=slice(2, 5), of=7)
    assert torch.equal(part, whole[2:5])
