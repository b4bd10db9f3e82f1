"""What a file shows, held against arithmetic on the numbers written into it."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from rlsel.data.decoding import covering_box, decode, read_header
from rlsel.errors import DataError

WriteImage = Callable[..., np.ndarray]
SIDES = st.integers(1, 5000)
DEEP = np.array([[0, 1, 128, 129], [4095, 4096, 32767, 32768], [65000, 65279, 65407, 65535]], np.uint16)
"""Grey of 16 bits around the places where it is rounded to 8."""


def write_png(
    path: Path, rows: bytes, *, size: tuple[int, int], depth: int, colour: int, key: tuple[int, ...] = ()
) -> None:
    """Writes a PNG file of one byte string a row, as the standard says; Pillow does not write every kind."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    height, width = size
    stride = len(rows) // height
    lines = b"".join(b"\0" + rows[row * stride : (row + 1) * stride] for row in range(height))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + (chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b"")
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def write_tiff(path: Path, row: bytes, *, width: int, bits: int, photometric: int) -> None:
    """Writes a grey TIFF file of one row, of a kind that Pillow does not write."""
    # Width, length, bits, compression, photometric interpretation, place of the row, samples, rows, length of the row.
    tags = {256: width, 257: 1, 258: bits, 259: 1, 262: photometric, 273: 122, 277: 1, 278: 1, 279: len(row)}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4) + row)


def greys(path: Path) -> NDArray[np.uint8]:
    """Decodes a file at its own size and returns the one channel that all three must equal."""
    header = read_header(path)
    pixels = decode(path, (header.height, header.width))
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    return pixels[..., 0]


def smooth(height: int, width: int) -> Image.Image:
    """A picture without edges, which differs a lot from its mirror images."""
    rows, columns = np.mgrid[0:height, 0:width]
    channels = [rows / height, columns / width, (rows + columns) / (height + width)]
    return Image.fromarray((np.stack(channels, axis=2) * 255).astype(np.uint8))


@pytest.mark.parametrize(("size", "rows", "columns"), [((12, 8), (2, 10), (0, 8)), ((8, 14), (0, 8), (3, 11))])
def test_the_middle_of_a_longer_image_is_taken(
    tmp_path: Path, write_image: WriteImage, size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    pixels = write_image(tmp_path / "a.png", size=size)
    assert np.array_equal(decode(tmp_path / "a.png", (8, 8)), pixels[slice(*rows), slice(*columns)])


def test_a_larger_image_is_scaled_down_to_cover(tmp_path: Path, write_image: WriteImage) -> None:
    pixels = write_image(tmp_path / "a.png", size=(24, 48))
    # A third of it is 8 x 16, of which the middle eight columns remain.
    expected = np.asarray(Image.fromarray(pixels).resize((16, 8), Image.Resampling.BILINEAR))[:, 4:12]
    assert np.array_equal(decode(tmp_path / "a.png", (8, 8)), expected)


def test_a_smaller_image_is_scaled_up(tmp_path: Path) -> None:
    Image.new("RGB", (3, 5), (10, 20, 30)).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png", (8, 8)), np.full((8, 8, 3), (10, 20, 30)))


def test_a_large_photograph_is_decoded_small_and_stays_close(tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:400, 0:480]
    smooth = np.stack([rows / 400 * 255, columns / 480 * 255, (rows + columns) / 880 * 255], axis=2).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    expected = Image.fromarray(smooth[:, 40:440]).resize((32, 32), Image.Resampling.BILINEAR)
    difference = np.abs(decode(tmp_path / "a.jpg", (32, 32)).astype(int) - np.asarray(expected))
    # A gradient changes by 8 from pixel to pixel here; JPEG and the shift of a scaled decoding cost a fraction of it.
    assert difference.max() <= 4


@given(picture=st.tuples(SIDES, SIDES), target=st.tuples(SIDES, SIDES))
def test_the_box_is_the_largest_of_its_shape_inside_the_picture(
    picture: tuple[int, int], target: tuple[int, int]
) -> None:
    left, top, right, bottom = covering_box(picture, target)
    width, height = picture
    assert 0 <= left <= right <= width
    assert 0 <= top <= bottom <= height
    across, down = right - left, bottom - top
    # Edges near 5000 are known to 5000 * 2^-52, about 1e-12.
    assert across * target[1] == pytest.approx(down * target[0], abs=1e-8, rel=1e-9)
    assert max(across / width, down / height) == pytest.approx(1, abs=1e-12)
    assert (left + right, top + bottom) == pytest.approx((width, height), abs=1e-9)


@given(picture=st.tuples(SIDES, SIDES), side=SIDES)
def test_pillow_takes_every_box_of_a_square(picture: tuple[int, int], side: int) -> None:
    box = covering_box(picture, (side, side))
    # Whether Pillow takes a box depends on the picture alone, so that a small result does.
    assert Image.new("L", picture).resize((1, 1), Image.Resampling.BILINEAR, box=box).size == (1, 1)


# Stored sides of image_size 64, 128 and 299, at which the box left the picture by a rounding error or is near to it.
@pytest.mark.parametrize("kind", ["jpg", "png"])
@pytest.mark.parametrize(
    ("size", "side"), [((600, 800), 73), ((600, 800), 146), ((3024, 4032), 342), ((613, 457), 73), ((75, 74), 73)]
)
def test_photographs_agree_with_pillows_own_fit(tmp_path: Path, kind: str, size: tuple[int, int], side: int) -> None:
    picture = smooth(*size)
    path = tmp_path / f"a.{kind}"
    picture.save(path, quality=95) if kind == "jpg" else picture.save(path, compress_level=1)
    expected = ImageOps.fit(picture, (side, side), Image.Resampling.BILINEAR)
    difference = np.abs(decode(path, (side, side)).astype(int) - np.asarray(expected))
    # JPEG, and the shift of a scaled decoding, cost a fraction of the gradient, which is up to 5 a pixel here.
    assert difference.max() <= (3 if kind == "jpg" else 1)


@pytest.mark.parametrize(("kind", "options"), [("png", {}), ("tif", {}), ("tif", {"compression": "tiff_lzw"})])
def test_grey_of_sixteen_bits_is_scaled_and_not_clipped(tmp_path: Path, kind: str, options: dict[str, str]) -> None:
    Image.fromarray(DEEP).save(tmp_path / f"a.{kind}", **options)
    # 65535 = 257 * 255.
    assert np.array_equal(greys(tmp_path / f"a.{kind}"), np.rint(DEEP / 257))


def test_both_orders_of_bytes_are_read(tmp_path: Path) -> None:
    Image.frombytes("I;16B", (4, 3), DEEP.astype(">u2").tobytes()).save(tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes()[:2] == b"MM"
    assert np.array_equal(greys(tmp_path / "a.tif"), np.rint(DEEP / 257))


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_where_white_is_zero_deep_grey_is_turned_round(tmp_path: Path, compression: str | None) -> None:
    Image.fromarray(DEEP).save(tmp_path / "a.tif", tiffinfo={262: 0}, compression=compression)
    assert np.array_equal(greys(tmp_path / "a.tif"), np.rint((65535 - DEEP) / 257))


def test_where_white_is_zero_bytes_are_turned_round(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", b"\x00\x01\xc8\xff", width=4, bits=8, photometric=0)
    assert greys(tmp_path / "a.tif").tolist() == [[255, 254, 55, 0]]


@pytest.mark.parametrize("maximum", [255, 100, 1023, 4095, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_the_largest_value_of_a_pgm_file_is_white(tmp_path: Path, maximum: int, plain: bool) -> None:
    values = np.array([[0, 1, maximum // 3], [maximum // 2, maximum - 1, maximum]])
    body = " ".join(map(str, values.flat)).encode()
    if not plain:
        body = values.astype(">u2" if maximum > 255 else "u1").tobytes()
    (tmp_path / "a.pgm").write_bytes(b"P%d\n3 2\n%d\n" % (2 if plain else 5, maximum) + body)
    # Pillow goes by way of 65535, which may round a half the other way.
    assert np.abs(greys(tmp_path / "a.pgm") - values * 255 / maximum).max() <= 0.51


def test_twelve_bits_are_scaled_by_twelve(tmp_path: Path) -> None:
    # Two pixels in three bytes: 0x000, 0xfff; 0x800, 0x0ff.
    write_tiff(tmp_path / "a.tif", b"\x00\x0f\xff\x80\x00\xff", width=4, bits=12, photometric=1)
    assert greys(tmp_path / "a.tif").tolist() == [[0, 255, round(0x800 * 255 / 4095), round(0x0FF * 255 / 4095)]]


def test_colour_of_sixteen_bits_is_brought_to_eight(tmp_path: Path) -> None:
    colours = np.array([[[65535, 0, 32768], [257, 256 * 200, 255]]], ">u2")
    write_png(tmp_path / "a.png", colours.tobytes(), size=(1, 2), depth=16, colour=2)
    # Pillow takes the upper byte, which is at most one from the rounded value.
    assert np.abs(decode(tmp_path / "a.png", (1, 2)) - colours / 257).max() < 1


@pytest.mark.parametrize("kind", ["integers", "floats", "signed", "signed bytes", "float map"])
def test_numbers_without_a_known_white_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tif"
    values = np.arange(12).reshape(3, 4)
    if kind == "integers":
        Image.fromarray(values.astype(np.int32)).save(path)
    elif kind == "floats":
        Image.fromarray(values.astype(np.float32)).save(path)
    elif kind == "signed":
        Image.fromarray(values.astype(np.uint16)).save(path, tiffinfo={339: 2})
    elif kind == "signed bytes":
        Image.fromarray(values.astype(np.uint8)).save(path, tiffinfo={339: 2})
    else:
        path.write_bytes(b"Pf\n4 3\n-1.0\n" + values.astype("<f4").tobytes())
    # Pillow reads float maps since 10.3
    known = kind != "float map" or ".pfm" in Image.registered_extensions()
    why = "its numbers have no known white; conv" if known else "no image that Pillow knows"
    for read in (read_header, lambda path: decode(path, (3, 4))):
        with pytest.raises(DataError, match=rf"a.tif cannot be read as an image \({why}"):
            read(path)


def test_ink_in_the_alpha_channel_lies_on_white_paper(tmp_path: Path) -> None:
    alpha = np.array([[0, 255, 128], [64, 1, 254]], np.uint8)
    Image.merge("RGBA", [*(Image.new("L", (3, 2)) for _ in range(3)), Image.fromarray(alpha)]).save(tmp_path / "a.png")
    # Black of this strength over white.
    assert np.array_equal(greys(tmp_path / "a.png"), 255 - alpha)


@pytest.mark.parametrize("kind", ["png", "tif", "webp"])
def test_colour_and_white_are_mixed_by_the_alpha_channel(tmp_path: Path, kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(
        tmp_path / f"a.{kind}", **({"lossless": True, "exact": True} if kind == "webp" else {})
    )
    alpha = pixels[..., 3:] / 255
    expected = pixels[..., :3] * alpha + 255 * (1 - alpha)
    # Pillow mixes in whole numbers.
    assert np.abs(decode(tmp_path / f"a.{kind}", (8, 9)) - expected).max() <= 1


def test_grey_is_mixed_by_the_alpha_channel(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 2), dtype=np.uint8)
    Image.merge("LA", [Image.fromarray(pixels[..., channel]) for channel in (0, 1)]).save(tmp_path / "a.png")
    expected = pixels[..., 0] * (pixels[..., 1] / 255) + 255 - pixels[..., 1]
    assert np.abs(greys(tmp_path / "a.png") - expected).max() <= 1


@pytest.mark.parametrize(("transparency", "expected"), [(1, [10, 255, 30]), (b"\x00\xff\x80", [255, 20, 142])])
def test_colours_of_a_palette_may_be_transparent(
    tmp_path: Path, transparency: int | bytes, expected: list[int]
) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 10, 10, 20, 20, 20, 30, 30, 30])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "a.png", transparency=transparency)
    # 30 * 128 / 255 + 127 = 142.06.
    assert greys(tmp_path / "a.png").tolist() == [expected]


@pytest.mark.parametrize(
    ("depth", "row", "key", "expected"),
    [
        (1, b"\x40", 0, [255, 255]),
        (2, b"\x10", 1, [0, 255]),
        (4, b"\x9f", 9, [255, 255]),
        (4, b"\x9f", 15, [153, 255]),
        (8, b"\x09\xc8", 9, [255, 200]),
        (16, b"\x80\x00\x80\x01", 0x8001, [128, 255]),
        (16, b"\x80\x00\x80\x01", 0x8000, [255, 128]),
    ],
)
def test_one_grey_may_be_transparent(tmp_path: Path, depth: int, row: bytes, key: int, expected: list[int]) -> None:
    write_png(tmp_path / "a.png", row, size=(1, 2), depth=depth, colour=0, key=(key,))
    assert greys(tmp_path / "a.png").tolist() == [expected]


def test_one_colour_may_be_transparent(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", b"\1\2\3\1\2\4", size=(1, 2), depth=8, colour=2, key=(1, 2, 3))
    assert decode(tmp_path / "a.png", (1, 2)).tolist() == [[[255, 255, 255], [1, 2, 4]]]
    # Pillow keeps eight of the sixteen bits, with which neighbours of that colour would vanish too.
    write_png(tmp_path / "b.png", b"\0\1" * 6, size=(1, 2), depth=16, colour=2, key=(1, 1, 1))
    for read in (read_header, lambda path: decode(path, (1, 2))):
        with pytest.raises(DataError, match=r"b.png .*\(its transparent colour has 16 bits .*; convert it to 8 bits"):
            read(tmp_path / "b.png")


def test_line_art_and_prints(tmp_path: Path) -> None:
    bits = np.array([[True, False, True], [False, False, True]])
    Image.fromarray(bits).save(tmp_path / "a.png")
    assert np.array_equal(greys(tmp_path / "a.png"), bits * 255)
    ink = np.random.default_rng(0).integers(0, 256, (5, 6, 4), dtype=np.uint8)
    Image.fromarray(ink, mode="CMYK").save(tmp_path / "a.tif")
    # What cyan, magenta and yellow leave of white, and black of that.
    expected = (255.0 - ink[..., :3]) * (255.0 - ink[..., 3:]) / 255
    assert np.abs(decode(tmp_path / "a.tif", (5, 6)) - expected).max() <= 1


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / f"a.{kind}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth(40, 56).save(path, exif=exif, quality=95)
    with Image.open(path) as file:
        upright = ImageOps.exif_transpose(file).convert("RGB")
    assert upright.size == ((56, 40) if orientation < 5 else (40, 56))
    header = read_header(path)
    assert (header.width, header.height) == upright.size
    assert np.array_equal(decode(path, (header.height, header.width)), np.asarray(upright))


def test_a_picture_is_turned_before_it_is_cropped(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth(800, 1200).save(tmp_path / "a.jpg", exif=exif, quality=95)
    turned = smooth(800, 1200).rotate(-90, expand=True)
    expected = ImageOps.fit(turned, (30, 60), Image.Resampling.BILINEAR)
    # The gradient is up to 10 a pixel.
    assert np.abs(decode(tmp_path / "a.jpg", (60, 30)).astype(int) - np.asarray(expected)).max() <= 3


def test_metadata_that_is_damaged_turns_nothing(tmp_path: Path) -> None:
    smooth(8, 12).save(tmp_path / "a.png")
    expected = decode(tmp_path / "a.png", (8, 12))
    smooth(8, 12).save(tmp_path / "a.png", exif=b"Exif\0\0no such thing")
    assert np.array_equal(decode(tmp_path / "a.png", (8, 12)), expected)
    assert read_header(tmp_path / "a.png")[:2] == (8, 12)
