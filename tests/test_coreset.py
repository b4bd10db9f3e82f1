from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.utils.data import TensorDataset

from rlsel import coreset as module
from rlsel.coreset import Coreset, indices_sha256
from rlsel.errors import ConfigurationError, CoresetError
from rlsel.export import Mode, ResolvedExport, choose
from rlsel.formats.writing import export_coreset
from rlsel.provenance import DatasetRecord, Provenance, RatioRecord, ScoreRecord, SelectorRecord


def provenance(
    size: int, kept: int, *, candidates: int | None = None, num_classes: int = 2, export: ResolvedExport | None = None
) -> Provenance:
    candidates = candidates or size
    return Provenance(
        dataset=DatasetRecord(
            name="digits",
            size=size,
            candidates=candidates,
            num_classes=num_classes,
            class_names=tuple(f"class {c}" for c in range(num_classes)),
            label_values=tuple(str(7 * c) for c in range(num_classes)),
            fingerprint="f" * 64,
        ),
        selector=SelectorRecord(name="el2n", settings={"num_models": 3, "epochs": None}),
        ratio=RatioRecord(requested=0.5, achieved=kept / candidates, thresholded=None),
        score=ScoreRecord(),
        export=export or ResolvedExport(),
        seed=3,
        settings_hash="0123abcd",
        versions={"python": "3.11.7", "rlsel": "0.1.0"},
        wall_seconds=1.5,
        peak_rss_bytes=2**20,
    )


def small() -> Coreset:
    """Four samples of two classes, of which the first and the last are kept."""
    return Coreset(
        indices=np.array([0, 3], dtype=np.int64),
        scores=np.array([2.5, -1.0, 0.1, 3.0], dtype=np.float32),
        labels=np.array([0, 1, 1, 0], dtype=np.int64),
        provenance=provenance(4, 2),
    )


def partial() -> Coreset:
    """Six samples: two kept, one that was no candidate, one held out, one that is not read, one left."""
    return Coreset(
        indices=np.array([1, 5], dtype=np.int64),
        scores=np.array([np.nan, 2.5, np.nan, -1.0, np.nan, 3.0], dtype=np.float32),
        labels=np.array([0, 1, 1, 0, -1, 0], dtype=np.int64),
        held_out=np.array([2], dtype=np.int64),
        provenance=provenance(6, 2, candidates=3),
        paths=["a", "b", "c", "d", ".e", "f"],
    )


def selected(
    size: int = 40,
    *,
    ratio: float = 0.5,
    export: ResolvedExport | None = None,
    hard: bool = False,
    policy: bool = False,
) -> Coreset:
    """A coreset that `choose` made of random scores."""
    generator = np.random.default_rng(0)
    scores = generator.normal(size=size).astype(np.float32)
    labels = generator.integers(0, 2, size=size)
    hardness = generator.normal(size=size).astype(np.float32) if hard else None
    export = export or ResolvedExport()
    indices = choose(
        scores, kind="score", ratio=ratio, settings=export, labels=labels, hardness=hardness, seed=3, policy=policy
    )
    origin = replace(provenance(size, len(indices), export=export), score=ScoreRecord(policy=policy))
    return Coreset(indices=indices, scores=scores, labels=labels, provenance=origin, hardness=hardness)


def same(first: Coreset, second: Coreset) -> bool:
    return (
        np.array_equal(first.indices, second.indices)
        and np.array_equal(first.scores, second.scores, equal_nan=True)
        and np.array_equal(first.labels, second.labels)
        and (first.hardness is None) == (second.hardness is None)
        and (first.hardness is None or np.array_equal(first.hardness, second.hardness))  # type: ignore[arg-type]
        and np.array_equal(first.held_out, second.held_out)
        and first.provenance == second.provenance
    )


def test_another_cut_of_a_loaded_coreset_keeps_the_paths(tmp_path: Path) -> None:
    paths = ["a.png", 'b,"c".png', "d\r.png", "e\r\nf.png"]
    replace(small(), paths=paths).save(tmp_path / "run")
    loaded = Coreset.load(tmp_path / "run")
    cut = loaded.at_ratio(0.25).at_ratio(0.75)
    assert list(loaded.image_paths() or ()) == list(cut.image_paths() or ()) == paths
    cut.save(tmp_path / "cut")
    with (tmp_path / "cut" / "selected.csv").open(newline="", encoding="utf-8") as file:
        assert [row["path"] for row in csv.DictReader(file)] == paths
    loaded.save(tmp_path / "run")
    assert list(Coreset.load(tmp_path / "run").image_paths() or ()) == paths, "also where it replaces itself"
    small().save(tmp_path / "none")
    assert Coreset.load(tmp_path / "none").at_ratio(0.75).image_paths() is None


def test_the_folder_holds_what_the_contract_says(tmp_path: Path) -> None:
    replace(small(), paths=["a.png", 'b,"c".png', "d\r.png", "e\r\nf.png"]).save(tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "SHA256SUMS",
        "coreset.json",
        "indices.npy",
        "labels.npy",
        "scores.npy",
        "selected.csv",
    ]
    indices = np.load(tmp_path / "run" / "indices.npy", allow_pickle=False)
    assert (indices.dtype, indices.tolist()) == (np.int64, [0, 3])
    scores = np.load(tmp_path / "run" / "scores.npy", allow_pickle=False)
    assert (scores.dtype, scores.shape) == (np.float32, (4,))
    with (tmp_path / "run" / "selected.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["index", "label", "score", "selected", "class_name", "path"],
            ["0", "0", "2.5", "1", "class 0", "a.png"],
            ["1", "7", "-1.0", "0", "class 1", 'b,"c".png'],
            ["2", "7", "0.1", "0", "class 1", "d\r.png"],
            ["3", "0", "3.0", "1", "class 0", "e\r\nf.png"],
        ]
    assert json.loads((tmp_path / "run" / "coreset.json").read_text()) == {
        "schema_version": 2,
        "kept": True,
        "dataset": {
            "name": "digits",
            "split": "train",
            "size": 4,
            "candidates": 4,
            "num_classes": 2,
            "class_names": ["class 0", "class 1"],
            "label_values": ["0", "7"],
            "fingerprint": "f" * 64,
        },
        "selector": {"name": "el2n", "settings": {"num_models": 3, "epochs": None}},
        "ratio": {"requested": 0.5, "achieved": 0.5, "thresholded": None},
        "score": {"kind": "score", "policy": False},
        "export": {
            "mode": "topk",
            "temperature": 1.0,
            "class_balance": "none",
            "trim_hardest": 0.0,
            "min_per_class": 1,
            "near_duplicates": "as_any",
        },
        "num_selected": 2,
        "class_counts": [2, 0],
        "seed": 3,
        "settings_hash": "0123abcd",
        "versions": {"python": "3.11.7", "rlsel": "0.1.0"},
        "wall_seconds": 1.5,
        "peak_rss_bytes": 2**20,
        "outcome": None,
        "prediction": None,
        "indices_sha256": hashlib.sha256((tmp_path / "run" / "indices.npy").read_bytes()).hexdigest(),
        "parent": None,
    }


def test_what_was_no_candidate_has_no_score_and_what_is_not_read_no_row(tmp_path: Path) -> None:
    partial().save(tmp_path)
    assert np.load(tmp_path / "held_out.npy").tolist() == [2]
    assert np.load(tmp_path / "labels.npy").tolist() == [0, 1, 1, 0, -1, 0]
    assert np.isnan(np.load(tmp_path / "scores.npy")).tolist() == [True, False, True, False, True, False]
    with (tmp_path / "selected.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["index", "label", "score", "selected", "class_name", "path"],
            ["0", "0", "", "0", "class 0", "a"],
            ["1", "7", "2.5", "1", "class 1", "b"],
            ["2", "7", "", "0", "class 1", "c"],
            ["3", "0", "-1.0", "0", "class 0", "d"],
            ["5", "0", "3.0", "1", "class 0", "f"],
        ]
    loaded = Coreset.load(tmp_path)
    assert same(loaded, partial())
    assert loaded.candidates.tolist() == [1, 3, 5]
    assert loaded.class_counts == (1, 1)


def test_a_subset_and_another_ratio_count_in_all_that_was_given() -> None:
    subset = partial().subset(TensorDataset(torch.arange(6) * 10))
    assert [int(subset[i][0]) for i in range(len(subset))] == [10, 50]
    # of the three candidates 1, 3, 5 with the scores 2.5, -1, 3
    assert partial().at_ratio(1).indices.tolist() == [1, 3, 5]
    assert partial().at_ratio(0.3).indices.tolist() == [5]


def test_another_part_of_the_data_is_refused() -> None:
    partial().check_candidates(np.array([1, 3, 5]))
    with pytest.raises(CoresetError, match=r"selected from 3 of the 6 samples, now there are 2 candidates, or others"):
        partial().check_candidates(np.array([1, 3]))


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=25, deadline=None)  # every example flushes four files to disk
@given(st.data())
def test_loading_gives_what_was_saved(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    scores = data.draw(st.lists(floats, min_size=1, max_size=30))
    size = len(scores)
    labels = data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    indices = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1)))
    hardness = data.draw(st.none() | st.lists(floats, min_size=size, max_size=size))
    coreset = Coreset(
        indices=np.array(indices, dtype=np.int64),
        scores=np.array(scores, dtype=np.float32),
        labels=np.array(labels, dtype=np.int64),
        provenance=provenance(size, len(indices), num_classes=5),
        hardness=None if hardness is None else np.array(hardness, dtype=np.float32),
        paths=data.draw(st.none() | st.lists(st.text(st.characters(codec="utf-8")), min_size=size, max_size=size)),
    )
    folder = tmp_path_factory.mktemp("run")
    coreset.save(folder)
    loaded = Coreset.load(folder)
    assert same(loaded, coreset)
    assert loaded.folder == folder
    with (folder / "selected.csv").open(newline="", encoding="utf-8") as file:
        written = [np.float32(row["score"]) for row in csv.DictReader(file)]
    assert np.array_equal(np.array(written), coreset.scores)


def test_a_path_that_is_no_text_is_kept(tmp_path: Path) -> None:
    path = b"caf\xe9.png".decode(errors="surrogateescape")
    replace(small(), paths=[path] * 4).save(tmp_path)
    assert b"caf\xe9.png" in (tmp_path / "selected.csv").read_bytes()
    assert same(Coreset.load(tmp_path), small())


@pytest.mark.parametrize("name", ["indices.npy", "coreset.json"])
def test_a_file_in_the_folder_names_the_run_too(name: str, tmp_path: Path) -> None:
    small().save(tmp_path)
    assert same(Coreset.load(str(tmp_path / name)), small())


def test_saving_again_leaves_nothing_of_the_coreset_before(tmp_path: Path) -> None:
    selected(hard=True, export=ResolvedExport(trim_hardest=0.1)).save(tmp_path)
    assert (tmp_path / "hardness.npy").exists()
    small().save(tmp_path)
    assert same(Coreset.load(tmp_path), small())
    assert not (tmp_path / "hardness.npy").exists()
    replace(small(), near_duplicates=np.array([0, 0, 2, 3])).save(tmp_path)
    assert Coreset.load(tmp_path).near_duplicates.tolist() == [0, 0, 2, 3]  # type: ignore[union-attr]
    small().save(tmp_path)
    assert Coreset.load(tmp_path).near_duplicates is None


def test_very_many_samples_get_a_table_where_it_names_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small().save(tmp_path)
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    small().save(tmp_path)  # over one that has a table
    assert not (tmp_path / "selected.csv").exists()
    loaded = Coreset.load(tmp_path)
    assert loaded.image_paths() is None
    table = export_coreset(loaded, "csv", tmp_path / "asked.csv").read_text().splitlines()
    assert table[1].startswith("0,0,2.5,1")
    named = replace(small(), paths=("a", "b", "c", "d"))
    named.save(tmp_path)
    assert Coreset.load(tmp_path).image_paths() == ("a", "b", "c", "d")


def test_an_interrupted_save_is_no_coreset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small().save(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rlsel.coreset.write_table", fail)
    with pytest.raises(KeyboardInterrupt):
        selected().save(tmp_path)
    with pytest.raises(CoresetError, match=r"it has no coreset\.json, so the run did not finish"):
        Coreset.load(tmp_path)


def test_a_subset_takes_the_kept_samples() -> None:
    subset = small().subset(TensorDataset(torch.arange(4) * 10))
    assert [int(subset[i][0]) for i in range(len(subset))] == [0, 30]


def test_a_subset_of_another_data_set_is_refused() -> None:
    with pytest.raises(CoresetError) as caught:
        small().subset(TensorDataset(torch.arange(5)))
    assert str(caught.value) == (
        "the coreset was selected from 4 samples (digits), the data set has 5: "
        "give the data set and the settings that it was selected with"
    )


def test_another_fingerprint_is_refused_and_the_own_one_is_not() -> None:
    small().check()
    small().check(size=4, fingerprint="f" * 64)
    with pytest.raises(CoresetError, match=r"with fingerprint ffffffffffff, the data set has eeeeeeeeeeee"):
        small().check(size=4, fingerprint="e" * 64)


@pytest.mark.parametrize("mode", ["topk", "sample", "stratified"])
@pytest.mark.parametrize("class_balance", ["none", "proportional"])
@pytest.mark.parametrize("trim_hardest", [0.0, 0.2])
def test_another_ratio_gives_what_selecting_at_it_gives(
    tmp_path: Path, mode: Mode, class_balance: Any, trim_hardest: float
) -> None:
    export = ResolvedExport(mode=mode, class_balance=class_balance, trim_hardest=trim_hardest, temperature=0.7)
    selected(ratio=0.5, export=export, hard=trim_hardest > 0).save(tmp_path)
    cut = Coreset.load(tmp_path).at_ratio(0.3)
    expected = selected(ratio=0.3, export=export, hard=trim_hardest > 0)
    assert len(cut) == 12  # 0.3 * 40
    assert np.array_equal(cut.indices, expected.indices)
    assert np.array_equal(cut.scores, expected.scores)
    assert cut.provenance.ratio == RatioRecord(requested=0.3, achieved=0.3, thresholded=None)
    assert cut.provenance.parent == str(tmp_path)


def test_another_ratio_needs_no_folder_and_can_be_saved(tmp_path: Path) -> None:
    everything = small().at_ratio(1)
    assert everything.indices.tolist() == [0, 1, 2, 3]
    everything.save(tmp_path)
    assert same(Coreset.load(tmp_path), everything)
    assert small().at_ratio(0.25).indices.tolist() == [3]  # the highest score


@pytest.mark.parametrize("ratio", [0, -0.1, 1.1, float("nan"), True, "0.5", 0.1])
def test_a_ratio_that_makes_no_sense_is_refused(ratio: Any) -> None:
    with pytest.raises(ConfigurationError, match="ratio must be"):
        small().at_ratio(ratio)  # 0.1 of 4 samples keeps none


def test_no_ratio_moves_a_threshold() -> None:
    coreset = selected(export=ResolvedExport(mode="threshold"), policy=True)
    assert np.array_equal(coreset.indices, np.flatnonzero(coreset.scores > 0))
    with pytest.raises(CoresetError, match=r"select again with export\.mode=topk"):
        coreset.at_ratio(0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indices": np.array([3, 0])}, r"indices must be ascending, unique, and in \[0, 4\)"),
        ({"indices": np.array([0, 0])}, "indices must be ascending, unique"),
        ({"indices": np.array([-1, 0])}, "indices must be ascending, unique"),
        ({"indices": np.array([0, 4])}, "indices must be ascending, unique"),
        ({"indices": np.array([], dtype=np.int64)}, "indices must keep at least one sample"),
        ({"indices": np.array([0, 3], dtype=np.int32)}, r"indices must be \(K,\) int64, .+ int32"),
        ({"indices": np.array([[0, 3]])}, r"indices must be \(K,\) int64, .+ \(1, 2\)"),
        ({"indices": np.array([0, 1, 3])}, r"ratio\.achieved must be 0\.75, got 0\.5"),
        ({"scores": np.zeros(3, dtype=np.float32)}, r"scores must be \(4,\) float32, got \(3,\)"),
        ({"scores": np.zeros(4)}, r"scores must be \(4,\) float32, got \(4,\) float64"),
        (
            {"scores": np.array([1, np.nan, 1, 1], np.float32)},
            "scores must be finite for the 4 candidates, and NaN",
        ),
        ({"scores": np.array([1, np.inf, 1, 1], np.float32)}, "scores must be finite for the 4 candidates"),
        ({"held_out": np.array([1])}, "held_out must be no candidates"),
        ({"labels": np.array([0, 1, 2, 0])}, "labels must be below the 2 classes"),
        ({"labels": np.array([0, 1, -1, 0])}, "labels must be below the 2 classes"),
        ({"hardness": np.zeros(5, dtype=np.float32)}, r"hardness must be \(4,\) float32"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(change: dict[str, NDArray[Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(small(), **change)


def edit_record(**changes: object) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        record = json.loads((folder / "coreset.json").read_text())
        for name, value in changes.items():
            *parents, key = name.split("__")
            part = record
            for parent in parents:
                part = part[parent]
            if value is ...:
                del part[key]
            else:
                part[key] = value
        (folder / "coreset.json").write_text(json.dumps(record))

    return edit


def save_as(name: str, array: NDArray[Any]) -> Callable[[Path], object]:
    return lambda folder: np.save(folder / name, array)


def truncate(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-3])


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "it does not exist"),
    "no record": (lambda folder: (folder / "coreset.json").unlink(), r"it has no coreset\.json"),
    "no indices": (lambda folder: (folder / "indices.npy").unlink(), r"cannot read .+indices\.npy: No such file"),
    "no scores": (lambda folder: (folder / "scores.npy").unlink(), r"cannot read .+scores\.npy: No such file"),
    "no labels": (lambda folder: (folder / "labels.npy").unlink(), r"cannot read .+labels\.npy: No such file"),
    "empty indices": (write("indices.npy", b""), r"indices\.npy is no complete \.npy file"),
    "junk indices": (write("indices.npy", b"junk\n"), r"indices\.npy is no complete \.npy file"),
    "truncated indices": (truncate("indices.npy"), r"indices\.npy is no complete \.npy file"),
    "truncated scores": (truncate("scores.npy"), r"scores\.npy is no complete \.npy file"),
    "a longer file": (
        lambda folder: write("indices.npy", (folder / "indices.npy").read_bytes() + b"x")(folder),
        r"indices\.npy goes on after the end of its array",
    ),
    "pickled indices": (save_as("indices.npy", np.array([0, None])), r"indices\.npy is no complete \.npy file"),
    "other indices": (save_as("indices.npy", np.array([0, 2])), "indices_sha256 is"),
    "fewer indices": (save_as("indices.npy", np.array([0])), r"ratio\.achieved must be 0\.25"),
    "unsorted indices": (save_as("indices.npy", np.array([3, 0])), "indices must be ascending"),
    "indices of another type": (save_as("indices.npy", np.array([0.0, 3.0])), "indices must be .+ float64"),
    "indices out of range": (save_as("indices.npy", np.array([0, 9])), "indices must be ascending"),
    "scores of another type": (save_as("scores.npy", np.zeros(4)), "scores must be .+ float64"),
    "scores of another data set": (save_as("scores.npy", np.zeros(5, np.float32)), r"scores must be \(4,\) float32"),
    "empty labels": (write("labels.npy", b""), r"labels\.npy is no complete \.npy file"),
    "labels of another data set": (save_as("labels.npy", np.array([0])), r"labels must be \(4,\) int64, got \(1,\)"),
    "other labels": (
        save_as("labels.npy", np.array([0, 1, 1, 1])),
        r"class_counts is \[2, 0\] in coreset\.json but \[1, 1\]",
    ),
    "no json": (write("coreset.json", b"{"), r"is damaged \(Expecting property name"),
    "no text": (write("coreset.json", b"\xff\xfe"), r"is damaged \('utf-8' codec"),
    "another kind of json": (write("coreset.json", b"[]"), "schema_version is missing"),
    "another schema": (edit_record(schema_version=1), "has schema_version 1, this rlsel reads 2: select again, since"),
    "indices to drop": (edit_record(kept=False), "kept must be true"),
    "a missing field": (edit_record(dataset__size=...), r"dataset\.size is missing"),
    "text for a number": (edit_record(dataset__size="4"), r"dataset\.size must be an integer, got '4'"),
    "numbers for texts": (edit_record(dataset__class_names=[1, 2]), r"dataset\.class_names must be a list of strings"),
    "true for a number": (edit_record(seed=True), "seed must be an integer, got True"),
    "a number for text": (edit_record(settings_hash=1), "settings_hash must be a string, got 1"),
    "not a number": (
        edit_record(ratio__thresholded=float("nan")),
        r"ratio\.thresholded must be a finite number, got nan",
    ),
    "a number for an object": (edit_record(ratio=0.5), r"ratio must be an object, got 0\.5"),
    "an unknown kind": (edit_record(score__kind="rank"), r"score\.kind must be score or logit, got 'rank'"),
    "an unknown mode": (edit_record(export__mode="best"), r"export\.mode must be one of"),
    "another count": (edit_record(num_selected=3), r"num_selected is 3 in coreset\.json but 2 in the other files"),
}


def test_no_name_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"^folder must be the path of a folder, got '': a dot stands for the"):
        small().save("")
    assert list(tmp_path.iterdir()) == []
    small().save(".")
    assert same(Coreset.load("."), small())


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES.keys())
def test_every_damage_is_one_line(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    folder = tmp_path / "run"
    small().save(folder)
    (folder / "SHA256SUMS").unlink()  # as of an earlier version, which the other checks remain for
    damage(folder)
    with pytest.raises(CoresetError, match=message) as caught:
        Coreset.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_parent_of_runs_names_one_of_them(tmp_path: Path) -> None:
    small().save(tmp_path / "el2n" / "ratio-0.50_seed-3")
    with pytest.raises(
        CoresetError, match=r"it holds several runs; give one of them, for example .+ratio-0\.50_seed-3"
    ):
        Coreset.load(tmp_path)


def test_a_file_of_another_kind_is_no_coreset(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(CoresetError, match=r"x\.txt is no coreset: it is neither a folder nor an indices\.npy"):
        Coreset.load(tmp_path / "x.txt")
    with pytest.raises(CoresetError, match=r"^cannot read x+.*: File name too long"):
        Coreset.load("x" * 300)


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    indices = np.arange(1000)
    np.save(tmp_path / "indices.npy", indices)
    assert indices_sha256(indices) == hashlib.sha256((tmp_path / "indices.npy").read_bytes()).hexdigest()
