"""Comparisons that lie beside each other."""

import json
from pathlib import Path

import pytest
import yaml

from rlsel.errors import CoresetError
from rlsel.runs.comparison_files import write_comparison
from rlsel.runs.regimes import read_regimes, require_regimes


def comparison_in(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"command": "compare", "ratios": [0.5], "seeds": [0]}))
    (folder / "status.json").write_text(json.dumps({"state": "complete", "error": None, "settings_hash": "0"}))
    write_comparison(folder, runs=[], summaries=[], likenesses=[], page="", latex="", pictures={})
    return folder


def test_comparisons_in_a_folder_are_read_by_name_and_others_passed_over(tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    for name in ("b", "a"):
        comparison_in(tmp_path / name)
    assert list(read_regimes(tmp_path)) == ["a", "b"]
    assert list(require_regimes(tmp_path, "against")) == ["a", "b"]
    assert read_regimes(tmp_path / "nowhere") == {}


def test_one_comparison_stands_for_itself(tmp_path: Path) -> None:
    assert list(require_regimes(comparison_in(tmp_path / "one"), "against")) == ["one"]


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_any_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CoresetError, match=r"^against must be a comparison, or a folder that holds some, got"):
        require_regimes(tmp_path / name, "against")
