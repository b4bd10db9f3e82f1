import io
from unittest.mock import patch

import numpy as np
import pytest
import torch
from PIL import Image

from rlsel.data.dataset import MemoryImages
from rlsel.report.thumbnails import SpriteSheet, sprite_sheet, thumbnails_that_fit


def picture(sheet: SpriteSheet, place: int) -> np.ndarray:
    """Cuts a picture out of the file, where a browser does."""
    pixels = np.asarray(Image.open(io.BytesIO(sheet.jpeg)))
    row, column = divmod(sheet.cells[place], sheet.columns)
    top, left = row * sheet.cell[0], column * sheet.cell[1]
    return pixels[top : top + sheet.height, left : left + sheet.width]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (3, 10, 20), (2, 9, 9)])
def test_each_sample_has_its_own_picture(shape: tuple[int, int, int]) -> None:
    levels = torch.arange(0, 250, 25, dtype=torch.uint8)
    images = MemoryImages(levels[:, None, None, None].expand(-1, *shape))
    sheet = sprite_sheet(images, [7, 2, 7, 5], pixel_range=(0.0, 1.0))
    assert dict(sheet.cells) == {7: 0, 2: 1, 5: 2}, "each once, in order"
    assert (sheet.height, sheet.width) == shape[1:]
    for place in sheet.cells:
        # JPEG keeps an even area up to rounding
        assert np.abs(picture(sheet, place).astype(int) - 25 * place).max() <= 2


def test_large_images_are_shrunk_and_floats_are_scaled() -> None:
    images = MemoryImages(torch.full((2, 3, 100, 200), 0.5))
    sheet = sprite_sheet(images, [0, 1], pixel_range=(-1.0, 1.0))
    assert (sheet.height, sheet.width) == (32, 64)
    # a half lies at three quarters between -1 and 1
    assert np.abs(picture(sheet, 1).astype(int) - 191).max() <= 2


def test_the_sheet_is_bounded() -> None:
    images = MemoryImages(torch.zeros(500, 1, 16, 16, dtype=torch.uint8))
    with patch("rlsel.report.thumbnails.MOST_PIXELS", 100 * 16 * 16):
        assert thumbnails_that_fit(images) == 100
        assert len(sprite_sheet(images, range(500), pixel_range=(0.0, 1.0)).cells) == 100


def test_what_css_is_told_finds_each_cell() -> None:
    images = MemoryImages(torch.zeros(7, 1, 28, 28, dtype=torch.uint8))
    sheet = sprite_sheet(images, range(7), pixel_range=(0.0, 1.0))
    # with background-size z and background-position p, the left end shown lies p (z - 1) pictures in the sheet
    for axis, pictures in ((0, sheet.width), (1, sheet.height)):
        shown = sheet.step[axis] / 100 * (sheet.zoom[axis] - 1) * pictures
        assert shown == pytest.approx(sheet.cell[1 - axis])


def test_no_sample_needs_no_sheet() -> None:
    assert sprite_sheet(MemoryImages(torch.zeros(1, 1, 8, 8)), [], pixel_range=(0.0, 1.0)) is None
