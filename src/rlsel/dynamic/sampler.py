"""`DynamicSampler`: a rule of this package as a sampler for anyone's training loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler

from rlsel.checks import int_at_least, positive_int
from rlsel.dynamic.rules import build_rule
from rlsel.errors import DataError
from rlsel.randomness import torch_generator


class DynamicSampler(Sampler[int]):
    """Chooses what each pass of a `DataLoader` trains on, by what the model made of it so far.

        sampler = rlsel.DynamicSampler(labels, ratio=0.5, passes=30)
        loader = DataLoader(dataset, batch_size=128, sampler=sampler)
        for _ in range(30):
            for images, labels in loader:
                loss = sampler.loss(model(images), labels)

    The loader stays as it is: workers, collation and `drop_last` are the user's. The batches of a pass must be given to
    `loss` or `observe` in the order in which they come, each at most once. Under `torch.distributed`, each process
    draws its share of the same pass, and what was seen is exchanged when the next one begins; every process must then
    go through every pass.
    """

    def __init__(
        self, labels: object, *, ratio: float = 0.5, rule: str = "dynamic", passes: int | None = None, seed: int = 0
    ) -> None:
        """Begins before the first pass.

        Args:
            labels: (N,) whole numbers from 0, the class of each sample of the data set, in its order.
            ratio: Share of the samples in each pass, in (0, 1].
            rule: `dynamic` (by error and doubt; its first pass is over all samples), `rs2` or `infobatch`.
            passes: How many there will be; `infobatch` leaves nothing out in the last eighth of them. None for unknown.
            seed: Whole number of at least 0.

        Raises:
            ConfigurationError: for a value out of range.
            DataError: for labels of another form.
        """
        labels = torch.as_tensor(labels)
        if labels.ndim != 1 or labels.is_floating_point() or not len(labels) or labels.min() < 0:
            raise DataError("labels must be (N,) whole numbers from 0, one for each sample, got others")
        self._labels = labels.to("cpu", torch.int64)
        self._rule = build_rule(rule, self._labels, ratio=ratio)
        self._passes = None if passes is None else positive_int("passes", passes)
        self._seed = int_at_least("seed", seed, 0)
        self._pass = 0
        self._order = torch.zeros(0, dtype=torch.int64)
        self._next = 0

    def __len__(self) -> int:
        """How many samples of the current pass this process draws; an average before the first."""
        return len(self._order) or -(-self._rule.pass_size // _processes())

    def __iter__(self) -> Iterator[int]:
        """Begins the next pass."""
        self._rule.exchange()
        progress = 0.0 if self._passes is None else min(self._pass / self._passes, 1.0)
        order = self._rule.choose(progress, torch_generator(self._seed, "dynamic", self._pass))
        self._pass += 1
        self._next = 0
        self._order = _share(order)
        return iter(self._order.tolist())

    def observe(self, logits: Tensor, labels: Tensor) -> Tensor | None:
        """Sees what the model makes of the next batch of the pass.

        Args:
            logits: (B, C).
            labels: (B,) their classes, on the same device.

        Returns:
            (B,) weights of the losses, 1 on average; None for equal ones.

        Raises:
            DataError: if the labels are not those of the next samples of the pass.
        """
        first, self._next = self._next, self._next + len(labels)
        positions = self._order[first : self._next]
        # checked once a pass, as it waits for the device
        if len(positions) < len(labels) or (first == 0 and not torch.equal(self._labels[positions], labels.cpu())):
            raise DataError(
                "the batches must be given to the DynamicSampler in the order of their pass, each once, with the "
                "labels that it was made with: got others"
            )
        return self._rule.observe(positions, logits.detach().float(), labels)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Returns the cross-entropy of the next batch of the pass, weighted as the rule wants it.

        Args:
            logits: (B, C).
            labels: (B,) their classes.

        Raises:
            DataError: if the labels are not those of the next samples of the pass.
        """
        weights = self.observe(logits, labels)
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        return losses.mean() if weights is None else (weights * losses).mean()

    def state_dict(self) -> dict[str, Any]:
        """Returns what a training that is taken up again between two passes needs."""
        return {"pass": self._pass, "rule": self._rule.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` returned."""
        self._pass = state["pass"]
        self._rule.load_state_dict(state["rule"])


def _processes() -> int:
    distributed = torch.distributed
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def _share(order: Tensor) -> Tensor:
    """Returns what this process draws of a pass: as much as each other, the first samples again where it needs more."""
    processes = _processes()
    if processes == 1:
        return order
    missing = -len(order) % processes
    return torch.cat([order, order[:missing]])[torch.distributed.get_rank() :: processes]
