"""Commands that only take down what they were asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rlsel.training.reporting import Reporter


@dataclass
class FakeCommand:
    """Stands in for a command: keeps its requests, does something, and returns a folder without making it."""

    requests: list[Any] = field(default_factory=list)
    act: Callable[[Any, Reporter], None] = lambda request, reporter: None

    def __call__(self, request: Any, reporter: Reporter) -> Path:
        self.requests.append(request)
        self.act(request, reporter)
        given = request.options.run_dir
        if given is not None and not request.options.several:
            return given
        ratios = getattr(request, "ratios", (1.0,))
        seed = request.settings.seed if hasattr(request, "settings") else 0
        return (given or Path.cwd() / "outputs" / "somewhere") / f"ratio-{ratios[0]:.2f}_seed-{seed}"

    @property
    def request(self) -> Any:
        """The only request."""
        (request,) = self.requests
        return request


@pytest.fixture
def select(monkeypatch: pytest.MonkeyPatch) -> FakeCommand:
    command = FakeCommand()
    monkeypatch.setattr("rlsel.commands.select.select", command)
    return command


@pytest.fixture
def finetune_ratio(monkeypatch: pytest.MonkeyPatch) -> FakeCommand:
    command = FakeCommand()
    monkeypatch.setattr("rlsel.commands.finetune_ratio.finetune_ratio", command)
    return command


@pytest.fixture
def apply(monkeypatch: pytest.MonkeyPatch) -> FakeCommand:
    command = FakeCommand()
    monkeypatch.setattr("rlsel.commands.apply.apply", command)
    return command


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> FakeCommand:
    command = FakeCommand()
    monkeypatch.setattr("rlsel.commands.report.report", command)
    return command


@pytest.fixture
def train_on_subset(monkeypatch: pytest.MonkeyPatch) -> FakeCommand:
    command = FakeCommand()
    monkeypatch.setattr("rlsel.commands.train_on_subset.train_on_subset", command)
    return command


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch) -> FakeCommand:
    command = FakeCommand()
    monkeypatch.setattr("rlsel.commands.features.features", command)
    return command


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> FakeCommand:
    command = FakeCommand()
    monkeypatch.setattr("rlsel.commands.compare.compare", command)
    return command
