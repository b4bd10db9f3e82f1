import pytest
import torch
from torch import nn

from rlsel.models.small_cnn import SmallCNN


def test_has_the_parameters_that_its_description_gives() -> None:
    model = SmallCNN(width=8).build((1, 28, 28), 10)
    # convolutions 9*1*8 + 9*8*16 + 9*16*32, normalisations 2*(8 + 16 + 32), head 288*10 + 10 (288 = 32*3*3)
    assert sum(parameter.numel() for parameter in model.parameters()) == 72 + 1152 + 4608 + 112 + 2890


def test_pools_while_the_image_is_large_enough() -> None:
    def pools(side: int) -> int:
        return sum(isinstance(layer, nn.MaxPool2d) for layer in SmallCNN().build((1, side, side), 10).modules())

    assert [pools(side) for side in (28, 8, 4, 3, 2, 1)] == [3, 3, 2, 1, 1, 0]


def test_a_single_pixel_needs_no_neighbours() -> None:
    model = SmallCNN(width=2).build((6, 1, 1), 3)
    assert model.backbone[0].kernel_size == (1, 1)


@pytest.mark.parametrize(
    ("shape", "cells"), [((8, 8), 1), ((28, 28), 9), ((32, 32), 16), ((64, 64), 16), ((224, 224), 16), ((64, 16), 8)]
)
def test_the_feature_is_a_grid_of_at_most_four_by_four(shape: tuple[int, int], cells: int) -> None:
    model = SmallCNN(width=2).build((1, *shape), 3).eval()
    assert model(torch.zeros(2, 1, *shape)).features.shape == (2, 8 * cells)


def test_the_feature_tells_where_things_are() -> None:
    model = SmallCNN(width=2).build((1, 32, 32), 3).eval()
    first, second = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    first[..., 10:14, 10:14] = 1.0
    second[..., 18:22, 10:14] = 1.0
    grid = model(first).features.reshape(8, 4, 4)
    # a cell is 8 pixels wide: the same response, one row of cells further down
    torch.testing.assert_close(grid.roll(1, dims=1), model(second).features.reshape(8, 4, 4))
    assert float(grid.detach().std(dim=(1, 2)).max()) > 0
