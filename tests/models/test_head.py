import pytest
import torch

from rlsel.errors import ConfigurationError
from rlsel.models.head import Head

ROWS = torch.randn(6, 9, 1, 1, generator=torch.Generator().manual_seed(0))


def test_its_features_are_the_hidden_layer() -> None:
    model = Head(width=5).build((9, 1, 1), 3)
    logits, features = model(ROWS)
    assert (logits.shape, features.shape) == ((6, 3), (6, 5))
    assert (features >= 0).all()
    hidden = ROWS[:, :, 0, 0] @ model.backbone[1].weight.T
    normalised = (hidden - hidden.mean(dim=0)) / (hidden.var(dim=0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(features, normalised.clamp_min(0))
    torch.testing.assert_close(logits, features @ model.head.weight.T + model.head.bias)


def test_without_a_hidden_layer_it_is_linear_in_the_features_themselves() -> None:
    output = Head(width=0).build((9, 1, 1), 3)(ROWS)
    torch.testing.assert_close(output.features, ROWS[:, :, 0, 0] / 3)  # over the root of 9 columns


def test_images_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="model=head needs rows of features, got images of 8 x 8 pixels"):
        Head().build((1, 8, 8), 3)
