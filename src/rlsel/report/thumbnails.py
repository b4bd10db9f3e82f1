"""Small pictures of samples, all in one JPEG file that a page holds once."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from rlsel.data.dataset import ImageStore

LARGEST_SIDE = 64
"""Pixels of the longer side of a picture; larger images are shrunk."""

MOST_PIXELS = 6_000_000
"""Pixels of all pictures together: 5,800 of 28 x 28, or 1,460 of 64 x 64, which are 1 to 4 MB."""

_BLOCK = 8
"""JPEG compresses blocks of this side: pictures that begin on their borders do not run into one another."""

_QUALITY = 85
_BATCH = 512


@dataclass(frozen=True, kw_only=True)
class SpriteSheet:
    """Pictures in rows and columns of equal cells.

    Attributes:
        jpeg: The file.
        height: Pixels of each picture.
        width: Pixels of each picture.
        cell: (height, width) of the cells that they begin in.
        columns: Cells beside one another, at least two.
        rows: Cells above one another, at least two.
        cells: The place of a sample among the candidates, to the number of its cell.
    """

    jpeg: bytes
    height: int
    width: int
    cell: tuple[int, int]
    columns: int
    rows: int
    cells: Mapping[int, int]

    @property
    def uri(self) -> str:
        """The file as a data URI."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()

    @property
    def zoom(self) -> tuple[float, float]:
        """Width and height of the sheet, in pictures."""
        return self.columns * self.cell[1] / self.width, self.rows * self.cell[0] / self.height

    @property
    def step(self) -> tuple[float, float]:
        """How far the sheet moves from one column and row to the next, in percent as CSS counts them."""
        across, down = self.zoom
        return 100 * self.cell[1] / self.width / (across - 1), 100 * self.cell[0] / self.height / (down - 1)


def thumbnails_that_fit(images: ImageStore) -> int:
    """Returns how many pictures of these images a sheet takes."""
    height, width = _cell(*_picture_size(images))
    return MOST_PIXELS // (height * width)


def sprite_sheet(images: ImageStore, places: Sequence[int], *, pixel_range: tuple[float, float]) -> SpriteSheet | None:
    """Makes the sheet of some images; the first ones, where there are more than it takes.

    Args:
        images: The store.
        places: Positions in the store, the most wanted first; each counts once.
        pixel_range: Lowest and highest pixel of images that are not uint8.

    Returns:
        The sheet; None for no images.
    """
    from PIL import Image

    chosen = list(dict.fromkeys(places))[: thumbnails_that_fit(images)]
    if not chosen:
        return None
    size = _picture_size(images)
    cell = _cell(*size)
    columns = max(2, math.ceil(math.sqrt(len(chosen))))
    rows = max(2, math.ceil(len(chosen) / columns))
    sheet = np.zeros((rows * cell[0], columns * cell[1], 3), dtype=np.uint8)
    number = 0
    for batch in images.batches(torch.split(torch.tensor(chosen), _BATCH)):
        for picture in _pictures(batch, size, pixel_range):
            top, left = number // columns * cell[0], number % columns * cell[1]
            sheet[top : top + cell[0], left : left + cell[1]] = _filled(picture, cell)
            number += 1
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return SpriteSheet(
        jpeg=file.getvalue(),
        height=size[0],
        width=size[1],
        cell=cell,
        columns=columns,
        rows=rows,
        cells={place: cell_number for cell_number, place in enumerate(chosen)},
    )


def _picture_size(images: ImageStore) -> tuple[int, int]:
    _, height, width = images.shape
    shrunk = min(1.0, LARGEST_SIDE / max(height, width))
    return max(1, round(height * shrunk)), max(1, round(width * shrunk))


def _cell(height: int, width: int) -> tuple[int, int]:
    return math.ceil(height / _BLOCK) * _BLOCK, math.ceil(width / _BLOCK) * _BLOCK


def _pictures(batch: Tensor, size: tuple[int, int], pixel_range: tuple[float, float]) -> NDArray[np.uint8]:
    """Returns (B, C, H, W) images as (B, H, W, 3) pictures of the size; one channel, or two, become grey."""
    low, high = (0.0, 255.0) if batch.dtype == torch.uint8 else pixel_range
    scaled = (batch.float() - low) / max(high - low, 1e-12)
    if scaled.shape[2:] != size:
        scaled = interpolate(scaled, size, mode="area")
    coloured = scaled[:, :3] if scaled.shape[1] >= 3 else scaled[:, :1].expand(-1, 3, -1, -1)
    bytes_ = coloured.mul(255).round().clamp(0, 255).to(torch.uint8)
    picture: NDArray[np.uint8] = bytes_.permute(0, 2, 3, 1).numpy()
    return picture


def _filled(picture: NDArray[np.uint8], cell: tuple[int, int]) -> NDArray[np.uint8]:
    """Repeats the border of a picture up to the end of its cell, which then adds no edge to it."""
    below, right = cell[0] - picture.shape[0], cell[1] - picture.shape[1]
    return np.pad(picture, ((0, below), (0, right), (0, 0)), mode="edge")
