"""Arrays of every type, archives that are none, pictures and names that nobody means: the bytes of odd input."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from torturing.cases import SAMPLES

DTYPES = (
    *(
        "u1",
        "u1",
        "f4",
        "f4",
        "f8",
        "f2",
        "?",
        "i1",
        "i2",
        "i8",
        "u2",
        "u8",
        "g",
        "c8",
        "U3",
        "S3",
        "O",
        "M8[s]",
        "m8[s]",
    ),
    *(">f4", ">u2", "V4"),
)
FILLS = ("noise", "noise", "zeros", "constant", "duplicates", "nan", "inf", "huge", "tiny")
LABELS = (
    *("even", "even", "one class", "class of one", "all apart", "floats", "halves", "nan", "negative", "huge", "bool"),
    *("text", "odd text", "bytes", "objects", "too few", "2-D", "0-D", "empty", "complex", "dates"),
)
_ODD_TEXT = ("a\nb", "", " ", "שלום", "𝄞🙂", "a,b", 'q"q', "l" * 300, "=1+1", "\x00", "\u202e")
ODD_NAMES = (
    "new\nline", "cr\rx", "tab\tx", "it's", 'say "so"', "a=b", "a,b", "a b", "[a]", "{a}", "${a}", "$(a)", "`a`", "~a",
    "~nobody_at_all/x", "a:b", "a;b", "#a", "%a", "!a", "&a", "*", "?", "\\", "a\\", "שלום",
    "\u202eabc", "𝄞🙂", "a\u0301",
    "null", "NaN", "1e5", "true", "-a", "--help", "..", ".", ".hidden", "choice(a)", "x" * 255, "x" * 256,
    "x/" * 2500 + "x", "\x07", "\udcff", "new ", " new", "'", "\"", "'\"", "a'\\", "???", "@a", "con", "é" * 127,
)  # fmt: skip


def array_of(dtype: str, shape: tuple[int, ...], fill: str) -> NDArray[Any]:
    """Returns an array of a type and shape, filled as a name says; as noise where the type has no such value."""
    noise = np.random.default_rng(0).integers(0, 120, shape)
    plain = {"zeros": np.zeros(shape), "constant": np.full(shape, 7.0), "huge": np.full(shape, 1e300) * (noise + 1)}
    values = plain.get(fill, noise)
    with np.errstate(all="ignore"):
        if dtype == "O":
            found = np.empty(shape, object)
            found[...] = noise
            return found
        if dtype in ("V4", "M8[s]", "m8[s]"):
            return (
                noise.astype("i4").view("V4") if dtype == "V4" and noise.ndim else noise.astype("i8").astype(dtype[:2])
            )
        found = values.astype(dtype)
    if fill in ("nan", "inf") and found.dtype.kind in "fc" and found.size:
        found.reshape(-1)[-1] = np.nan if fill == "nan" else np.inf
    if fill == "tiny" and found.dtype.kind == "f":
        found = found * np.finfo(found.dtype).tiny
    if fill == "duplicates" and found.ndim and len(found):
        found[:] = found[:1]
    return found


def labels_of(count: int, fill: str) -> NDArray[Any] | None:
    """Returns labels of N samples, filled as a name says; None for none."""
    even = np.arange(count) % 3
    apart: dict[str, NDArray[Any] | None] = {
        "one class": np.zeros(count, int),
        "class of one": np.minimum(np.arange(count), 1),
        "all apart": np.arange(count),
        "floats": even.astype(float),
        "halves": even + 0.5,
        "nan": np.full(count, np.nan),
        "negative": even - 2,
        "huge": even.astype(np.uint64) + np.uint64(2**64 - 4),
        "bool": even > 0,
        "text": even.astype("U"),
        "odd text": np.array([_ODD_TEXT[i % len(_ODD_TEXT)] for i in range(count)], "U300"),
        "bytes": even.astype("S1"),
        "objects": even.astype(object),
        "too few": even[1:],
        "2-D": even[:, None],
        "0-D": np.array(1),
        "complex": even.astype(complex),
        "dates": even.astype("M8[s]"),
    }
    return None if fill == "empty" else apart.get(fill, even)


def npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npz(**arrays: NDArray[Any] | None) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **{name: array for name, array in arrays.items() if array is not None})
    return stream.getvalue()


def damaged_archives() -> dict[str, bytes]:
    """Returns archives that are none, by what is wrong with them."""
    good = npz(images=array_of("u1", (8, 4, 4), "noise"), labels=np.arange(8) % 2)
    method = bytearray(good)
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = method.find(mark)
        while place >= 0:
            method[place + offset : place + offset + 2] = struct.pack("<H", 99)
            place = method.find(mark, place + 1)
    header = npy(np.zeros((2, 2), np.uint8)).replace(
        b"(2, 2), }", b"(10**15, 2), }".replace(b"10**15", b"1" + b"0" * 15)
    )
    vast = io.BytesIO()
    with zipfile.ZipFile(vast, "w") as archive:
        archive.writestr("images.npy", header)
    encrypted = good.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    return {
        "unknown method": bytes(method),
        "petabytes": vast.getvalue(),
        "encrypted": encrypted,
        "empty": b"",
        "text": b"images,labels\n1,2\n",
        "half": good[: len(good) // 2],
        "one array": npy(np.zeros((8, 4, 4), np.uint8)),
        "pickle": b"\x80\x04N.",
        "petabytes in one": header,
        "no images": npz(pictures=np.zeros((8, 4, 4), np.uint8)),
    }


def picture(kind: str) -> bytes:
    if kind in ("empty", "text"):
        return b"" if kind == "empty" else b"no picture\n"
    mode, size = {
        "grey": ("L", (6, 6)),
        "tall": ("RGB", (1, 90)),
        "alpha": ("RGBA", (7, 5)),
        "deep": ("I;16", (6, 6)),
    }.get(kind, ("RGB", (6, 6)))
    stream = io.BytesIO()
    Image.new(mode, size, 60).save(stream, "PNG")
    return stream.getvalue()[: 40 if kind == "half" else None]


def position_arrays() -> list[NDArray[Any]]:
    """Returns arrays that are, or are not, positions or a mask of the samples."""
    right = [np.array([0, 3, 5]), np.arange(SAMPLES), np.arange(SAMPLES) < 7, np.array([1], ">i4")]
    few = [
        np.array(value) for value in ([5, 3, 0], [1, 1], [-1], [SAMPLES], [0.0, 2.0], [0.5], [np.nan], 3, ["1"], [1j])
    ]
    other = [np.array([], int), np.arange(4).reshape(2, 2), np.zeros(SAMPLES, bool), np.ones(3, bool)]
    return [*right, *few, *other, np.array([1], object), np.array([2**63], np.uint64)]
