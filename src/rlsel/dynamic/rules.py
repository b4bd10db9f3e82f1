"""Rules that choose what the next pass over the data trains on.

    rs2        a fresh random part for each pass (Okanovic et al. 2023, RS2, arXiv 2305.18424)
    infobatch  some of the samples with a loss below the mean are left out, the others of them weigh more (Qin et al.
               2024, InfoBatch, arXiv 2303.04947)
    dynamic    drawn in proportion to the error of the model, less the doubt about the label: what RL-Selector's policy
               is rewarded for (`reward=dynamics`), but by what the model makes of it now, not in a training before

All three keep tensors of N numbers and touch them on whole batches. What a batch shows stays on its device until the
next pass is chosen, so that no step waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, distributed

from rlsel.budget import kept_count
from rlsel.checks import number_between, refuse, require_some
from rlsel.policy.label_errors import label_error_probability, label_p_values
from rlsel.training.observation import PassRule


class _Seen:
    """(N, F) numbers of what was last seen of each sample, with the batches that were seen since the last pass."""

    def __init__(self, size: int, columns: int) -> None:
        self.values = torch.zeros(size, columns)
        self.known = torch.zeros(size, dtype=torch.bool)
        self._new: list[tuple[Tensor, Tensor]] = []

    def add(self, positions: Tensor, values: Tensor) -> None:
        """Keeps (B, F) values of the samples at (B,) positions, on the device where they are."""
        self._new.append((positions, values))

    def exchange(self) -> None:
        """Adds the batches that the other processes saw, in the order of the processes."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return
        own = [(positions, values.cpu()) for positions, values in self._new]
        everyone: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(distributed.get_world_size())]
        distributed.all_gather_object(everyone, own)
        self._new = [batch for batches in everyone for batch in batches]

    def settle(self, keep: float = 0.0) -> None:
        """Takes in what is new; of what was known of a sample before, a share of `keep` remains."""
        for positions, values in self._new:
            rows = values.cpu()
            before = torch.where(self.known[positions, None], self.values[positions], rows)
            self.values[positions] = keep * before + (1 - keep) * rows
            self.known[positions] = True
        self._new.clear()

    def state_dict(self) -> dict[str, Any]:
        new = [{"positions": positions, "values": values.cpu()} for positions, values in self._new]
        return {"values": self.values, "known": self.known, "new": new}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.values, self.known = state["values"], state["known"]
        self._new = [(one["positions"], one["values"]) for one in state["new"]]


class RS2:
    """Repeated sampling of random subsets, without replacement: no sample comes again before all others have come."""

    def __init__(self, labels: Tensor, *, ratio: float) -> None:
        """Begins with all samples to come.

        Args:
            labels: (N,) int64.
            ratio: Share of the samples in each pass.
        """
        self._size, self.pass_size = len(labels), kept_count(ratio, len(labels))
        self._left = torch.zeros(0, dtype=torch.int64)

    def choose(self, progress: float, generator: torch.Generator) -> Tensor:
        """Takes those that are left of the last round, then the first of a new one."""
        chosen, self._left = self._left[: self.pass_size], self._left[self.pass_size :]
        missing = self.pass_size - len(chosen)
        if missing:
            order = torch.randperm(self._size, generator=generator)
            taken = torch.zeros(self._size, dtype=torch.bool)
            taken[chosen] = True
            # those of this pass come last in the new round: a pass has no sample twice
            order = torch.cat([order[~taken[order]], order[taken[order]]])
            chosen, self._left = torch.cat([chosen, order[:missing]]), order[missing:]
        return chosen[torch.randperm(len(chosen), generator=generator)]

    def observe(self, positions: Tensor, logits: Tensor, labels: Tensor) -> Tensor | None:
        return None

    def exchange(self) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {"left": self._left}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._left = state["left"]


class InfoBatch:
    """Unbiased pruning of samples that are learned (section 3): losses below the mean are left out with probability r.

    Those of them that stay weigh 1/(1 − r), so that the expected gradient is that of all of the data; in the last
    eighth of the training nothing is left out. The paper fixes r at one half; here it is what makes a pass as large as
    asked for, which at ratio 0.7 is about the same.
    """

    _UNPRUNED_FROM = 0.875
    """δ of the paper."""

    _HIGHEST = 0.95
    """Bound of r, for the sake of the weights."""

    def __init__(self, labels: Tensor, *, ratio: float) -> None:
        """Begins with nothing known.

        Args:
            labels: (N,) int64.
            ratio: Share of the samples in a pass, on average, before the last eighth of the training.
        """
        self._size, self._ratio, self.pass_size = len(labels), ratio, kept_count(ratio, len(labels))
        self._losses = _Seen(self._size, 1)
        self._weights = torch.ones(self._size)

    def choose(self, progress: float, generator: torch.Generator) -> Tensor:
        """Leaves samples out by their last losses; one that was never seen counts as above the mean."""
        self._losses.settle()
        losses, known = self._losses.values[:, 0], self._losses.known
        self._weights = torch.ones(self._size)
        kept = torch.ones(self._size, dtype=torch.bool)
        if known.any() and progress < self._UNPRUNED_FROM:
            below = known & (losses < losses[known].mean())
            pruned = min(self._HIGHEST, (1 - self._ratio) * self._size / max(1, int(below.sum())))
            kept = ~below | (torch.rand(self._size, generator=generator) >= pruned)
            self._weights[below] = 1 / (1 - pruned)
        positions = kept.nonzero()[:, 0]
        return positions[torch.randperm(len(positions), generator=generator)]

    def observe(self, positions: Tensor, logits: Tensor, labels: Tensor) -> Tensor | None:
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        self._losses.add(positions, losses[:, None])
        return self._weights[positions].to(logits.device)

    def exchange(self) -> None:
        self._losses.exchange()

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self._losses.state_dict(), "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._losses.load_state_dict(state["losses"])
        self._weights = state["weights"]


class Dynamic:
    """Draws samples in proportion to error × probability that the label is right, without replacement.

    Both go by a running mean over the passes that a sample was in, of which the last has half of the weight. The first
    pass is over all samples. The doubt compares the margin of a label with that of one other label for each sample,
    drawn once (`rlsel.policy.label_errors`).
    """

    _KEEP = 0.5
    _LEAST_ERROR, _LEAST_RIGHT = 0.02, 0.01
    """Bounds of the two factors, so that every sample comes again."""

    def __init__(self, labels: Tensor, *, ratio: float) -> None:
        """Begins with nothing known.

        Args:
            labels: (N,) int64.
            ratio: Share of the samples in each pass but the first.
        """
        self._labels, self.pass_size = labels, kept_count(ratio, len(labels))
        self._classes = int(labels.max()) + 1
        self._seen = _Seen(len(labels), 3)
        # golden-ratio steps: other labels that are spread evenly, without a random number
        steps = (torch.arange(len(labels)).double() * 0.6180339887498949).frac()
        self._others = (labels + 1 + (steps * (self._classes - 1)).long()) % self._classes

    def choose(self, progress: float, generator: torch.Generator) -> Tensor:
        """Draws the pass; all samples until each was seen."""
        self._seen.settle(self._KEEP)
        size = len(self._labels)
        if not self._seen.known.all():
            return torch.randperm(size, generator=generator)
        probability, margin, other_margin = self._seen.values.unbind(dim=1)
        logits = (1 - probability).clamp_min(self._LEAST_ERROR).log()
        if self._classes > 1:
            p_values = label_p_values(margin, self._labels, other_margin, self._others)
            logits += (1 - label_error_probability(p_values)).clamp_min(self._LEAST_RIGHT).log()
        # Gumbel-top-k: a draw without replacement in proportion to exp(logit)
        uniform = torch.rand(size, generator=generator).clamp_min(torch.finfo(torch.float32).tiny)
        chosen = (logits - (-uniform.log()).log()).topk(self.pass_size).indices
        return chosen[torch.randperm(len(chosen), generator=generator)]

    def observe(self, positions: Tensor, logits: Tensor, labels: Tensor) -> Tensor | None:
        probabilities = torch.softmax(logits, dim=1)
        own, margin = _margin(probabilities, labels)
        _, other_margin = _margin(probabilities, self._others[positions].to(labels.device))
        self._seen.add(positions, torch.stack([own, margin, other_margin], dim=1))
        return None

    def exchange(self) -> None:
        self._seen.exchange()

    def state_dict(self) -> dict[str, Any]:
        return self._seen.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._seen.load_state_dict(state)


def _margin(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the (B,) probabilities of labels, and how far each is above the largest of the other classes."""
    own = probabilities.gather(1, labels[:, None])[:, 0]
    return own, own - probabilities.scatter(1, labels[:, None], 0.0).amax(dim=1)


RULES: Mapping[str, Callable[..., PassRule]] = {"dynamic": Dynamic, "infobatch": InfoBatch, "rs2": RS2}
"""The rules by the names that users give."""


def build_rule(name: str, labels: Tensor, *, ratio: float) -> PassRule:
    """Makes a rule for a data set.

    Args:
        name: One of `RULES`.
        labels: (N,) int64 classes from 0, on the CPU.
        ratio: Share of the samples in a pass, in (0, 1].

    Raises:
        ConfigurationError: for an unknown name, and for a ratio that keeps nothing.
    """
    if name not in RULES:
        raise refuse("rule", ", ".join(sorted(RULES)), name)
    number_between("ratio", ratio, 0, 1, low_open=True)
    require_some("labels", labels.tolist()[:1])
    return RULES[name](labels, ratio=ratio)
