"""Every setting of every command with values that are numbers elsewhere, or hardly are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from torturing.cases import LEARNED, QUICK, Case, on_data
from torturing.program import call

VALUES = (
    "nan", "inf", "-inf", "-0", "-0.0", "1e400", "1e-400", "1_000", "0x10", "null", "[]", "{}", "''", "true", "٣",
    "1e5000",     "9223372036854775808", "-9223372036854775809", "1" + 30 * "0", "[nan]", "[[1]]", "{a:1}",
)  # fmt: skip
"""What each key gets."""

_COSTLY = frozenset({"device.processes", "device.threads", "jobs", "training.steps", "for_steps", "for_epochs"})
"""Keys that a thousand is right for, and takes long."""

_SELECTORS = (
    *("aum", "ccs", "cg_score", "d2", "dual", "dyn_unc", "el2n", "facility_location", "glister", "grand", "k_center"),
    *("memorization", "moderate", "moso", "random", "rl_selector_finetuned", "self_sup_prototypes", "static_reward"),
    "tdds",
)
"""Selectors with settings of their own, or an export of their own; rl_selector is the default."""


def lines(root: Path) -> Mapping[str, tuple[str, ...]]:
    """Returns the command lines whose settings are tried, by a name."""
    data, run = (*QUICK, *on_data(root)), f"run={root / LEARNED}"
    found = {
        "select": ("select", *data, "selector.rollout=16", "selector.settle_passes=1"),
        "apply": ("apply", run, "ratio=0.5"),
        "finetune-ratio": ("finetune-ratio", run, "ratio=0.5", "epochs=1"),
        "train-on-subset": ("train-on-subset", *data, "coreset=full"),
        "compare": ("compare", *data, "selectors=[el2n]", "ratios=[0.5]", "seeds=[0]"),
        "features": ("features", "model.width=2", *on_data(root)),
        "verify": ("verify", run, "pairs=50", "removals=4"),
        "show": ("show", run),
        "export": ("export", run, "format=csv", "out=exported.csv"),
    }
    options = {"selector": _SELECTORS, "policy": ("dqn", "ppo"), "reward": ("cover", "paper", "paper_scalar")}
    for group, names in options.items():
        quick = () if group == "selector" else ("selector.rollout=16", "selector.settle_passes=1")
        found |= {f"{group}={name}": ("select", *data, f"{group}={name}", *quick) for name in names}
    return found


def number_cases(root: Path) -> Iterator[Case]:
    """Yields a case for each key of each line and each value."""
    for name, line in lines(root).items():
        group = name.partition("=")[0]
        for key in _keys(root, line):
            if "=" in name and not key.startswith(f"{group}."):
                continue  # the others are those of `select` itself
            for value in VALUES:
                if not (key in _COSTLY and value == "1_000"):
                    yield Case("numbers", (*line, "run_dir=new", f"{key}={value}"))


def _keys(root: Path, line: tuple[str, ...]) -> list[str]:
    """Returns the dotted keys of all values of a command, without what names code or a place."""
    shown = yaml.safe_load(call(root, [line[0], *line[1:], "--cfg", "job"]).out)
    places = ("run_dir", "run", "out", "root", "dataset.path", "dataset.labels", "coreset")
    keys = [key for key in _leaves(shown) if not key.endswith("_target_") and key not in places]
    if not keys:
        raise RuntimeError(f"{line[0]} shows no keys")
    return keys


def _leaves(node: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"
