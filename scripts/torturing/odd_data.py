"""Arrays, folders of images, coreset files, names and settings that nobody means, made by Hypothesis."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray
from PIL import Image

from torturing.cases import QUICK, SAMPLES, Case, on_data

SELECTORS = (
    *("random", "el2n", "rl_selector", "k_center", "moderate", "ccs", "herding", "static_cover", "facility_location"),
    *("aum", "cg_score", "d2", "dual", "entropy", "forgetting", "glister", "self_sup_prototypes", "tdds", "dyn_unc"),
)
_DTYPES = (
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
_FILLS = ("noise", "noise", "zeros", "constant", "duplicates", "nan", "inf", "huge", "tiny")
_LABELS = (
    *("even", "even", "one class", "class of one", "all apart", "floats", "halves", "nan", "negative", "huge", "bool"),
    *("text", "odd text", "bytes", "objects", "too few", "2-D", "0-D", "empty", "complex", "dates"),
)
_ODD_TEXT = ("a\nb", "", " ", "שלום", "𝄞🙂", "a,b", 'q"q', "l" * 300, "=1+1", "\x00", "\u202e")
_ODD_NAMES = (
    "new\nline", "cr\rx", "tab\tx", "it's", 'say "so"', "a=b", "a,b", "a b", "[a]", "{a}", "${a}", "$(a)", "`a`", "~a",
    "~nobody_at_all/x", "a:b", "a;b", "#a", "%a", "!a", "&a", "*", "?", "\\", "a\\", "שלום", "\u202eabc", "𝄞🙂", "a\u0301",
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


def _npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def _npz(**arrays: NDArray[Any] | None) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **{name: array for name, array in arrays.items() if array is not None})
    return stream.getvalue()


def damaged_archives() -> dict[str, bytes]:
    """Returns archives that are none, by what is wrong with them."""
    good = _npz(images=array_of("u1", (8, 4, 4), "noise"), labels=np.arange(8) % 2)
    method = bytearray(good)
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = method.find(mark)
        while place >= 0:
            method[place + offset : place + offset + 2] = struct.pack("<H", 99)
            place = method.find(mark, place + 1)
    header = _npy(np.zeros((2, 2), np.uint8)).replace(
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
        "one array": _npy(np.zeros((8, 4, 4), np.uint8)),
        "pickle": b"\x80\x04N.",
        "petabytes in one": header,
        "no images": _npz(pictures=np.zeros((8, 4, 4), np.uint8)),
    }


_shapes = st.one_of(
    st.tuples(st.integers(0, 40), st.integers(1, 8), st.integers(1, 8)),
    st.lists(st.integers(0, 9), max_size=5).map(tuple),
    st.sampled_from([(SAMPLES, 6, 6), (SAMPLES, 6, 6, 3), (SAMPLES, 3, 6, 6), (1, 6, 6), (2, 6, 6), (17, 1, 1)]),
)
_ratios = st.sampled_from(["0.5", "0.5", "0.5", "1", "0.01", "0.999", "0.3", "[0.2,0.6]"])
_selection = st.builds(
    lambda selector, ratio: (f"selector={selector}", f"ratio={ratio}"), st.sampled_from(SELECTORS), _ratios
)


@st.composite
def odd_arrays(draw: st.DrawFn) -> Case:
    """Draws a selection from an archive of images and labels."""
    shape = draw(_shapes)
    if draw(st.integers(0, 9)) == 0:
        content = draw(st.sampled_from(sorted(damaged_archives().items())))[1]
    else:
        dtype, fill, labels = (draw(st.sampled_from(options)) for options in (_DTYPES, _FILLS, _LABELS))
        count = shape[0] if shape else 0
        content = _npz(images=array_of(dtype, shape, fill), labels=labels_of(count, labels))
    extra = draw(
        st.sampled_from([(), (), ("dataset.holdout=0.2",), ("dataset.train_size=5",), ("dataset.part=first",)])
    )
    line = ("select", *QUICK, *draw(_selection), "dataset=arrays", "dataset.path=data.npz", *extra, "run_dir=new")
    return Case("arrays", line, (("data.npz", content),))


@st.composite
def odd_features(draw: st.DrawFn, root: Path) -> Case:
    """Draws a selection from embeddings, or by features of the user."""
    dtype, fill, labels = (draw(st.sampled_from(options)) for options in (_DTYPES, _FILLS, _LABELS))
    count = draw(st.sampled_from([SAMPLES, SAMPLES, 0, 1, 2, 30]))
    shape = draw(st.sampled_from([(count, 4), (count, 1), (count,), (count, 2, 2), (count, 0), ()]))
    array = array_of(dtype, shape, fill)
    labelled = labels_of(count, labels)
    files = (("x.npy", _npy(array)), *((("y.npy", _npy(labelled)),) if labelled is not None else ()))
    if draw(st.booleans()):
        data = ("dataset=embeddings", "dataset.path=x.npy", *(() if labelled is None else ("dataset.labels=y.npy",)))
    else:
        data = (*on_data(root), "features=x.npy")
    return Case("features", ("select", *QUICK, *draw(_selection), *data, "run_dir=new"), files)


def _picture(kind: str) -> bytes:
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


@st.composite
def odd_folders(draw: st.DrawFn) -> Case:
    """Draws a selection from a folder of images."""
    pictures = st.sampled_from(
        ["plain", "plain", "plain", "plain", "grey", "alpha", "tall", "deep", "empty", "text", "half"]
    )
    names = st.one_of(st.just("a"), st.sampled_from(_ODD_NAMES), st.text(max_size=12))
    files: list[tuple[str, bytes | None]] = [("root", None)]
    for k in range(draw(st.integers(0, 3))):
        label = draw(names) + (str(k) if draw(st.booleans()) else "")
        files.append((f"root/{label}", None))
        for i in range(draw(st.integers(0, 5))):
            ending = draw(st.sampled_from([".png", ".png", ".PNG", ".jpg", "", ".txt"]))
            files.append((f"root/{label}/{draw(names)}{i}{ending}", _picture(draw(pictures))))
    line = ("select", *QUICK, *draw(_selection), "dataset=imagefolder", "dataset.root=root", "dataset.image_size=6")
    return Case("folders", (*line, "run_dir=new"), tuple(files))


@st.composite
def odd_coresets(draw: st.DrawFn, root: Path) -> Case:
    """Draws a training on a file of positions, a mask or paths."""
    ending = draw(st.sampled_from([".npy", ".npy", ".txt", ".csv", ".json", ""]))
    text = st.one_of(
        st.text(max_size=30),
        st.lists(st.sampled_from(["0", "1", "7", "-1", "24", "1e9", "nan", "1.0", "", "index", "index,selected", "3,true", "a.png", "2 3", "9" * 40])).map("\n".join),
    )  # fmt: skip
    if ending == ".npy":
        options = [
            np.array([0, 3, 5]), np.array([5, 3, 0]), np.array([1, 1]), np.array([-1]), np.array([SAMPLES]), np.array([], int),
            np.array([0.0, 2.0]), np.array([0.5]), np.array([np.nan]), np.arange(4).reshape(2, 2), np.array(3),
            np.arange(SAMPLES) < 7, np.zeros(SAMPLES, bool), np.ones(3, bool), np.array(["1"]), np.array([1], object),
            np.array([2**63], np.uint64), np.array([1], ">i4"), np.array([1 + 0j]), np.arange(SAMPLES),
        ]  # fmt: skip
        content = _npy(options[draw(st.integers(0, len(options) - 1))])[
            : draw(st.sampled_from([None, None, None, 130]))
        ]
    else:
        content = draw(
            st.one_of(text.map(lambda found: found.encode("utf-8", "surrogatepass")), st.binary(max_size=30))
        )
    line = ("train-on-subset", *QUICK, *on_data(root), f"coreset=kept{ending}", "run_dir=new")
    return Case("coresets", line, ((f"kept{ending}", content),))


@st.composite
def odd_names(draw: st.DrawFn, root: Path) -> Case:
    """Draws a place with an odd name, of a result or of something to read."""
    name = draw(st.one_of(st.sampled_from(_ODD_NAMES), st.text(min_size=1, max_size=8)))
    quick = ("select", *QUICK, "selector=random")
    archive = _npz(images=array_of("u1", (9, 4, 4), "noise"), labels=np.arange(9) % 3)
    cases = [
        Case("names", (*quick, *on_data(root), f"run_dir=out/{name}")),
        Case("names", (*quick, *on_data(root), f"run_dir={name}")),
        Case("names", (*quick, *on_data(root), f"features={name}", "run_dir=new")),
        Case("names", (*quick, "dataset=arrays", f"dataset.path=in/{name}", "run_dir=new"), ((f"in/{name}", archive),)),
        Case("names", (*quick, "dataset=imagefolder", f"dataset.root={name}", "run_dir=new")),
        Case("names", ("train-on-subset", *QUICK, *on_data(root), f"coreset={name}", "run_dir=new")),
        Case("names", ("show", f"run={name}")),
        Case("names", ("show", name)),
        Case("names", ("report", f"run={root / 'learned'}", f"run_dir=out/{name}")),
        Case("names", ("export", f"run={root / 'learned'}", "format=csv", f"out=out/{name}")),
    ]
    return cases[draw(st.integers(0, len(cases) - 1))]


@st.composite
def odd_overrides(draw: st.DrawFn, root: Path) -> Case:
    """Draws settings of arbitrary text, some of which are nearly right."""
    keys = st.sampled_from(
        ["ratio", "seed", "selector", "selectors", "dataset.holdout", "training", "export.mode", "device"]
    )
    written = st.one_of(
        keys, keys, st.text(max_size=6), keys.map("+{}".format), keys.map("~{}".format), keys.map("++{}.x".format)
    )
    pieces = st.sampled_from(["0.5", "[", "]", "{", "}", ",", ":", "'", '"', "\\", "${seed}", "${", "a", "=", " ", "(", "\n", "random", "#", "\t", "..", "null"])  # fmt: skip
    values = st.one_of(st.lists(pieces, max_size=5).map("".join), st.text(max_size=8))
    override = st.one_of(st.builds("{}={}".format, written, values), st.text(max_size=10))
    more = draw(st.lists(override, min_size=1, max_size=2))
    return Case("overrides", ("select", *QUICK, "selector=random", *on_data(root), "run_dir=new", *more))


def odd_input(root: Path) -> SearchStrategy[Case]:
    """Returns the strategy of all of them, where finished runs lie in `root`."""
    return st.one_of(
        *(odd_arrays(), odd_features(root), odd_folders(), odd_coresets(root), odd_names(root), odd_overrides(root))
    )
