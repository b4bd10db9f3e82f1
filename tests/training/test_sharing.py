"""Batches in parts, and what several processes say of them together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, distributed, nn

from rlsel.errors import ConfigurationError
from rlsel.processes import ALONE
from rlsel.training.batch_norm import WholeBatchNorm, share_batch_norms
from rlsel.training.devices import DeviceSettings
from rlsel.training.fabric import Together
from rlsel.training.sharing import SharedBatches


@dataclass(frozen=True)
class OneOf:
    """A process whose others hold what `others` says, in their order, with its own part in place."""

    rank: int
    size: int
    others: dict[int, Tensor]

    def gather(self, own: Tensor, lengths: Sequence[int]) -> Tensor:
        assert len(own) == lengths[self.rank]
        return torch.cat([own if rank == self.rank else self.others[rank] for rank in range(self.size)])

    def sum(self, own: Tensor) -> Tensor:
        raise AssertionError

    def any(self, own: bool) -> bool:
        raise AssertionError

    def take_from_first(self, tensors: Iterable[Tensor]) -> None:
        raise AssertionError


def test_a_batch_is_cut_in_order_and_put_together_again() -> None:
    logits, losses = torch.arange(10.0).reshape(5, 2), torch.arange(5.0) + 100
    second = torch.cat([logits[3:], losses[3:, None]], dim=1)
    batches = SharedBatches(OneOf(0, 2, {1: second}))
    rows = batches.rows(5)
    assert (rows, batches.parts(5)) == (slice(0, 3), 2)
    whole = batches.whole([logits[rows], losses[rows]], 5)
    assert torch.equal(whole[0], logits)
    assert torch.equal(whole[1], losses)


def test_a_batch_too_small_to_be_normalised_in_parts_is_whole_everywhere() -> None:
    batches = SharedBatches(OneOf(1, 2, {}))
    assert (batches.rows(3), batches.parts(3)) == (slice(0, 3), 1)
    assert torch.equal(batches.whole([torch.ones(3)], 3)[0], torch.ones(3))
    assert SharedBatches(ALONE).rows(3) == slice(0, 3)


def test_only_the_first_process_draws_what_one_process_would() -> None:
    assert SharedBatches(ALONE).own_stream("layers", 7) == ("layers", 7)
    assert SharedBatches(OneOf(1, 2, {})).own_stream("layers", 7) != ("layers", 7)


@pytest.fixture
def group() -> Iterator[None]:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_a_shared_batch_normalisation_is_that_of_torch(group: None) -> None:
    generator = torch.Generator().manual_seed(0)
    batches = [3 + 2 * torch.randn(6, 2, 3, 3, generator=generator) for _ in range(3)]
    models = [nn.Sequential(nn.BatchNorm2d(2)) for _ in range(2)]
    expected, shared = models
    share_batch_norms(shared)
    assert isinstance(shared[0], WholeBatchNorm)
    for batch in batches:
        for model in models:
            (model(batch) ** 3).sum().backward()
    for name, value in expected.state_dict().items():
        assert torch.allclose(shared.state_dict()[name], value, rtol=1e-5), name
    for ours, theirs in zip(shared.parameters(), expected.parameters(), strict=True):
        assert ours.grad is not None
        assert torch.allclose(ours.grad, theirs.grad, rtol=1e-4), "float32 sums in another order"
    assert torch.equal(shared.eval()(batches[0]), expected.eval()(batches[0])) or torch.allclose(
        shared(batches[0]), expected(batches[0]), rtol=1e-5
    )


def test_the_processes_of_a_group_gather_parts_that_are_padded(group: None) -> None:
    together = Together(torch.device("cpu"))
    assert torch.equal(together.gather(torch.arange(3), [3]), torch.arange(3))
    assert together.any(True)
    assert not together.any(False)
    own = torch.ones(2)
    assert torch.equal(together.sum(own), own)


def test_processes_must_be_as_many_as_were_started(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"start them with torchrun"), DeviceSettings(processes=2).computing():
        pass
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    with (
        pytest.raises(ConfigurationError, match=r"torchrun --nproc-per-node says, 4, got 2"),
        DeviceSettings(processes=2, accelerator="cpu").computing(),
    ):
        pass
