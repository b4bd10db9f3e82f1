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

_EVERYWHERE = frozenset({"run_dir", "resume", "jobs", "device", "logger", "targets_from", "verbose"})


@dataclass(frozen=True, kw_only=True)
class Command:
    """A subcommand; its primary configuration is `conf/<name>.yaml`, with underscores for hyphens.

    Attributes:
        name: As the user types it.
        summary: What it does, in one line.
        description: What it does, where the results go and what its defaults mean, for its own help.
        example: A command line that works as it stands, or with a run folder put in.
        examples: Further ones, for its own help; others than this command where they lead up to it.
        request: The import path of the dataclass whose docstring describes its keys.
        keys: The top-level keys of its configuration; any other is refused.
        positional: The key that a path without a key stands for; None for no such path.
        shares_model: Whether several processes can train its model together.
        run: Builds the request from the composed configuration, carries it out and returns the absolute run folder.
    """

    name: str
    summary: str
    description: str
    example: str
    examples: tuple[str, ...]
    request: str
    keys: frozenset[str]
    positional: str | None = None
    shares_model: bool = False
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
        description=(
            "Learns a policy while a target model trains, and writes the coreset that it keeps; or scores the samples "
            "with another selector. The last line on stdout is the run folder."
        ),
        example="rlsel select ratio=0.7",
        examples=(
            "rlsel select dataset=fashion_mnist model=resnet18 'ratio=[0.3,0.5,0.7]' training.epochs=30",
            "rlsel select selectors=[random,el2n] dataset.train_size=500",
            "rlsel select ratio=0.5 for_model=resnet18 for_steps=200",
            "rlsel select ratio=auto tolerance=0.5",
            "rlsel select -m selector=random,el2n,rl_selector seed=0,1,2 ratio=0.5",
        ),
        request="rlsel.commands.requests.SelectRequest",
        keys=_EVERYWHERE
        | {"dataset", "model", "training", "seed", "ratio", "tolerance", "features"}
        | {"for_model", "for_steps", "for_epochs"}
        | {"selector", "selectors", "policy", "reward", "cover", "export", "report"},
        shares_model=True,
        run=builders.select,
    ),
    Command(
        name="finetune-ratio",
        summary="adapts the policy of a select run to another ratio in a few epochs",
        description=(
            "Adapts the policy of a finished select run to another ratio. A null of dataset, training, export or seed "
            "stands for what that run recorded; behind a given dataset=NAME, for the usual default. The last line on "
            "stdout is the run folder."
        ),
        example="rlsel finetune-ratio run=RUN_FOLDER ratio=0.5",
        examples=(
            "rlsel finetune-ratio run=RUN_FOLDER 'ratio=[0.3,0.4]' epochs=30",
            "rlsel finetune-ratio -m run=RUN_FOLDER ratio=0.3,0.5 features=saved,continued",
        ),
        request="rlsel.commands.requests.FinetuneRequest",
        keys=_EVERYWHERE | {"run", "ratio", "epochs", "features", "dataset", "training", "seed", "export"},
        run=builders.finetune_ratio,
    ),
    Command(
        name="apply",
        summary="selects from data that the policy of a select run has not seen, in one pass",
        description=(
            "Selects from data that the policy of a finished select run has not seen: one pass of the run's target "
            "model over the training split, then the policy judges each sample by its features. Nothing is trained. "
            "The data has images of the same shape and no more classes than the run's; settings behind dataset "
            "without dataset=NAME change the run's own data set. A null of dataset, export or seed stands for what "
            "that run recorded; behind a given dataset=NAME, for the usual default. The last line on stdout is the "
            "run folder."
        ),
        example="rlsel apply run=RUN_FOLDER dataset=imagefolder dataset.root=FOLDER ratio=0.5",
        examples=(
            "rlsel select dataset.part=first ratio=0.5 run_dir=first_half",
            "rlsel apply run=first_half dataset.part=second ratio=0.5",
            "rlsel apply run=first_half dataset=arrays dataset.path=new.npz 'ratio=[0.3,0.5]'",
            "rlsel apply -m run=first_half dataset.part=second ratio=0.3,0.5 export.mode=topk,sample",
        ),
        request="rlsel.commands.requests.ApplyRequest",
        keys=_EVERYWHERE | {"run", "ratio", "dataset", "seed", "export"},
        run=builders.apply,
    ),
    Command(
        name="train-on-subset",
        summary="trains any model on a coreset and measures it on the test split",
        description=(
            "Trains any model on a coreset and measures it on the test split, and on further data sets where some are "
            "named. With coreset=dynamic nothing is selected beforehand: each pass is over the share of the data that "
            "is worth most by what the model made of it so far (rs2: a fresh random share; infobatch: without much of "
            "what is learned). A null of dataset stands for what the coreset's run recorded, or for digits where there "
            "is no run; behind a given dataset=NAME, for the usual default. The last line on stdout is the run folder."
        ),
        example="rlsel train-on-subset coreset=RUN_FOLDER",
        examples=(
            "rlsel train-on-subset coreset=indices.npy dataset=fashion_mnist model=resnet18",
            "rlsel train-on-subset -m coreset=full seed=0,1,2",
            "rlsel train-on-subset coreset=full evaluation.datasets=[corruptions]",
            "rlsel train-on-subset coreset=dynamic ratio=0.5",
        ),
        request="rlsel.commands.requests.TrainOnSubsetRequest",
        keys=_EVERYWHERE | {"coreset", "ratio", "dataset", "model", "training", "seed", "evaluation"},
        shares_model=True,
        run=builders.train_on_subset,
    ),
    Command(
        name="compare",
        summary="compares selectors at several ratios over several seeds with a random choice and with all of the data",
        description=(
            "Selects with every selector at every ratio and seed, trains on each selection, and compares the "
            "accuracies with those of a random choice and of all of the data: runs.csv, summary.csv, summary.md, "
            "summary.tex, comparison.png and comparison.svg. What is done already is not done again, so that an "
            "interrupted or extended comparison computes only what is missing. The last line on stdout is the folder."
        ),
        example="rlsel compare selectors=[el2n,rl_selector] ratios=[0.3,0.5]",
        examples=(
            "rlsel compare dataset=fashion_mnist dataset.train_size=10000 selectors=[el2n,moderate] seeds=[0,1] jobs=2",
            "rlsel compare 'variants={knn:{selector:static_cover,cover.measure:knn},ppo:{policy:ppo}}'",
            "rlsel compare dynamic=[dynamic,rs2,infobatch] budget=seconds",
            "rlsel compare dataset.label_noise=0.2 'train_models=[small_cnn,{resnet18:{width:16}}]'",
        ),
        request="rlsel.comparing.request.CompareRequest",
        keys=_EVERYWHERE
        | {"dataset", "model", "training", "selectors", "variants", "ratios", "seeds", "budget", "train_models"}
        | {"dynamic", "policy", "reward", "cover", "export", "evaluation", "for_model", "for_steps", "for_epochs"},
        run=builders.compare,
    ),
    Command(
        name="features",
        summary="computes features of every sample with a pretrained network, for features= of select",
        description=(
            "Computes the features of every sample, those that are held out included, with a network that is not "
            "trained: features.npy, which features= of select takes. Pretrained weights give useful features; those "
            "of a network without them are random. The last line on stdout is the run folder."
        ),
        example="rlsel features model=timm model.name=resnet18 model.pretrained=true",
        examples=(
            "rlsel features dataset=imagefolder dataset.root=FOLDER dataset.image_size=224 model=torchvision "
            "model.name=resnet50 model.weights=DEFAULT run_dir=pretrained",
            "rlsel select dataset=imagefolder dataset.root=FOLDER features=pretrained/features.npy",
            "rlsel features -m model=timm model.name=resnet18,vit_tiny_patch16_224 model.pretrained=true",
        ),
        request="rlsel.commands.requests.FeaturesRequest",
        keys=_EVERYWHERE | {"dataset", "model", "seed"},
        run=builders.features,
    ),
    Command(
        name="export",
        summary="writes the coreset of a run in the form of another tool",
        description=(
            "Writes the coreset of a finished run in the form of another tool. Tables have a row for each candidate "
            "and say which are kept; lists and folders have those that are kept. The last line on stdout is the file "
            "or folder that was written."
        ),
        example="rlsel export run=RUN_FOLDER format=csv",
        examples=(
            "rlsel export run=RUN_FOLDER format=imagefolder mode=copy out=kept_images",
            "rlsel export run=RUN_FOLDER format=txt part=dropped out=dropped.txt overwrite=true",
            "rlsel export -m run=RUN_FOLDER format=hf,fiftyone,torch",
        ),
        request="rlsel.commands.requests.ExportRequest",
        keys=frozenset({"run", "format", "part", "mode", "root", "out", "overwrite"}),
        run=builders.export,
    ),
    Command(
        name="show",
        summary="shows a selection or a comparison in the terminal",
        description=(
            "Shows a finished selection: what was kept of each class, the most and the least redundant samples, "
            "near-duplicates, and what to look at; or the table of a comparison. The last line on stdout is the run "
            "folder."
        ),
        example="rlsel show run=RUN_FOLDER",
        examples=("rlsel show RUN_FOLDER", "rlsel show run=RUN_FOLDER rows=20"),
        request="rlsel.commands.requests.ShowRequest",
        keys=frozenset({"run", "rows"}),
        positional="run",
        run=builders.show,
    ),
    Command(
        name="verify",
        summary="measures the paper's propositions and the influence of samples on a run",
        description=(
            "Measures on the target model of a finished run how outputs, losses and gradients of two samples differ "
            "with their distance, how many samples cover the data, and what the removal of samples does to a convex "
            "head; writes verify.json and verify.png into the run folder, over those that are there. epochs=, "
            "left_out= and subsets= train the target model again, to measure during the training, without groups of "
            "samples, and on drawn subsets; what is done is kept line by line, and an interrupted run goes on from "
            "there. The last line on stdout is their folder."
        ),
        example="rlsel verify run=RUN_FOLDER",
        examples=(
            "rlsel verify run=RUN_FOLDER pairs=5000 removals=100 run_dir=verified",
            "rlsel verify run=RUN_FOLDER epochs=[1,10,30] left_out=24 subsets=150",
            "rlsel verify -m run=RUN_FOLDER,OTHER_RUN_FOLDER",
        ),
        request="rlsel.commands.requests.VerifyRequest",
        keys=_EVERYWHERE | {"run", "pairs", "removals", "seed", "epochs", "left_out", "subsets", "dataset"},
        run=builders.verify,
    ),
    Command(
        name="report",
        summary="writes one HTML file that shows a selection or a comparison and needs no network",
        description=(
            "Writes report.html into the run folder, one file that holds all that it shows. Of a selection: what was "
            "asked, kept and paid, each class, the samples themselves, a map with filters and a ratio slider, a table; "
            "of a comparison: accuracy over ratio and cost, the tables, how alike the selectors choose, and beside the "
            "comparisons in the folder against= where its methods help and hurt. Pictures need the data set, where the "
            "run found it unless dataset= is given. The last line on stdout is the folder of the page."
        ),
        example="rlsel report run=RUN_FOLDER",
        examples=(
            "rlsel report run=RUN_FOLDER against=OTHER_RUN_FOLDER",
            "rlsel report run=outputs/regimes/digits_quarter against=outputs/regimes",
            "rlsel report run=RUN_FOLDER dataset=imagefolder dataset.root=FOLDER run_dir=page",
            "rlsel report -m run=RUN_FOLDER,OTHER_RUN_FOLDER",
        ),
        request="rlsel.commands.requests.ReportRequest",
        keys=_EVERYWHERE | {"run", "against", "dataset"},
        run=builders.report,
    ),
)
