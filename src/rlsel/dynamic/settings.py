"""The settings of a choice that is made while the model trains."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rlsel.checks import number_between, one_of
from rlsel.dynamic.rules import RULES, build_rule
from rlsel.training.observation import PassRule


@dataclass(frozen=True, kw_only=True)
class DynamicSettings:
    """What each pass of a training is over.

    Attributes:
        rule: `dynamic` (by error and doubt), `rs2` (a fresh random part) or `infobatch` (without what is learned).
        ratio: Share of the samples in a pass, in (0, 1].
    """

    rule: str
    ratio: float = 0.5

    def __post_init__(self) -> None:
        one_of("rule", self.rule, tuple(sorted(RULES)))
        number_between("ratio", self.ratio, 0, 1, low_open=True)

    def build(self, labels: torch.Tensor) -> PassRule:
        """Makes the rule for (N,) int64 labels."""
        return build_rule(self.rule, labels, ratio=self.ratio)
