"""Arrays, folders of images, coreset files, names and settings that nobody means, made by Hypothesis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from torturing.cases import LEARNED, QUICK, SAMPLES, Case, on_data
from torturing.odd_files import (
    DTYPES,
    FILLS,
    LABELS,
    ODD_NAMES,
    array_of,
    damaged_archives,
    labels_of,
    npy,
    npz,
    picture,
    position_arrays,
)

SELECTORS = (
    *("random", "el2n", "rl_selector", "k_center", "moderate", "ccs", "herding", "static_cover", "facility_location"),
    *("aum", "cg_score", "d2", "dual", "entropy", "forgetting", "glister", "self_sup_prototypes", "tdds", "dyn_unc"),
)
_CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
"""What a name or a line may hold at all."""

_POSITIONS = (
    *(
        "0",
        "1",
        "7",
        "-1",
        "24",
        "1e9",
        "nan",
        "1.0",
        "",
        "index",
        "index,selected",
        "3,true",
        "a.png",
        "2 3",
        "9" * 40,
    ),
)
"""Lines of an index file."""

_PIECES = (
    *(
        "0.5",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "'",
        '"',
        "\\",
        "${seed}",
        "${",
        "a",
        "=",
        " ",
        "(",
        "\n",
        "random",
        "#",
        "\t",
    ),
    *("..", "null"),
)
"""What settings are made of."""

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
        dtype, fill, labels = (draw(st.sampled_from(options)) for options in (DTYPES, FILLS, LABELS))
        count = shape[0] if shape else 0
        content = npz(images=array_of(dtype, shape, fill), labels=labels_of(count, labels))
    extra = draw(
        st.sampled_from([(), (), ("dataset.holdout=0.2",), ("dataset.train_size=5",), ("dataset.part=first",)])
    )
    line = ("select", *QUICK, *draw(_selection), "dataset=arrays", "dataset.path=data.npz", *extra, "run_dir=new")
    return Case("arrays", line, (("data.npz", content),))


@st.composite
def odd_features(draw: st.DrawFn, root: Path) -> Case:
    """Draws a selection from embeddings, or by features of the user."""
    dtype, fill, labels = (draw(st.sampled_from(options)) for options in (DTYPES, FILLS, LABELS))
    count = draw(st.sampled_from([SAMPLES, SAMPLES, 0, 1, 2, 30]))
    shape = draw(st.sampled_from([(count, 4), (count, 1), (count,), (count, 2, 2), (count, 0), ()]))
    array = array_of(dtype, shape, fill)
    labelled = labels_of(count, labels)
    files = (("x.npy", npy(array)), *((("y.npy", npy(labelled)),) if labelled is not None else ()))
    if draw(st.booleans()):
        data = ("dataset=embeddings", "dataset.path=x.npy", *(() if labelled is None else ("dataset.labels=y.npy",)))
    else:
        data = (*on_data(root), "features=x.npy")
    return Case("features", ("select", *QUICK, *draw(_selection), *data, "run_dir=new"), files)


@st.composite
def odd_folders(draw: st.DrawFn) -> Case:
    """Draws a selection from a folder of images."""
    pictures = st.sampled_from(
        ["plain", "plain", "plain", "plain", "grey", "alpha", "tall", "deep", "empty", "text", "half"]
    )
    names = st.one_of(st.just("a"), st.sampled_from(ODD_NAMES), st.text(_CHARACTERS, max_size=12))
    files: list[tuple[str, bytes | None]] = [("root", None)]
    for k in range(draw(st.integers(0, 3))):
        label = draw(names) + (str(k) if draw(st.booleans()) else "")
        files.append((f"root/{label}", None))
        for i in range(draw(st.integers(0, 5))):
            ending = draw(st.sampled_from([".png", ".png", ".PNG", ".jpg", "", ".txt"]))
            files.append((f"root/{label}/{draw(names)}{i}{ending}", picture(draw(pictures))))
    line = ("select", *QUICK, *draw(_selection), "dataset=imagefolder", "dataset.root=root", "dataset.image_size=6")
    return Case("folders", (*line, "run_dir=new"), tuple(files))


@st.composite
def odd_coresets(draw: st.DrawFn, root: Path) -> Case:
    """Draws a training on a file of positions, a mask or paths."""
    ending = draw(st.sampled_from([".npy", ".npy", ".txt", ".csv", ".json", ""]))
    lines = st.lists(st.sampled_from(_POSITIONS)).map("\n".join)
    text = st.one_of(st.text(max_size=30), lines)
    if ending == ".npy":
        whole = npy(draw(st.sampled_from(position_arrays())))
        content = whole[: draw(st.sampled_from([None, None, None, 130]))]
    else:
        content = draw(
            st.one_of(text.map(lambda found: found.encode("utf-8", "surrogatepass")), st.binary(max_size=30))
        )
    line = ("train-on-subset", *QUICK, *on_data(root), f"coreset=kept{ending}", "run_dir=new")
    return Case("coresets", line, ((f"kept{ending}", content),))


@st.composite
def odd_names(draw: st.DrawFn, root: Path) -> Case:
    """Draws a place with an odd name, of a result or of something to read."""
    name = draw(st.one_of(st.sampled_from(ODD_NAMES), st.text(_CHARACTERS, min_size=1, max_size=8)))
    quick = ("select", *QUICK, "selector=random")
    archive = npz(images=array_of("u1", (9, 4, 4), "noise"), labels=np.arange(9) % 3)
    cases = [
        Case("names", (*quick, *on_data(root), f"run_dir=out/{name}")),
        Case("names", (*quick, *on_data(root), f"run_dir={name}")),
        Case("names", (*quick, *on_data(root), f"features={name}", "run_dir=new")),
        Case("names", (*quick, "dataset=arrays", f"dataset.path=in/{name}", "run_dir=new"), ((f"in/{name}", archive),)),
        Case("names", (*quick, "dataset=imagefolder", f"dataset.root={name}", "run_dir=new")),
        Case("names", ("train-on-subset", *QUICK, *on_data(root), f"coreset={name}", "run_dir=new")),
        Case("names", ("show", f"run={name}")),
        Case("names", ("show", name)),
        Case("names", ("report", f"run={root / LEARNED}", f"run_dir=out/{name}")),
        Case("names", ("export", f"run={root / LEARNED}", "format=csv", f"out=out/{name}")),
    ]
    return cases[draw(st.integers(0, len(cases) - 1))]


@st.composite
def odd_overrides(draw: st.DrawFn, root: Path) -> Case:
    """Draws settings of arbitrary text, some of which are nearly right."""
    keys = st.sampled_from(
        ["ratio", "seed", "selector", "selectors", "dataset.holdout", "training", "export.mode", "device"]
    )
    written = st.one_of(
        keys,
        keys,
        st.text(_CHARACTERS, max_size=6),
        keys.map("+{}".format),
        keys.map("~{}".format),
        keys.map("++{}.x".format),
    )
    values = st.one_of(st.lists(st.sampled_from(_PIECES), max_size=5).map("".join), st.text(_CHARACTERS, max_size=8))
    override = st.one_of(st.builds("{}={}".format, written, values), st.text(_CHARACTERS, max_size=10))
    more = draw(st.lists(override, min_size=1, max_size=2))
    return Case("overrides", ("select", *QUICK, "selector=random", *on_data(root), "run_dir=new", *more))


def odd_input(root: Path) -> SearchStrategy[Case]:
    """Returns the strategy of all of them, where finished runs lie in `root`."""
    return st.one_of(
        *(odd_arrays(), odd_features(root), odd_folders(), odd_coresets(root), odd_names(root), odd_overrides(root))
    )
