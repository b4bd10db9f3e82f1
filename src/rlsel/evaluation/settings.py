"""What a trained model is measured on besides the test split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rlsel.checks import one_of, refuse
from rlsel.data.corruption import KINDS, SEVERITIES
from rlsel.data.imagenet_variants import IMAGENET_VARIANTS
from rlsel.data.locations import check_location
from rlsel.errors import ConfigurationError

CORRUPTIONS = "corruptions"
"""The name of all corruptions at once."""

_KEY = "evaluation.datasets"


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """Data sets that a model is measured on at the end of its training.

    Attributes:
        datasets: Names, each once: `imagenet_a`, `imagenet_r`, `imagenet_hard`; a corruption of the test split, such
            as `gaussian_noise`, which is the mean over the severities 1 to 5, or `gaussian_noise@3` for one of them;
            `corruptions` or `corruptions@3` for all of them and their mean. The corruptions are `gaussian_noise`,
            `shot_noise`, `impulse_noise`, `gaussian_blur`, `defocus_blur`, `motion_blur`, `fog`, `brightness`,
            `contrast`, `pixelate` and `jpeg_compression`.
        root: The folder that holds `imagenet-a`, `imagenet-r` and `imagenet-hard`; None for the cache folder.
    """

    datasets: tuple[str, ...] = ()
    root: Path | None = None

    def __post_init__(self) -> None:
        check_location("evaluation.root", self.root)
        for name in self.datasets:
            _check(name)
            if self.datasets.count(name) > 1:
                raise ConfigurationError(f"{_KEY} must name each once, got {name} twice: remove one")

    @property
    def needs_root(self) -> bool:
        """Whether one of the data sets lies in `root`."""
        return any(name in IMAGENET_VARIANTS for name in self.datasets)

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of what is measured: the data sets, and behind `corruptions` each kind of its own."""
        names: dict[str, None] = {}
        for name in self.datasets:
            names[name] = None
            kind, at, severity = name.partition("@")
            if kind == CORRUPTIONS:
                names |= dict.fromkeys(f"{one}{at}{severity}" for one in KINDS)
        return tuple(names)


def corruptions_of(name: str) -> tuple[tuple[str, int], ...]:
    """Returns the kinds and severities over which the accuracy under a name is the mean; none for other images.

    Args:
        name: One of `EvaluationSettings.measured`.
    """
    kind, _, severity = name.partition("@")
    kinds = tuple(KINDS) if kind == CORRUPTIONS else (kind,) if kind in KINDS else ()
    severities = (int(severity),) if severity else SEVERITIES
    return tuple((one, level) for one in kinds for level in severities)


def _check(name: str) -> None:
    kind, at, severity = name.partition("@")
    one_of(_KEY, kind, (*IMAGENET_VARIANTS, CORRUPTIONS, *KINDS))
    if at and kind in IMAGENET_VARIANTS:
        raise refuse(_KEY, f"{kind} without a severity", name)
    if at and severity not in map(str, SEVERITIES):
        raise refuse(_KEY, f"a corruption with a severity from 1 to 5, as in {kind}@3", name)
