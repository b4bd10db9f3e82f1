"""Where a coreset comes from: what `coreset.json` says besides what the arrays say themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, cast

from rlsel.errors import ConfigurationError
from rlsel.export import ResolvedExport


@dataclass(frozen=True, kw_only=True)
class DatasetRecord:
    """What was selected from.

    Attributes:
        name: The name on the command line.
        split: What the user gave as training data: every position counts in it.
        size: Its N samples.
        candidates: The M of them that were selected from; ratios are shares of these.
        num_classes: C.
        class_names: C names.
        label_values: How each of the C classes is written in the user's own labels.
        fingerprint: Changes with the images, the labels or their order.
    """

    name: str
    split: str = "train"
    size: int
    candidates: int
    num_classes: int
    class_names: tuple[str, ...]
    label_values: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class SelectorRecord:
    """What selected.

    Attributes:
        name: The name on the command line.
        settings: Its hyperparameters, as JSON holds them.
    """

    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RatioRecord:
    """How much was kept.

    Attributes:
        requested: The ratio asked for, in (0, 1].
        achieved: K / M.
        thresholded: Share of the keep probabilities above one half, of a policy; None for other selectors.
    """

    requested: float
    achieved: float
    thresholded: float | None


@dataclass(frozen=True, kw_only=True)
class ScoreRecord:
    """How the scores are to be read.

    Attributes:
        kind: `score` (any scale) or `logit` (log-odds of keeping).
        policy: Whether they are the keep logits of a policy, with 0 as its threshold.
    """

    kind: Literal["score", "logit"] = "score"
    policy: bool = False


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What a choice is worth against a random one of the same size, on samples held out of the training split.

    Attributes:
        loss: Cross-entropy saved, in nats; high = better than random.
        loss_error: Its standard error.
        points: Accuracy gained, in points.
        points_error: Its standard error.
    """

    loss: float
    loss_error: float
    points: float
    points_error: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What short trainings of the model to come said about a choice.

    Attributes:
        chosen: The variant of the method that is best for the training to come; `random` where none is better.
        tried: What each variant is worth, in the order in which they were tried.
        model: The model that was trained.
        steps: Of each training.
        of_steps: Of the training to come.
        rounds: Trainings of each variant, and of a random choice.
        seconds: That all of them took.
    """

    chosen: str
    tried: Mapping[str, Gain]
    model: str
    steps: int
    of_steps: int
    rounds: int
    seconds: float

    def __str__(self) -> str:
        gains = ", ".join(f"{name} {gain.points:+.1f} ± {gain.points_error:.1f}" for name, gain in self.tried.items())
        decision = {
            "reward": "the choice follows the reward",
            "random": "no rule is better than a random choice, which is taken",
        }.get(self.chosen, f"the choice prefers {self.chosen} samples")
        return (
            f"in trials of {self.model} ({self.rounds} x {self.steps} of {self.of_steps} steps), points of accuracy "
            f"against a random choice: {gains}; {decision}"
        )


@dataclass(frozen=True, kw_only=True)
class RatioLoss:
    """What a ratio costs against all of the data.

    Attributes:
        ratio: The keep ratio.
        points: Accuracy lost, in points; negative for a gain.
        low: Lower end of the band.
        high: Upper end of the band, below which the loss lies in nine of ten cases.
    """

    ratio: float
    points: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What trainings on held-out samples said about the ratio (`ratio=auto`).

    Attributes:
        tolerance: The loss that was allowed, in points.
        measured: The ratios that were trained on, with one standard error on each side.
        curve: The ratios that could be chosen, as predicted.
        model: The model that was trained.
        steps: Of each training.
        rounds: Trainings at each ratio, and on all of the data.
        seconds: That all of them took.
    """

    tolerance: float
    measured: tuple[RatioLoss, ...]
    curve: tuple[RatioLoss, ...]
    model: str
    steps: int
    rounds: int
    seconds: float

    def __str__(self) -> str:
        curve = ", ".join(f"{one.ratio:g}: {one.points:+.1f} [{one.low:+.1f}, {one.high:+.1f}]" for one in self.curve)
        return (
            f"predicted loss of {self.model} against all of the data in points, by ratio: {curve}; "
            f"{self.tolerance:g} may be lost"
        )


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a coreset comes from.

    Attributes:
        dataset: What was selected from.
        selector: What selected.
        ratio: How much was kept.
        score: How the scores are to be read.
        export: How the scores became a set.
        seed: The run's seed.
        settings_hash: Hash of all settings that decide the result.
        versions: Versions of Python and of the packages that computed it.
        wall_seconds: How long that took.
        peak_rss_bytes: The most memory it held.
        outcome: What trials said about the choice; None without any.
        prediction: What trainings said about the ratio; None where it was given.
        parent: The run that this one started from; None for one that started from nothing.
    """

    dataset: DatasetRecord
    selector: SelectorRecord
    ratio: RatioRecord
    score: ScoreRecord
    export: ResolvedExport
    seed: int
    settings_hash: str
    versions: Mapping[str, str]
    wall_seconds: float
    peak_rss_bytes: int
    outcome: Outcome | None = None
    prediction: Prediction | None = None
    parent: str | None = None

    def to_json(self) -> Mapping[str, Any]:
        """Returns the fields as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: JsonObject) -> Provenance:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: if a field is missing or of another type, with its name.
        """
        dataset, selector, ratio = content.part("dataset"), content.part("selector"), content.part("ratio")
        return cls(
            dataset=DatasetRecord(
                name=dataset.text("name"),
                split=dataset.text("split"),
                size=dataset.integer("size"),
                candidates=dataset.integer("candidates"),
                num_classes=dataset.integer("num_classes"),
                class_names=dataset.texts("class_names"),
                label_values=dataset.texts("label_values"),
                fingerprint=dataset.text("fingerprint"),
            ),
            selector=SelectorRecord(name=selector.text("name"), settings=selector.mapping("settings")),
            ratio=RatioRecord(
                requested=ratio.number("requested"),
                achieved=ratio.number("achieved"),
                thresholded=ratio.number_or_none("thresholded"),
            ),
            score=_score(content.part("score")),
            export=_export(content.part("export")),
            seed=content.integer("seed"),
            settings_hash=content.text("settings_hash"),
            versions=content.mapping("versions"),
            wall_seconds=content.number("wall_seconds"),
            peak_rss_bytes=content.integer("peak_rss_bytes"),
            outcome=_outcome(content),
            prediction=_prediction(content),
            parent=content.text_or_none("parent"),
        )


def _score(content: JsonObject) -> ScoreRecord:
    kind = content.text("kind")
    if kind not in ("score", "logit"):
        raise ValueError(f"score.kind must be score or logit, got {kind!r}")
    return ScoreRecord(kind=cast("Literal['score', 'logit']", kind), policy=content.flag("policy"))


def _outcome(content: JsonObject) -> Outcome | None:
    if not content.has("outcome"):
        return None
    found = content.part("outcome")
    tried = found.part("tried")
    return Outcome(
        chosen=found.text("chosen"),
        tried={
            name: Gain(**{item.name: tried.part(name).number(item.name) for item in fields(Gain)})
            for name in found.mapping("tried")
        },
        model=found.text("model"),
        steps=found.integer("steps"),
        of_steps=found.integer("of_steps"),
        rounds=found.integer("rounds"),
        seconds=found.number("seconds"),
    )


def _prediction(content: JsonObject) -> Prediction | None:
    if not content.has("prediction"):
        return None
    found = content.part("prediction")
    return Prediction(
        tolerance=found.number("tolerance"),
        measured=_ratio_losses(found, "measured"),
        curve=_ratio_losses(found, "curve"),
        model=found.text("model"),
        steps=found.integer("steps"),
        rounds=found.integer("rounds"),
        seconds=found.number("seconds"),
    )


def _ratio_losses(content: JsonObject, key: str) -> tuple[RatioLoss, ...]:
    rows = [JsonObject(row, key) for row in content.items(key)]
    return tuple(RatioLoss(**{item.name: row.number(item.name) for item in fields(RatioLoss)}) for row in rows)


def _export(content: JsonObject) -> ResolvedExport:
    try:
        return ResolvedExport(
            mode=content.text("mode"),  # type: ignore[arg-type] # the class checks its values
            temperature=content.number("temperature"),
            class_balance=content.text("class_balance"),  # type: ignore[arg-type]
            trim_hardest=content.number("trim_hardest"),
            min_per_class=content.integer("min_per_class"),
            near_duplicates=content.text("near_duplicates") if content.has("near_duplicates") else "as_any",  # type: ignore[arg-type]
        )
    except ConfigurationError as error:
        raise ValueError(str(error)) from error


@dataclass(frozen=True)
class JsonObject:
    """A JSON object that gives a value only where it has the right type.

    Attributes:
        content: The object, as `json.loads` gives it.
        name: Where it stands, for messages; empty for the outermost.
    """

    content: object
    name: str = ""

    def value(self, key: str) -> Any:  # noqa: ANN401 - JSON
        """Returns the value of `key`; every method raises `ValueError` where there is no fitting one."""
        if not isinstance(self.content, dict) or key not in self.content:
            raise ValueError(f"{self._path(key)} is missing")
        return self.content[key]

    def has(self, key: str) -> bool:
        """Returns whether `key` has a value; it may be younger than the file."""
        return isinstance(self.content, dict) and self.content.get(key) is not None

    def part(self, key: str) -> JsonObject:
        return JsonObject(self.mapping(key), self._path(key))

    def mapping(self, key: str) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self._checked(key, isinstance(self.value(key), dict), "an object"))

    def text(self, key: str) -> str:
        return cast("str", self._checked(key, isinstance(self.value(key), str), "a string"))

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.value(key)
        right = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return tuple(self._checked(key, right, "a list of strings"))

    def items(self, key: str) -> Sequence[object]:
        return cast("Sequence[object]", self._checked(key, isinstance(self.value(key), list), "a list"))

    def text_or_none(self, key: str) -> str | None:
        return None if self.value(key) is None else self.text(key)

    def flag(self, key: str) -> bool:
        return cast("bool", self._checked(key, isinstance(self.value(key), bool), "true or false"))

    def integer(self, key: str) -> int:
        value = self.value(key)
        return cast("int", self._checked(key, isinstance(value, int) and not isinstance(value, bool), "an integer"))

    def number(self, key: str) -> float:
        value = self.value(key)
        right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return float(self._checked(key, right, "a finite number"))

    def number_or_none(self, key: str) -> float | None:
        return None if self.value(key) is None else self.number(key)

    def _checked(self, key: str, right: bool, allowed: str) -> Any:  # noqa: ANN401 - JSON
        if not right:
            raise ValueError(f"{self._path(key)} must be {allowed}, got {self.value(key)!r}")
        return self.value(key)

    def _path(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key
