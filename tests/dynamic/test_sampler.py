"""`DynamicSampler` in loops that know nothing of rlsel."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from rlsel import DynamicSampler
from rlsel.errors import ConfigurationError, DataError

LABELS = torch.arange(60) % 3
INPUTS = torch.randn(60, 5, generator=torch.Generator().manual_seed(0)) + 2 * nn.functional.one_hot(LABELS, 5)


def loader_of(sampler: DynamicSampler, **settings: object) -> DataLoader[tuple[torch.Tensor, ...]]:
    positions = torch.arange(len(LABELS))
    return DataLoader(TensorDataset(INPUTS, LABELS, positions), batch_size=8, sampler=sampler, **settings)


def passes(sampler: DynamicSampler, count: int, **settings: object) -> list[list[int]]:
    """Trains a linear model, and returns what each pass was over."""
    model = nn.Linear(5, 3)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    seen = []
    for _ in range(count):
        seen.append([])
        for inputs, labels, positions in loader_of(sampler, **settings):
            loss = sampler.loss(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen[-1] += positions.tolist()
    return seen


@pytest.mark.parametrize(("rule", "sizes"), [("dynamic", [60, 30, 30, 30]), ("rs2", [30] * 4)])
def test_each_pass_is_over_its_share(rule: str, sizes: list[int]) -> None:
    sampler = DynamicSampler(LABELS, ratio=0.5, rule=rule, seed=3)
    seen = passes(sampler, 4)
    assert [len(positions) for positions in seen] == sizes
    assert all(len(set(positions)) == len(positions) for positions in seen)
    assert seen == passes(DynamicSampler(LABELS.tolist(), ratio=0.5, rule=rule, seed=3), 4)
    assert seen != passes(DynamicSampler(LABELS, ratio=0.5, rule=rule, seed=4), 4)


def test_infobatch_leaves_nothing_out_at_the_end() -> None:
    seen = passes(DynamicSampler(LABELS, ratio=0.6, rule="infobatch", passes=8), 8)
    assert (len(seen[0]), len(seen[7])) == (60, 60)
    assert 28 < len(seen[4]) < 50


def test_workers_and_batches_that_are_dropped_change_nothing() -> None:
    plain = passes(DynamicSampler(LABELS, ratio=0.5, rule="rs2"), 3)
    assert passes(DynamicSampler(LABELS, ratio=0.5, rule="rs2"), 3, num_workers=1) == plain
    dropped = passes(DynamicSampler(LABELS, ratio=0.5, rule="rs2"), 3, drop_last=True)
    assert dropped == [positions[:24] for positions in plain]


def test_it_goes_on_from_its_state() -> None:
    whole = passes(DynamicSampler(LABELS, ratio=0.3, rule="rs2", seed=1), 6)
    first = DynamicSampler(LABELS, ratio=0.3, rule="rs2", seed=1)
    passes(first, 3)
    second = DynamicSampler(LABELS, ratio=0.3, rule="rs2", seed=1)
    second.load_state_dict(first.state_dict())
    assert passes(second, 3) == whole[3:]


def test_the_loss_is_that_of_torch() -> None:
    sampler = DynamicSampler(LABELS, ratio=1.0, rule="rs2")
    inputs, labels, _ = next(iter(loader_of(sampler)))
    logits = nn.Linear(5, 3)(inputs)
    torch.testing.assert_close(sampler.loss(logits, labels), nn.functional.cross_entropy(logits, labels))


def test_batches_that_are_not_the_pass_are_refused() -> None:
    sampler = DynamicSampler(LABELS, ratio=0.5)
    _, labels, _ = next(iter(loader_of(sampler)))
    with pytest.raises(DataError, match="in the order of their pass"):
        sampler.observe(torch.zeros(8, 3), (labels + 1) % 3)
    with pytest.raises(DataError, match="in the order of their pass"):
        sampler.observe(torch.zeros(61, 3), torch.zeros(61, dtype=torch.int64))


@pytest.mark.parametrize("labels", [torch.zeros(3, 2, dtype=torch.int64), torch.zeros(3), torch.tensor([0, -1]), []])
def test_unfit_labels_are_refused(labels: object) -> None:
    with pytest.raises(DataError, match="labels must be"):
        DynamicSampler(labels)


@pytest.mark.parametrize("settings", [{"ratio": 0.0}, {"rule": "other"}, {"passes": 0}, {"seed": -1}])
def test_values_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(settings))} must be"):
        DynamicSampler(LABELS, **settings)


_PROCESS = """
import json, sys, torch
from torch import distributed, nn
from rlsel import DynamicSampler
rank, folder = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
labels = torch.arange(61) % 3
sampler = DynamicSampler(labels, ratio=0.5)
drawn, states = [], []
for _ in range(3):
    drawn.append(list(sampler))
    for first in range(0, len(drawn[-1]), 8):
        positions = torch.tensor(drawn[-1][first : first + 8])
        logits = torch.stack([positions / 61, positions % 2, positions % 5], dim=1).float()
        sampler.observe(logits, labels[positions])
distributed.destroy_process_group()
json.dump(drawn, open(f"{folder}/{rank}.json", "w"))
"""


@pytest.mark.thorough
def test_processes_share_each_pass(tmp_path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", _PROCESS, str(rank), str(tmp_path)]) for rank in (0, 1)
    ]
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert [len(positions) for positions in first] == [31, 16, 16] == [len(positions) for positions in second]
    assert set(first[0]) | set(second[0]) == set(range(61)), "61 samples, of which one comes twice"
    for one, other in zip(first[1:], second[1:], strict=True):
        # 0.5 of 61 are 31, so that one of 32 comes twice; what each saw is known to both, or they would draw apart
        assert len(set(one) | set(other)) == 31
        assert len(set(one) & set(other)) <= 1
