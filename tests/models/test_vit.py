import pytest
import torch

from rlsel.models.vit import ViT


@pytest.mark.parametrize(
    ("side", "patch", "tokens"),
    # an eighth of the image, rounded up, at most 16; the class token is one more
    [(1, 1, 1), (8, 1, 64), (28, 4, 49), (29, 4, 64), (32, 4, 64), (64, 8, 64), (224, 16, 196)],
)
def test_the_patch_fits_the_image(side: int, patch: int, tokens: int) -> None:
    transformer = ViT(width=8, depth=1, heads=2).build((1, side, side), 3).backbone[1]
    assert (transformer.patch_size, transformer.seq_length) == (patch, tokens + 1)


def test_the_patch_can_be_chosen() -> None:
    assert ViT(width=8, depth=1, heads=2, patch=7).build((1, 28, 28), 3).backbone[1].seq_length == 16 + 1


def test_a_published_size_has_its_published_number_of_parameters() -> None:
    # ViT-S/16 at 224 pixels: 22.1 million with 1000 classes (Touvron et al. 2021, Table 1)
    model = ViT(width=384, depth=12, heads=6).build((3, 224, 224), 1000)
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(22.1e6, rel=0.005)


def test_pads_below_and_to_the_right() -> None:
    model = ViT(width=8, depth=1, heads=2, patch=4).build((1, 5, 7), 3).eval()
    images = torch.rand(2, 1, 5, 7, generator=torch.Generator().manual_seed(0))
    padded = torch.zeros(2, 1, 8, 8)
    padded[:, :, :5, :7] = images
    assert torch.equal(model(images).features, model.backbone[1](padded))
