"""Prints our numbers beside the paper's (RL-Selector, ICCV 2025, arXiv 2506.21037): python scripts/compare_to_paper.py.

Ours are read from the folders that `make reproduce-...` writes; what was not run stays blank. The paper's are those of
its one table that we know in numbers; of its other tables we know what they show, but no number.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

FOLDER = Path("outputs", "reproduce")

PAPER = {
    "el2n": (90.32, 90.97, 91.61, 91.75),
    "moso": (90.73, 91.13, 91.50, 92.23),
    "moderate": (90.42, 90.84, 90.91, 91.88),
    "self_sup_prototypes": (90.11, 90.85, 91.82, 91.98),
    "rl_selector": (91.79, 92.06, 91.93, 92.79),
}
"""CIFAR-10, selected with ResNet-18, ResNet-50 trained: top-1 in % at the ratios below."""

PAPER_RATIOS = (0.6, 0.7, 0.8, 0.9)
PAPER_FULL = 92.34

CLAIMS = {
    "cifar100": "RL-Selector is the best of eleven methods at every ratio",
    "tiny_imagenet": "RL-Selector is the best of eleven methods at every ratio",
    "imagenet": "RL-Selector is the best of eleven methods at every ratio, and better than all of the data at 0.9",
    "cross_architecture": "selections of ResNet-18 serve ResNet-50, ViT and Swin",
    "ood": "a selection generalises better than all of the data on ImageNet-A, -R and -Hard",
    "ablation_redundancy": "the ε-sample cover measures redundancy better than other measures",
    "ablation_static": "the learned policy is significantly better than a static selection",
    "ablation_policy": "A2C is the most stable of the learners across ratios",
    "ablation_finetune": "15 epochs of fine-tuning lose little, except at low ratios",
}
"""What the paper says without numbers, by experiment."""

Row = Mapping[str, str]
"""A line of a `summary.csv`."""


def read(folder: Path) -> list[Row]:
    """Returns the lines of a comparison's summary; none where it was not run."""
    path = folder / "summary.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def conditions(folder: Path) -> str:
    """Returns under which conditions a comparison was made, as it recorded them; blank without a record."""
    path = folder / "config.yaml"
    if not path.is_file():
        return ""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    dataset, training = config["dataset"], config["training"]
    size = dataset["train_size"] or "all"
    length = f"{training['epochs']} epochs" if training["steps"] is None else f"{training['steps']} steps"
    return (
        f"Made with {dataset['_target_'].rpartition('.')[2]}, {size} training images, "
        f"{config['model']['_target_'].rpartition('.')[2]} of width {config['model'].get('width')} selects, "
        f"{length} of batches of {training['batch_size']}, seeds {', '.join(map(str, config['seeds']))}."
    )


def accuracy(rows: Iterable[Row], selector: str, ratio: float) -> str:
    """Returns mean ± standard error in %, of the first row that fits; blank without one."""
    for row in rows:
        if row["selector"] == selector and abs(float(row["ratio"]) - ratio) < 1e-9:
            error = f" ± {100 * float(row['accuracy_se']):.2f}" if row["accuracy_se"] else ""
            return f"{100 * float(row['accuracy']):.2f}{error}"
    return ""


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table with aligned columns."""
    lines = [list(head), *map(list, body)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def paper_table(rows: Sequence[Row]) -> str:
    """Returns the paper's table with two columns a ratio, the paper's and ours."""
    head = ["method"]
    for ratio in (*PAPER_RATIOS, 1.0):
        head += [f"{ratio:.0%} paper", "ours"]
    body = []
    for name, published in PAPER.items():
        line = [name]
        for ratio, number in zip(PAPER_RATIOS, published, strict=True):
            line += [f"{number:.2f}", accuracy(rows, name, ratio)]
        body.append([*line, f"{PAPER_FULL:.2f}", accuracy(rows, "full", 1.0)])
    ours = ["random"]
    for ratio in PAPER_RATIOS:
        ours += ["", accuracy(rows, "random", ratio)]
    return table(head, [*body, [*ours, "", accuracy(rows, "full", 1.0)]])


def own_table(rows: Sequence[Row]) -> str:
    """Returns our accuracies alone: a line for each model and method, a column for each ratio."""
    ratios = sorted({float(row["ratio"]) for row in rows if row["selector"] != "full"})
    body = []
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        names = sorted({row["selector"] for row in own} - {"full"})
        for name in names:
            line = [accuracy(own, name, ratio) for ratio in ratios]
            body.append([model, name, *line, accuracy(own, "full", 1.0)])
    return table(["model", "method", *(f"{ratio:.0%}" for ratio in ratios), "all of the data"], body)


def small_part(folder: Path, name: str) -> list[str]:
    """Returns the lines about the small form of an experiment."""
    rows = read(folder / f"{name}_small")
    if not rows:
        return ["Small form: not run."]
    title = "Small form (neither the paper's data nor its models):"
    return [title, own_table(rows), conditions(folder / f"{name}_small")]


def report(folder: Path) -> str:
    """Returns everything, as Markdown."""
    rows = read(folder / "cifar10")
    parts = [
        "# Ours beside the paper",
        f"Top-1 accuracy in %; ours: mean ± standard error over the seeds, from {folder}. Blank: not run.",
        "## CIFAR-10, selected with ResNet-18, ResNet-50 trained",
        paper_table(rows),
        conditions(folder / "cifar10"),
        *small_part(folder, "cifar10"),
    ]
    for name, claim in CLAIMS.items():
        parts += [f"## {name}", f"Paper (no numbers known): {claim}."]
        full = read(folder / name)
        parts += ["Ours:", own_table(full), conditions(folder / name)] if full else ["Ours: not run."]
        parts += small_part(folder, name)
    return "\n\n".join(part for part in parts if part)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help=f"default {FOLDER}")
    print(report(parser.parse_args().folder))


if __name__ == "__main__":
    main()
