"""The commands of the command line: the one table that everything else reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rlsel.cli import builders

if TYPE_CHECKING:
    from rlsel.cli.composing import Composed
    from rlsel.training.reporting import Reporter

GROUPS = frozenset({"dataset", "model", "selector", "policy", "reward", "training", "device"})
"""Keys whose value is chosen by the name of one file in `conf/<key>/`."""

OPTIONAL = frozenset({"logger"})
"""Keys that a composed configuration may lack."""

_EVERYWHERE = frozenset({"run_dir", "resume", "jobs", "device", "logger"})


@dataclass(frozen=True, kw_only=True)
class Command:
    """A subcommand; its primary configuration is `conf/<name>.yaml`, with underscores for hyphens.

    Attributes:
        name: As the user types it.
        summary: What it does, in one line.
        example: A command line that works as it stands, or with a run folder put in.
        keys: The top-level keys of its configuration; any other is refused.
        run: Builds the request from the composed configuration, carries it out and returns the absolute run folder.
    """

    name: str
    summary: str
    example: str
    keys: frozenset[str]
    run: Callable[[Composed, Reporter], Path]

    @property
    def config_name(self) -> str:
        """The primary configuration in `conf/`, without `.yaml`."""
        return self.name.replace("-", "_")


def _table(*commands: Command) -> Mapping[str, Command]:
    return {command.name: command for command in commands}


COMMANDS: Mapping[str, Command] = _table(
    Command(
        name="select",
        summary="learns a policy while a target model trains, and writes the coreset that it keeps",
        example="rlsel select ratio=0.7",
        keys=_EVERYWHERE
        | {"dataset", "model", "training", "seed", "ratio", "features"}
        | {"selector", "selectors", "policy", "reward", "cover", "export"},
        run=builders.select,
    ),
    Command(
        name="finetune-ratio",
        summary="adapts the policy of a select run to another ratio in a few epochs",
        example="rlsel finetune-ratio run=RUN_FOLDER ratio=0.5",
        keys=_EVERYWHERE | {"run", "ratio", "epochs", "features", "dataset", "training", "seed", "export"},
        run=builders.finetune_ratio,
    ),
    Command(
        name="apply",
        summary="selects from data that the policy of a select run has not seen, in one pass",
        example="rlsel apply run=RUN_FOLDER dataset=imagefolder dataset.root=FOLDER ratio=0.5",
        keys=_EVERYWHERE | {"run", "ratio", "dataset", "seed", "export"},
        run=builders.apply,
    ),
    Command(
        name="train-on-subset",
        summary="trains any model on a coreset and measures it on the test split",
        example="rlsel train-on-subset coreset=RUN_FOLDER",
        keys=_EVERYWHERE | {"coreset", "dataset", "model", "training", "seed", "evaluation"},
        run=builders.train_on_subset,
    ),
    Command(
        name="compare",
        summary="compares selectors at several ratios over several seeds with a random choice and with all of the data",
        example="rlsel compare selectors=[el2n,rl_selector] ratios=[0.3,0.5]",
        keys=_EVERYWHERE
        | {"dataset", "model", "training", "selectors", "variants", "ratios", "seeds", "budget", "train_models"}
        | {"policy", "reward", "cover", "export", "evaluation"},
        run=builders.compare,
    ),
)
