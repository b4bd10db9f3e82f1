"""The law that a cloud of pairs follows: a line through the origin that nearly all lie below, and where it bends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

QUANTILE = 0.95
"""The share of pairs that lie below the envelope."""

_BINS, _RESAMPLES = 12, 200
_BAND = (0.025, 0.975)


@dataclass(frozen=True, kw_only=True)
class Power:
    """The exponent b of the law difference ∝ ε^b that the envelope follows: the test of whether the law bends.

    A difference is O(ε) for ε → 0 where b is at least 1; below 1, difference / ε grows without bound.

    Attributes:
        exponent: 1 plus the slope of the least squares line through the logarithms of the 95 % quantiles of
            difference / ε in the bins, over the logarithms of the median distances.
        low: Lower end of its 95 % bootstrap band, over the pairs of each bin.
        high: Upper end.
    """

    exponent: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A robust upper envelope of differences against distances, through the origin.

    Attributes:
        slope: The line that 95 % of the pairs lie below: the quantile regression of the difference on ε without an
            intercept, which is the 95 % quantile of difference / ε with the weights ε. The constant in O(ε).
        slope_low: Lower end of its 95 % bootstrap band, over pairs.
        slope_high: Upper end.
        largest: The largest difference / ε of all pairs.
        holds_up_to: The ε up to which the linear law holds: the lower edge of the first bin whose own envelope is
            above the line by more than the bands, that is, the lower end of the bin's band is above `slope_high`. 0
            for the first bin; the largest distance where there is no such bin.
        edges: (B + 1) distances between which the bins lie, each with as many pairs.
        rates: (B,) 95 % quantiles of difference / ε in each bin.
        rates_low: (B,) lower ends of their bands.
        power: The exponent of the law; None where a quantile is 0, which has no logarithm.
    """

    slope: float
    slope_low: float
    slope_high: float
    largest: float
    holds_up_to: float
    edges: tuple[float, ...]
    rates: tuple[float, ...]
    rates_low: tuple[float, ...]
    power: Power | None


def fit_envelope(distances: Tensor, differences: Tensor, *, generator: torch.Generator) -> Envelope | None:
    """Fits the envelope of a cloud of pairs.

    Args:
        distances: (P,) ascending; pairs at distance 0, of which no line through the origin says anything, are left out.
        differences: (P,).
        generator: A CPU generator, for the bootstrap.

    Returns:
        The envelope; None for fewer than two pairs in a bin.
    """
    apart = distances > 0
    distances, rates = distances[apart], differences[apart] / distances[apart]
    if len(rates) < 2 * _BINS:
        return None
    slopes = torch.stack([_weighted_quantile(rates[drawn], distances[drawn]) for drawn in _redraws(rates, generator)])
    low, high = (float(end) for end in slopes.quantile(torch.tensor(_BAND, dtype=slopes.dtype)))
    bins = torch.tensor_split(rates, _BINS)
    starts = [0, *torch.tensor([len(part) for part in bins]).cumsum(0).tolist()]
    edges = [float(distances[min(start, len(distances) - 1)]) for start in starts]
    lows = [_lower_end(part, generator) for part in bins]
    broken = next((number for number, end in enumerate(lows) if end > high), None)
    return Envelope(
        slope=float(_weighted_quantile(rates, distances)),
        slope_low=low,
        slope_high=high,
        largest=float(rates.max()),
        holds_up_to=edges[-1] if broken is None else 0.0 if broken == 0 else edges[broken],
        edges=tuple(edges),
        rates=tuple(float(part.quantile(QUANTILE)) for part in bins),
        rates_low=tuple(lows),
        power=_power(torch.tensor_split(distances, _BINS), bins, generator),
    )


def _power(distances: Sequence[Tensor], rates: Sequence[Tensor], generator: torch.Generator) -> Power | None:
    found = torch.stack([part.quantile(QUANTILE) for part in rates])
    redrawn = torch.stack([part[_redraws(part, generator)].quantile(QUANTILE, dim=1) for part in rates])
    across = torch.stack([part.median() for part in distances]).log()
    across = across - across.mean()
    if min(float(found.min()), float(redrawn.min())) <= 0 or not across.any():
        return None
    across = across / across.square().sum()
    low, high = (1 + across @ redrawn.log()).quantile(torch.tensor(_BAND, dtype=across.dtype)).tolist()
    return Power(exponent=1 + float(across @ found.log()), low=low, high=high)


def _redraws(values: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(len(values), (_RESAMPLES, len(values)), generator=generator)


def _lower_end(rates: Tensor, generator: torch.Generator) -> float:
    quantiles = rates[_redraws(rates, generator)].quantile(QUANTILE, dim=1)
    return float(quantiles.quantile(_BAND[0]))


def _weighted_quantile(values: Tensor, weights: Tensor) -> Tensor:
    """Returns the least value below or at which `QUANTILE` of the weight lies."""
    ordered, order = values.sort()
    reached = weights[order].cumsum(0)
    place = torch.searchsorted(reached, QUANTILE * reached[-1])
    return ordered[place.clamp_max(len(ordered) - 1)]
