"""From an image file to the picture that it shows: its depth, its transparency and the way it is held.

What a viewer shows is what a person labelled. Grey of more than 8 bits is scaled by its depth, what is transparent
shows white paper, and the orientation that a camera noted is applied.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from rlsel.data.locations import first_line
from rlsel.errors import DataError

# What Pillow's decoders are known to raise for a damaged file.
_DECODING_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_NAMED_FAILURES = 5
"""How many of several files that cannot be read are named."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture upright, by its EXIF orientation."""

_FIRST_ON_ITS_SIDE = 5
"""The first orientation in which height and width change places."""

_LEVELS_OF_PACKED_GREY = {"L;2": 3, "L;4": 15}
_TIFF_WIDTH, _TIFF_LENGTH, _TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 256, 257, 258, 262, 339
_WHITE_IS_ZERO, _UNSIGNED = 0, (1,)


class UnreadableImageError(DataError):
    """A file that is no image, or none whose pixels have a known meaning.

    Attributes:
        path: The file.
        reason: Why it cannot be read.
    """

    def __init__(self, path: Path, error: Exception) -> None:
        self.path = path
        self.reason = "no image that Pillow knows" if isinstance(error, UnidentifiedImageError) else first_line(error)
        super().__init__(f"{path} cannot be read as an image ({self.reason}): replace the file or remove it")


def failures_together(failures: Sequence[UnreadableImageError]) -> DataError:
    """Returns one error for all files that cannot be read; of many, the first five are named."""
    if len(failures) == 1:
        return failures[0]
    named = "; ".join(f"{failure.path} ({failure.reason})" for failure in failures[:_NAMED_FAILURES])
    first = f", the first {_NAMED_FAILURES} are" if len(failures) > _NAMED_FAILURES else ":"
    return DataError(f"{len(failures)} files cannot be read as images{first} {named}: replace the files or remove them")


class Header(NamedTuple):
    """What is known of a file without decoding it: height and width of the picture, and the size of the file."""

    height: int
    width: int
    file_bytes: int


def read_header(path: Path) -> Header:
    """Reads the header of an image file.

    Height and width are those of the picture when it is upright; in a PNG file, as far as its orientation stands
    before the pixels.

    Args:
        path: The file.

    Raises:
        UnreadableImageError: if the file is missing, no image, or has pixels without a known meaning.
    """
    try:
        with path.open("rb") as stream, Image.open(stream) as file:
            _require_known_meaning(file)
            # The sides as they are stored: newer versions of Pillow change them over for TIFF files, older ones do not.
            across, down = (
                (file.tag_v2[_TIFF_WIDTH], file.tag_v2[_TIFF_LENGTH]) if isinstance(file, TiffImageFile) else file.size
            )
            # A PNG file's own `getexif` decodes all of it, to look behind the pixels as well.
            if _orientation(partial(Image.Image.getexif, file)) >= _FIRST_ON_ITS_SIDE:
                across, down = down, across
            return Header(down, across, os.fstat(stream.fileno()).st_size)
    except _DECODING_ERRORS as error:
        raise UnreadableImageError(path, error) from error


def decode(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Decodes an image to RGB, scales it until it just covers `size`, and crops the middle.

    Args:
        path: An image file in any form that Pillow reads.
        size: (H, W); an image of this size is left as it is.

    Returns:
        (H, W, 3).

    Raises:
        UnreadableImageError: if the file is missing, damaged, or has pixels without a known meaning.
    """
    try:
        with Image.open(path) as file:
            _require_known_meaning(file)
            _count_transparent_grey_in_bytes(file)
            # JPEG files of at least four times the size are decoded at a half, a quarter or an eighth; the longer side
            # counts both ways, since the picture may yet be turned.
            file.draft(None, (2 * max(size), 2 * max(size)))
            file.load()
            # Only now: Pillow turns TIFF files itself while it loads them.
            orientation = _orientation(file.getexif)
            picture = in_colour(file)
    except _DECODING_ERRORS as error:
        raise UnreadableImageError(path, error) from error
    if orientation in _TURNS:
        picture = picture.transpose(_TURNS[orientation])
    return covered(picture, size)


def covered(picture: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scales a picture until it just covers `size` (H, W), crops the middle, and returns (H, W) or (H, W, 3)."""
    height, width = size
    if picture.size != (width, height):
        box = covering_box(picture.size, (width, height))
        picture = picture.resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(picture)


def covering_box(picture: tuple[int, int], target: tuple[int, int]) -> tuple[float, float, float, float]:
    """Returns the largest part in the middle of a picture that has the shape of a target.

    Args:
        picture: Width and height in pixels.
        target: Width and height, of which only the proportion counts.

    Returns:
        Left, top, right and bottom edge in pixels of the picture, never outside of it.
    """
    width, height = picture
    across = min(width, height * target[0] / target[1])
    down = min(height, width * target[1] / target[0])
    left, top = (width - across) / 2, (height - down) / 2
    # The sums may exceed the picture by a rounding error, which Pillow refuses.
    return left, top, min(left + across, width), min(top + down, height)


def _orientation(read_metadata: Callable[[], Image.Exif]) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 (upright) where there is none."""
    try:
        orientation = read_metadata().get(ExifTags.Base.Orientation)
    except _DECODING_ERRORS:
        # Viewers show a picture whose metadata is damaged as it is stored.
        return 1
    return orientation if orientation in _TURNS else 1


def _require_known_meaning(file: Image.Image) -> None:
    """Checks that it is known which number is white, and which colour is transparent.

    Raises:
        ValueError: if not, with what to do.
    """
    if isinstance(file, TiffImageFile):
        samples = set(file.tag_v2.get(_TIFF_SAMPLE_FORMAT, _UNSIGNED))
        known = file.mode not in ("I", "F") and samples == set(_UNSIGNED)
    elif file.format in ("PNG", "PPM"):
        known = file.mode != "F"
    else:
        known = not file.mode.startswith(("I", "F"))
    if not known:
        raise ValueError("its numbers have no known white; convert it to 8 or 16 bits without sign")
    if file.format == "PNG" and "transparency" in file.info and _raw_mode(file) == "RGB;16B":
        raise ValueError("its transparent colour has 16 bits for each channel; convert it to 8 bits")


def _raw_mode(file: Image.Image) -> str:
    """Returns how the samples of a PNG file that is not yet loaded are packed."""
    return str(file.tile[0][3]) if isinstance(file, ImageFile.ImageFile) and file.tile else ""


def _count_transparent_grey_in_bytes(file: Image.Image) -> None:
    """Scales the transparent grey of a PNG file of 2 or 4 bits as Pillow scales its pixels, and not this number."""
    if file.format == "PNG" and "transparency" in file.info and _raw_mode(file) in _LEVELS_OF_PACKED_GREY:
        file.info["transparency"] *= 255 // _LEVELS_OF_PACKED_GREY[_raw_mode(file)]


def in_colour(file: Image.Image) -> Image.Image:
    """Returns the RGB picture on white paper, as it lies in the file.

    Raises:
        ValueError: if it is not known which number is white.
    """
    if file.mode in ("I", "F") and file.format not in ("PNG", "PPM"):
        raise ValueError("its numbers have no known white; convert it to 8 or 16 bits without sign")
    if file.mode.startswith("I"):
        return _grey_in_bytes(file).convert("RGB")
    if not file.has_transparency_data:
        return file.convert("RGB")
    paper = Image.new("RGBA", file.size, "white")
    return Image.alpha_composite(paper, file.convert("RGBA")).convert("RGB")


def _grey_in_bytes(file: Image.Image) -> Image.Image:
    """Scales grey of more than 8 bits so that its white is 255."""
    values = np.asarray(file).astype(np.uint32)
    white = 2**16 - 1
    if isinstance(file, TiffImageFile):
        white = 2 ** int(file.tag_v2[_TIFF_BITS][0]) - 1
        if file.tag_v2[_TIFF_PHOTOMETRIC] == _WHITE_IS_ZERO:
            values = white - values
    grey = ((values * 255 + white // 2) // white).astype(np.uint8)
    if file.has_transparency_data:
        grey[values == file.info["transparency"]] = 255
    return Image.fromarray(grey)
