import torch
from torch import nn

from rlsel.models.small_cnn import SmallCNN


def test_has_the_parameters_that_its_description_gives() -> None:
    model = SmallCNN(width=8).build((1, 28, 28), 10)
    # convolutions 9*1*8 + 9*8*16 + 9*16*64, normalisations 2*(8 + 16 + 64), head 64*10 + 10
    assert sum(parameter.numel() for parameter in model.parameters()) == 72 + 1152 + 9216 + 176 + 650


def test_pools_twice_where_the_image_is_large_enough() -> None:
    def pools(side: int) -> int:
        return sum(isinstance(layer, nn.MaxPool2d) for layer in SmallCNN().build((1, side, side), 10).modules())

    assert [pools(side) for side in (28, 4, 3, 2, 1)] == [2, 2, 1, 1, 0]


def test_a_single_pixel_needs_no_neighbours() -> None:
    model = SmallCNN(width=2).build((6, 1, 1), 3)
    assert model.backbone[0].kernel_size == (1, 1)


def test_features_do_not_depend_on_where_the_whole_image_lies() -> None:
    # after two poolings of 2, a shift by 4 pixels inside an empty border moves whole cells, which the mean ignores
    model = SmallCNN(width=2).build((1, 32, 32), 3).eval()
    spot = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    first, second = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    first[..., 12:16, 12:16] = spot
    second[..., 16:20, 12:16] = spot
    torch.testing.assert_close(model(first).features, model(second).features)
