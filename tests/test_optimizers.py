"""The optimisers give the numbers of torch's own."""

import pytest
import torch
from torch import Tensor, nn

from rlsel.optimizers import SGD, Adam, AdamW

PAIRS = [
    (SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (Adam, torch.optim.Adam, {"lr": 0.1, "fused": True}),
    (AdamW, torch.optim.AdamW, {"lr": 0.1, "weight_decay": 0.01}),
]


def steps(optimizer: torch.optim.Optimizer, model: nn.Linear, number: int) -> None:
    for step in range(number):
        optimizer.zero_grad()
        model(torch.full((2, 3), float(step + 1))).square().sum().backward()
        optimizer.step()


def weights(model: nn.Linear) -> Tensor:
    return torch.cat([model.weight.detach().flatten(), model.bias.detach()])


@pytest.mark.parametrize(("ours", "of_torch", "settings"), PAIRS, ids=["sgd", "adam", "adamw"])
def test_the_same_bytes_also_from_a_saved_state(ours: type, of_torch: type, settings: dict[str, float]) -> None:
    models = [nn.utils.skip_init(nn.Linear, 3, 2) for _ in range(3)]
    for model in models:
        nn.init.constant_(model.weight, 0.5)
        nn.init.zeros_(model.bias)
    first, second, third = models
    expected = of_torch(first.parameters(), **settings)
    steps(expected, first, 5)
    before = ours(second.parameters(), **settings)
    steps(before, second, 5)
    assert not torch.equal(weights(first), torch.tensor([0.5] * 6 + [0.0] * 2)), "something was learnt"
    assert torch.equal(weights(first), weights(second))
    after = ours(third.parameters(), **settings)
    third.load_state_dict(second.state_dict())
    after.load_state_dict(before.state_dict())
    steps(expected, first, 3)
    steps(after, third, 3)
    assert torch.equal(weights(first), weights(third))
