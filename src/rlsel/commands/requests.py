"""What each command is asked to do: plain objects, whoever made them (the command line, a script, a test)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rlsel.budget import parse_ratios
from rlsel.checks import int_at_least, number_between, one_of, positive_int, refuse, require_each_once, require_some
from rlsel.data.variation import Variation
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.export import ExportSettings
from rlsel.formats.folders import MODES, Mode
from rlsel.formats.rows import PARTS, Part
from rlsel.formats.writing import FORMATS
from rlsel.models.target import ModelSpec
from rlsel.runs.settings import DatasetSource, RunOptions, RunSettings
from rlsel.selectors.base import Selector
from rlsel.theory.verification import VerifySettings


@dataclass(frozen=True, kw_only=True)
class SelectRequest:
    """`rlsel select`: every selector at every ratio, from one target training.

    Attributes:
        settings: Data, model and training.
        selectors: The methods, each once; one training of the target model serves them all.
        ratios: Share of the training samples to keep, in (0, 1]; a list gives a coreset for each. `auto` trains on the
            choices at several ratios, and takes the smallest that costs at most `tolerance`.
        tolerance: With `ratio=auto`, the points of accuracy that may be lost against all of the data; None for 0.5.
        export: How scores become sets, over the selectors' own defaults.
        features: An `.npy` file of (N, D) features that replace the target model's.
        report: Whether each run folder gets its page too, as `rlsel report` writes it.
        options: Where and on what.
    """

    settings: RunSettings
    selectors: tuple[Selector, ...]
    ratios: tuple[float, ...]
    tolerance: float | None = None
    export: ExportSettings = field(default_factory=ExportSettings)
    features: Path | None = None
    report: bool = False
    options: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        require_some("selectors", self.selectors)
        require_each_once("selectors", [selector.name for selector in self.selectors])
        if self.tolerance is None:
            parse_ratios(self.ratios)
            return
        number_between("tolerance", self.tolerance, 0)
        if self.ratios:
            raise refuse("tolerance", "null beside a ratio", self.tolerance, "it belongs to ratio=auto")
        if len(self.selectors) > 1:
            raise refuse("selectors", "one method with ratio=auto", len(self.selectors), "-m tries several")


@dataclass(frozen=True, kw_only=True)
class FinetuneRequest:
    """`rlsel finetune-ratio`: a saved policy, adapted to another ratio.

    Attributes:
        run: The folder of a complete `select` run of a policy.
        settings: Data, model, training and seed that the run recorded, unless given.
        selector: The method that the run recorded.
        ratios: The new share of the training samples to keep, in (0, 1]; a list adapts to each.
        epochs: Passes of fine-tuning (15 in the paper).
        features: `saved` uses the features that the run stored; `continued` goes on training its target model.
        export: How scores become a set, as the run recorded it, unless given.
        options: Where and on what.
    """

    run: Path
    settings: RunSettings
    selector: Selector
    ratios: tuple[float, ...]
    epochs: int = 15
    features: Literal["saved", "continued"] = "saved"
    export: ExportSettings = field(default_factory=ExportSettings)
    options: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        parse_ratios(self.ratios)
        positive_int("epochs", self.epochs)
        one_of("features", self.features, ("saved", "continued"))


@dataclass(frozen=True, kw_only=True)
class ApplyRequest:
    """`rlsel apply`: a saved policy judges data that it has not seen.

    Attributes:
        run: The folder of a complete `select` run of a policy.
        settings: The data to select from; model, training and seed as recorded in that run, unless given.
        selector: The method that the run recorded.
        ratios: Share of the samples to keep, in (0, 1]; a list gives a coreset for each.
        export: How scores become a set, as the run recorded it, unless given.
        options: Where and on what.
    """

    run: Path
    settings: RunSettings
    selector: Selector
    ratios: tuple[float, ...]
    export: ExportSettings = field(default_factory=ExportSettings)
    options: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        parse_ratios(self.ratios)


@dataclass(frozen=True, kw_only=True)
class TrainOnSubsetRequest:
    """`rlsel train-on-subset`: any model, trained on a coreset and measured on the test split.

    Attributes:
        coreset: A run folder or an `indices.npy`; nothing, which the command line calls `full`, for the whole split.
            There, `dynamic`, `rs2` and `infobatch` choose what each pass is over while the model trains.
        settings: Data, model and training.
        evaluation: What the model is measured on besides the test split.
        options: Where and on what.
    """

    coreset: Path | None
    settings: RunSettings
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    options: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True, kw_only=True)
class FeaturesRequest:
    """`rlsel features`: what a network that is not trained here makes of every sample.

    Attributes:
        dataset: The images.
        variation: What is changed in them; samples that it leaves out get rows of zeros.
        model: The network, as it is: with pretrained weights, where it has them.
        seed: Whole number of at least 0 that draws the weights that are not pretrained.
        options: Where and on what.
    """

    dataset: DatasetSource
    variation: Variation = field(default_factory=Variation)
    model: ModelSpec
    seed: int = 0
    options: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        int_at_least("seed", self.seed, 0)


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """`rlsel export`: a coreset in the form of another tool.

    Attributes:
        run: The folder of a finished selection.
        format: `csv`, `parquet` and `hf` (for datasets) are tables, `shards` a Parquet table for each file of features,
            `txt`, `webdataset` and `yolo` lists of files, `imagefolder` is a folder of images for each class,
            `fiftyone` and `lightly` are what these tools read, `torch` is a module that makes a Subset.
        part: `kept`, `dropped`, or `both`; None for both in tables, where a column says which, else for kept.
        mode: How images get into `imagefolder`: `symlink`, `hardlink` or `copy`.
        root: The folder of the data set, which the paths of the images start from; None for the one that the run
            recorded.
        out: The file or folder to write; None for a place below `export` in the run folder.
        overwrite: Whether a file that exists is replaced; a folder with something in it never is.
    """

    run: Path
    format: str
    part: Part | None = None
    mode: Mode = "symlink"
    root: Path | None = None
    out: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        one_of("format", self.format, FORMATS)
        if self.part is not None:
            one_of("part", self.part, PARTS)
        one_of("mode", self.mode, MODES)


@dataclass(frozen=True, kw_only=True)
class ShowRequest:
    """`rlsel show`: a selection or a comparison in the terminal.

    Attributes:
        run: The folder of a finished selection, or of a comparison.
        rows: How many samples are listed at each end of the order, and how many classes and groups of near-duplicates
            where there are many.
    """

    run: Path
    rows: int = 5

    def __post_init__(self) -> None:
        positive_int("rows", self.rows)


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """`rlsel report`: a page of a run.

    Attributes:
        run: The folder of a finished selection, or of a comparison.
        against: The folder of another selection of the same data, to see what each keeps alone; of a comparison,
            another one or a folder of several, to see the differences to random side by side; None for none.
        dataset: The data that was selected from, where it lies now; None for where the run found it. Without it the
            page has no pictures.
        variation: What was changed in it.
        options: Where and on what; the page goes into the run's own folder unless `run_dir` is given.
    """

    run: Path
    against: Path | None = None
    dataset: DatasetSource | None = None
    variation: Variation = field(default_factory=Variation)
    options: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """`rlsel verify`: the paper's propositions and the influence of samples, measured on a run.

    Attributes:
        run: The folder of a finished selection that stored its target model.
        pairs: Most pairs of samples of each kind (same class, other class, random).
        removals: Most removals of single samples, each with a refit of the convex head, and as many of groups.
        seed: Whole number of at least 0 that draws pairs, removals and subsets.
        epochs: Passes of the target training, as in [1,10,30], after which pairs are measured as well; it is trained
            again for that. None trains nothing.
        left_out: Groups of samples that real trainings leave out, two trainings each and two of all samples, to hold
            the influence function of the network against; 0 for none.
        subsets: Subsets, drawn with many tilts, ratios and shares of wrong labels, that real trainings of a third of
            the steps are made on, to hold cheap proxies of their value against; 0 for none.
        dataset: The data that was selected from, where it lies now; None for where the run found it.
        variation: What was changed in it.
        options: Where and on what; the results go into the run's own folder unless `run_dir` is given.
    """

    run: Path
    pairs: int = 2000
    removals: int = 40
    seed: int = 0
    epochs: tuple[int, ...] = ()
    left_out: int = 0
    subsets: int = 0
    dataset: DatasetSource | None = None
    variation: Variation = field(default_factory=Variation)
    options: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        self.settings()

    def settings(self) -> VerifySettings:
        """Returns how much is measured.

        Raises:
            ConfigurationError: if a value does not fit.
        """
        return VerifySettings(
            pairs=self.pairs,
            removals=self.removals,
            seed=self.seed,
            epochs=self.epochs,
            left_out=self.left_out,
            subsets=self.subsets,
        )
