"""Draws the ten-seed table of Fashion-MNIST, as conf/experiment/README.md has it: python scripts/results_figure.py.

The numbers are read from that page, so that the picture and the table say the same.
"""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "conf" / "experiment" / "README.md"
PICTURE = ROOT / "conf" / "experiment" / "fashion_mnist.png"
HEADING = "## Fashion-MNIST, ten seeds"

FULL, RANDOM = "full", "random"

_NAME = re.compile(r"`(\w+)`")
_ACCURACY = re.compile(r"(\d+\.\d+) ± (\d+\.\d+)")

_STYLES = {
    "rl_selector": ("tab:red", "o", 2.4),
    "static_reward": ("tab:orange", "s", 1.4),
    "dyn_unc": ("tab:blue", "^", 1.4),
    "ccs": ("tab:green", "D", 1.4),
    "tdds": ("tab:purple", "v", 1.4),
    RANDOM: ("black", "x", 2.0),
}
"""Colour, marker and width of each line."""

_COLOURS = 64
"""Of the picture, blends with the white of the paper included."""


class Accuracy(NamedTuple):
    """A cell of the table: the mean over the seeds and its standard error, in %."""

    mean: float
    error: float


class Results(NamedTuple):
    """The table.

    Attributes:
        ratios: The shares kept, at the heads of the columns.
        rows: Each method's accuracies, one for each ratio.
        full: The accuracy after training on all of the data.
    """

    ratios: tuple[float, ...]
    rows: dict[str, tuple[Accuracy, ...]]
    full: Accuracy


def read_table(page: str, heading: str = HEADING) -> Results:
    """Reads the first table below a heading of a Markdown page.

    Lines without a name in the first cell are passed over: they hold the differences to the line `random`.

    Args:
        page: The text of the page.
        heading: The whole line of the heading.

    Raises:
        ValueError: if the page has no such heading or no table below it, or a line has a cell without an accuracy.
    """
    head, *body = [_cells(line) for line in _table_lines(page, heading)]
    ratios = tuple(float(cell) for cell in head[1:])
    rows = {}
    full = None
    for name, *cells in body:
        found = _NAME.match(name)
        if found is None:
            continue
        if found[1] == FULL:
            full = _accuracy(cells[0])
        else:
            rows[found[1]] = tuple(_accuracy(cell) for cell in cells)
    if full is None:
        raise ValueError(f"the table below {heading!r} must have a line `{FULL}`")
    return Results(ratios, rows, full)


def _table_lines(page: str, heading: str) -> list[str]:
    lines = page.splitlines()
    if heading not in lines:
        raise ValueError(f"the page must have the heading {heading!r}")
    below = lines[lines.index(heading) + 1 :]
    starts = [place for place, line in enumerate(below) if line.startswith("|")]
    if not starts:
        raise ValueError(f"the page must have a table below the heading {heading!r}")
    table = []
    for line in below[starts[0] :]:
        if not line.startswith("|"):
            break
        table.append(line)
    return [table[0], *table[2:]]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _accuracy(cell: str) -> Accuracy:
    found = _ACCURACY.fullmatch(cell)
    if found is None:
        raise ValueError(f"a cell must be mean ± standard error, as in 88.2 ± 0.1, got {cell!r}")
    return Accuracy(float(found[1]), float(found[2]))


def draw(results: Results) -> bytes:
    """Draws a line for each method over the share kept, with bars of one standard error, and returns a PNG file.

    Args:
        results: Of methods that have a style here.
    """
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(7, 4), dpi=150, layout="constrained")
    panel = figure.subplots()
    low, high = results.full.mean - results.full.error, results.full.mean + results.full.error
    panel.axhspan(low, high, color="gray", alpha=0.2, linewidth=0)
    panel.axhline(results.full.mean, color="gray", linestyle="--", label="full, all of the data")
    for name in reversed(results.rows):
        color, marker, width = _STYLES[name]
        means = [cell.mean for cell in results.rows[name]]
        errors = [cell.error for cell in results.rows[name]]
        panel.errorbar(
            results.ratios, means, yerr=errors, label=name, color=color, marker=marker, linewidth=width, capsize=2
        )
    panel.set(xlabel="share of the data that is kept", ylabel="test accuracy, %", xticks=results.ratios)
    panel.set_title("Fashion-MNIST, 10,000 images, 800 steps at every share, ten seeds", fontsize=11)
    panel.grid(alpha=0.3)
    handles, labels = panel.get_legend_handles_labels()
    panel.legend(handles[::-1], labels[::-1], loc="lower right")
    whole, small = io.BytesIO(), io.BytesIO()
    figure.savefig(whole, format="png")
    # a palette shows the few colours as well as 24 bits do, in less than half the bytes
    Image.open(whole).convert("RGB").quantize(_COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE, help="where it is written")
    picture = parser.parse_args(arguments).picture
    picture.write_bytes(draw(read_table(PAGE.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
