from pathlib import Path

import pytest


@pytest.fixture
def working_folder(tmp_path: Path) -> Path:
    """A folder beside the data and the runs of a test."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder
