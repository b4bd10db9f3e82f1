import pytest
from torchvision import models

from rlsel.errors import ConfigurationError
from rlsel.models.swin import Swin


@pytest.mark.thorough
def test_is_swin_t_on_large_images() -> None:
    expected = models.swin_t(weights=None, num_classes=10).state_dict()
    found = Swin(width=96, heads=3).build((3, 64, 64), 10).state_dict()
    assert [value.shape for value in found.values()] == [value.shape for value in expected.values()]


@pytest.mark.parametrize(
    ("side", "patch", "window", "dimension"),
    # 8 width after four stages, 4 width after three
    [(64, 4, 7, 64), (63, 2, 4, 32), (28, 2, 4, 32), (16, 2, 4, 32), (15, 1, 4, 32), (4, 1, 4, 32)],
)
def test_fits_the_image(side: int, patch: int, window: int, dimension: int) -> None:
    model = Swin(width=8, heads=2).build((1, side, side), 3)
    assert model.backbone.features[0][0].stride == (patch, patch)
    assert model.backbone.features[1][0].attn.window_size == [window, window]
    assert model.head.in_features == dimension


def test_refuses_images_without_neighbourhoods() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Swin().build((64, 1, 1), 10)
    assert str(caught.value) == "model=swin needs images of at least 4 x 4 pixels, got 1 x 1: use model=small_cnn"
