"""The live screen on a terminal: of one training, or of the cells of a comparison; gone when it is done."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rlsel.budget import format_ratio
from rlsel.cli.wording import Pace, describe, duration, sparkline
from rlsel.training.reporting import Cell, Grid

_BAR_WIDTH = 30
_REFRESHES_PER_SECOND = 4


class LiveReporter:
    """Shows what goes on now; each training leaves one line, and each note its own."""

    def __init__(self, console: Console | None = None, *, ratio: float | None = None, verbose: bool = False) -> None:
        """Prepares the screen.

        Args:
            console: Where to; None for stderr, without colour under `NO_COLOR`.
            ratio: The share that is to be kept; None where there is no single one.
            verbose: Whether to show how a policy learns, too.
        """
        self._console = console or Console(stderr=True, highlight=False)
        self._ratio, self._verbose = ratio, verbose
        self._live: Live | None = None
        self._training: TrainingScreen | None = None
        self._grid: GridScreen | None = None

    def note(self, text: str) -> None:
        self._console.print(" ".join(text.splitlines()), markup=False, soft_wrap=True)

    def start(self, task: str, epochs: int, steps: int) -> None:
        self.finish()
        self._training = TrainingScreen(task, epochs, steps, ratio=self._ratio, verbose=self._verbose)
        self._begin()

    def step(self, done: int) -> None:
        if self._training is not None:
            self._training.step(done)

    def epoch(self, measurements: Mapping[str, float]) -> None:
        if self._training is not None:
            self._training.epoch(measurements)

    def grid(self, grid: Grid) -> None:
        if self._grid is None:
            self.finish()
            self._grid = GridScreen(grid)
            self._begin()
        self._grid.show(grid)
        if grid.done == grid.of:
            self.finish()

    def finish(self) -> None:
        if self._live is None:
            return
        self._live.stop()
        self._live = None
        if self._training is not None:
            self.note(self._training.summary())
        self._training = self._grid = None

    def _begin(self) -> None:
        self._live = Live(
            get_renderable=self._render,
            console=self._console,
            transient=True,
            refresh_per_second=_REFRESHES_PER_SECOND,
        )
        self._live.start()

    def _render(self) -> RenderableType:
        screen = self._training or self._grid
        return Text("") if screen is None else screen.render()


class TrainingScreen:
    """A training: how far it is, how the accuracy and the share kept moved, and what memory it takes."""

    def __init__(self, task: str, epochs: int, steps: int, *, ratio: float | None, verbose: bool) -> None:
        self._task, self._epochs, self._steps, self._ratio, self._verbose = task, epochs, steps, ratio, verbose
        self._epoch, self._done, self._pace, self._began = 0, 0, Pace(steps), time.monotonic()
        self._measured = ""
        self._history: dict[str, list[float]] = {"accuracy": [], "share_kept": []}

    def step(self, done: int) -> None:
        """Takes note of the steps done."""
        self._done = done
        self._pace.step(done)

    def epoch(self, measurements: Mapping[str, float]) -> None:
        """Takes note of what was measured in an epoch."""
        self._epoch = int(measurements.get("epoch", self._epoch + 1))
        self._measured = describe(measurements, verbose=self._verbose)
        for name, values in self._history.items():
            if name in measurements:
                values.append(measurements[name])

    def summary(self) -> str:
        """Returns the line that stays."""
        epochs = f"{self._epoch}/{self._epochs} epochs in {time.monotonic() - self._began:.1f} s"
        return ", ".join(filter(None, [f"{self._task}: {epochs}", self._measured]))

    def render(self) -> RenderableType:
        """Returns the screen."""
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text(self._task, style="bold"),
            f"epoch {self._epoch}/{self._epochs}",
            _bar(self._done, self._steps),
            self._pace.describe(),
        )
        lines: list[RenderableType] = [head]
        for name, title, target in (
            ("accuracy", "training accuracy", ""),
            ("share_kept", "share kept", "" if self._ratio is None else f" of {self._ratio:g} wanted"),
        ):
            if values := self._history[name]:
                lines.append(
                    Text.assemble((f"{title:<18}", "dim"), (sparkline(values), "cyan"), f" {values[-1]:.3f}{target}")
                )
        if self._verbose:
            lines.append(Text(self._measured, style="dim"))
        lines.append(Text(f"{'memory':<18}{_memory()}", style="dim"))
        return Group(*lines)


class GridScreen:
    """A comparison: a table whose cells fill, the best of each ratio so far, and the time that is left."""

    def __init__(self, grid: Grid) -> None:
        self._grid, self._began = grid, time.monotonic()

    def show(self, grid: Grid) -> None:
        """Takes note of how far the comparison is."""
        self._grid = grid

    def render(self) -> RenderableType:
        """Returns the screen."""
        grid, left = self._grid, self._grid.seconds_left
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text(f"{grid.done}/{grid.of} trainings", style="bold"),
            _bar(grid.done, grid.of),
            f"{duration(time.monotonic() - self._began)} so far" + (f", {duration(left)} left" if left else ""),
        )
        return Group(head, self._table(), Text(grid.latest, style="dim", no_wrap=True, overflow="ellipsis"))

    def _table(self) -> Table:
        cells = self._grid.cells
        ratios = sorted({ratio for _, ratio in cells})
        best = {ratio: _best(cells, ratio) for ratio in ratios}
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("selector", no_wrap=True)
        for ratio in ratios:
            table.add_column(format_ratio(ratio), no_wrap=True)
        for name in dict.fromkeys(name for name, _ in cells):
            row = [
                _cell(cells[name, ratio], best=best[ratio] == name) if (name, ratio) in cells else Text("")
                for ratio in ratios
            ]
            table.add_row(name, *row)
        return table


def _best(cells: Mapping[tuple[str, float], Cell], ratio: float) -> str | None:
    """Returns the method with the highest accuracy so far at a ratio, among at least two."""
    known = {name: cell.accuracy for (name, at), cell in cells.items() if at == ratio and cell.accuracy is not None}
    return max(known, key=known.__getitem__) if len(known) > 1 else None


def _cell(cell: Cell, *, best: bool) -> Text:
    """Returns "■■□ 91.2", with a star where it is the best so far."""
    filled = "■" * cell.done + "□" * (cell.of - cell.done) if cell.of <= 5 else f"{cell.done}/{cell.of}"
    accuracy = "" if cell.accuracy is None else f" {100 * cell.accuracy:.1f}"
    style = "bold green" if best else "" if cell.done else "dim"
    return Text(f"{filled}{accuracy}{' ★' if best else ''}", style=style)


def _bar(done: int, of: int) -> ProgressBar:
    return ProgressBar(total=max(of, 1), completed=done, width=_BAR_WIDTH)


def _memory() -> str:
    """Returns the most memory that the process has held, and the most of a GPU where it uses one."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    text = f"{peak / 2**30:.1f} GiB"
    torch = sys.modules.get("torch")  # a screen is no reason to import it
    if torch is not None and torch.cuda.is_initialized():
        text += f", GPU {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    return text
