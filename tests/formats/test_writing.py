"""What holds for every form: names, overwriting, damaged tables; and the module for torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rlsel
from rlsel.coreset import Coreset
from rlsel.errors import ConfigurationError, CoresetError, StorageError
from rlsel.formats.writing import FORMATS, File, default_place, export_coreset

FILES = [name for name, form in FORMATS.items() if isinstance(form.made, File)]


def test_there_are_forms() -> None:
    assert list(FORMATS) == sorted(FORMATS)
    assert len(FORMATS) == 11
    assert len(FILES) == 8


@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"shards"}))  # these need files of features
def test_every_form_is_written_where_it_is_wanted(
    coreset: Callable[..., Coreset], root: Path, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = default_place(Path("run"), form)
    written = rlsel.export_coreset(coreset(), form, place, root=root)
    assert written == tmp_path / place
    assert place.parts[:3] == ("run", "export", form)
    assert written.is_dir() == (form not in FILES)


@pytest.mark.parametrize("form", FILES)
def test_a_file_is_replaced_only_where_that_was_said(
    coreset: Callable[..., Coreset], root: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    with pytest.raises(
        ConfigurationError, match=r"out must be a file that does not exist, got .*: give another, or ov"
    ):
        export_coreset(coreset(), form, out, root=root)
    assert out.read_text() == "mine"
    export_coreset(coreset(), form, out, root=root, overwrite=True)
    assert out.read_bytes() != b"mine"
    with pytest.raises(ConfigurationError, match=r"out must be a file, got .*: it is a folder, name a file in it"):
        export_coreset(coreset(), form, tmp_path, root=root, overwrite=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "parket"}, "format must be one of csv, .*, got 'parket': did you mean 'parquet'?"),
        ({"part": "keep"}, "part must be one of both, dropped, kept, got 'keep': did you mean 'kept'?"),
        ({"mode": "link"}, "mode must be one of copy, hardlink, symlink, got 'link': did you mean"),
    ],
)
def test_a_misspelt_name_is_refused(
    coreset: Callable[..., Coreset], tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    given = {"format": "csv", **arguments}
    with pytest.raises(ConfigurationError, match=message):
        export_coreset(coreset(), given.pop("format"), tmp_path / "out", **given)


def test_nothing_dropped_cannot_be_written(coreset: Callable[..., Coreset], tmp_path: Path) -> None:
    made = coreset(None)
    ratio = replace(made.provenance.ratio, achieved=1.0)
    whole = replace(made, indices=made.candidates, provenance=replace(made.provenance, ratio=ratio))
    with pytest.raises(ConfigurationError, match="part must be kept or both where nothing was dropped, got 'dropped'"):
        export_coreset(whole, "csv", tmp_path / "out.csv", part="dropped")


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../b.png"])
def test_a_path_does_not_lead_out_of_its_root(coreset: Callable[..., Coreset], tmp_path: Path, path: str) -> None:
    with pytest.raises(CoresetError, match="paths of a coreset must lie below the root of its data set, got "):
        export_coreset(coreset([path]), "csv", tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot read .*selected\.csv: No such file or directory: select again"),
        ("", r"selected\.csv is damaged \(selected\.csv has no column index\): select again"),
        ("index,path\n99,a\n", r"damaged \(.* must have an index below 5 and a path in each row, got '99'\)"),
        ("index,path\nx,a\n", "got 'x'"),
        ("index,path\n1\n", "got '1'"),
    ],
)
def test_a_damaged_table_is_told(
    coreset: Callable[..., Coreset], tmp_path: Path, content: str | None, message: str
) -> None:
    made = coreset()
    table = tmp_path / "run" / "selected.csv"
    table.unlink() if content is None else table.write_text(content)
    with pytest.raises(CoresetError, match=message):
        export_coreset(made, "csv", tmp_path / "out.csv")


def test_a_coreset_in_memory_has_its_own_paths(
    coreset: Callable[..., Coreset], plain: list[str], tmp_path: Path
) -> None:
    made = replace(coreset(), folder=None, paths=[*plain, "held out"])
    assert export_coreset(made, "txt", tmp_path / "out.txt").read_text(encoding="utf-8").split("\n")[0] == plain[0]


def test_a_place_below_a_file_is_refused(coreset: Callable[..., Coreset], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot make the folder .*/file: .*: choose another out"):
        export_coreset(coreset(), "csv", tmp_path / "file" / "out.csv")


@pytest.mark.thorough
def test_the_module_for_torch_runs_alone(coreset: Callable[..., Coreset], tmp_path: Path) -> None:
    export_coreset(coreset(), "torch", tmp_path / "subset.py")
    program = (
        "import subset\nassert list(subset.subset(list('abcde'))) == ['a', 'c']\n"
        "try:\n    subset.subset(list('ab'))\n"
        "except ValueError as error:\n    print(error)\n"
    )
    output = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert output.stdout == "the data set must have 5 samples, got 2\n"


def test_the_module_for_torch_holds_long_lists(coreset: Callable[..., Coreset], tmp_path: Path) -> None:
    made = coreset(None)
    dataset = replace(made.provenance.dataset, name="x\nimport os  # ünï", size=5000, candidates=5000)
    provenance = replace(made.provenance, dataset=dataset, ratio=replace(made.provenance.ratio, achieved=0.5))
    indices = np.arange(0, 5000, 2, dtype=np.int64)
    scores, labels = np.zeros(5000, np.float32), np.zeros(5000, np.int64)
    held_out = np.zeros(0, np.int64)
    large = replace(
        made, indices=indices, scores=scores, labels=labels, held_out=held_out, provenance=provenance, folder=None
    )
    text = export_coreset(large, "torch", tmp_path / "subset.py").read_text(encoding="ascii")
    names: dict[str, Any] = {}
    exec(compile(text, "subset.py", "exec"), names)  # noqa: S102 - what a person does with it
    assert names["INDICES"] == list(range(0, 5000, 2))
    assert "os" not in names
    assert max(map(len, text.splitlines())) <= 100
