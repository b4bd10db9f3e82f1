"""How likely a label is wrong, without knowing how many are: a local false discovery rate.

A wrong label was as good as drawn from the other classes. How the target model takes such a label is therefore known
without planting any: it is how it took the *other* labels of all samples. The margin of a sample's own label, ranked
among the margins that its label had on samples of other classes, is a p-value of the hypothesis "this label is wrong":
uniform in [0, 1] for wrong labels, near 1 for right ones.

    ρ    share of wrong labels, from the p-values that right labels hardly have (Storey 2002, eq. 6)
    p_i  ρ / f(u_i), the posterior probability that label i is wrong (Efron et al. 2001, eq. 2.3), f the density of all
         p-values; forced to fall with u, as a better margin is never worse evidence

Clean data has hardly a p-value below λ, so that ρ and every p_i are near 0 and nothing changes.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LAMBDA = 0.8
"""λ: the share of wrong labels is estimated from the p-values up to λ, which right labels hardly have. A target that
memorises gives wrong labels high p-values too; a much lower λ would miss these."""

_BINS = 50
"""Bins of the histogram that estimates f. Each is given one more sample, so that f is nowhere zero."""


def label_p_values(margin: Tensor, labels: Tensor, other_margin: Tensor, other_labels: Tensor) -> Tensor:
    """Ranks the margin of each label among the margins that it had where it is wrong.

    Args:
        margin: (N,) margin of each sample's label, in [−1, 1].
        labels: (N,) int64.
        other_margin: (N,) margin of another label for each sample, in [−1, 1].
        other_labels: (N,) int64, these labels.

    Returns:
        (N,) float32 in [0, 1], the share of wrong margins that are not above the sample's; 1 where a label is nobody's
        other label.
    """
    # margins are in [-1, 1]: four apart, the labels stay in order, and one search serves all of them
    wrong = (4.0 * other_labels.double() + other_margin).sort().values
    own = 4.0 * labels.double()
    first, last = torch.searchsorted(wrong, own - 2), torch.searchsorted(wrong, own + 2)
    below = torch.searchsorted(wrong, own + margin, right=True) - first
    return torch.where(last > first, below / (last - first).clamp_min(1), 1.0).float()


def label_error_probability(p_values: Tensor) -> Tensor:
    """Computes the probability that each label is wrong.

    Args:
        p_values: (N,) p-values, as `label_p_values` gives them.

    Returns:
        (N,) float32 in [0, 1].
    """
    bins = (p_values * _BINS).long().clamp_max(_BINS - 1)
    counts = torch.bincount(bins, minlength=_BINS).float() + 1
    density = counts / counts.sum() * _BINS
    share = (p_values <= _LAMBDA).float().mean() / _LAMBDA
    wrong = (share / density).clamp_max(1.0)
    falling = wrong.flip(0).cummax(dim=0).values.flip(0)
    return falling[bins]
