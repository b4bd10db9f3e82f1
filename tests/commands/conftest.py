import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rlsel.cli.main import main


@dataclass(frozen=True)
class Result:
    """What a call of the program left."""

    code: int
    out: str
    err: str

    @property
    def folder(self) -> Path:
        """The run folder that the last line names."""
        assert self.code == 0, self.err
        return Path(self.out.splitlines()[-1])


@pytest.fixture
def rlsel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Calls the program in this process, in an empty folder."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["rlsel", *arguments])
        code = main()
        return Result(code, *capsys.readouterr())

    return call
