import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from rlsel.data.corruption import KINDS, SEVERITIES, Damage, corrupt, damage

MEAN, STD = torch.tensor([100.0, 50.0]), torch.tensor([20.0, 10.0])


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_noise_has_the_deviation_of_each_channel() -> None:
    images = torch.full((200, 2, 10, 10), 100.0)
    noise = damage(images, Damage.NOISE, mean=MEAN, std=STD, generator=generator()) - images
    # 20000 draws: five standard errors are 5 / sqrt(20000) = 3.5 % for the mean and 2.5 % for the deviation.
    assert (noise.mean(dim=(0, 2, 3)) / STD).abs().max() < 0.035
    assert (noise.std(dim=(0, 2, 3)) / STD - 1).abs().max() < 0.025


def test_noise_on_bytes_stays_in_their_range() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).repeat(1, 2, 20, 20)
    noisy = damage(images, Damage.NOISE, mean=MEAN, std=STD, generator=generator())
    assert noisy.dtype == torch.uint8
    # Half of the noise leaves the range and is cut off; none wraps around: 255 is more than six deviations away.
    assert noisy[0].max() < 128 < noisy[1].min()
    assert 0.4 < (noisy[0] == 0).float().mean() < 0.6


def test_blur_is_the_mean_of_a_square() -> None:
    images = torch.zeros(1, 2, 8, 8)
    images[0, 0, 4, 4] = 9.0
    blurred = damage(images, Damage.BLUR, mean=MEAN, std=STD, generator=generator())
    # 8 // 8 = 1 pixel to each side: squares of 3 x 3, each ninth of 9 is 1.
    expected = torch.zeros(1, 2, 8, 8)
    expected[0, 0, 3:6, 3:6] = 1.0
    # One sum of nine numbers in float32.
    torch.testing.assert_close(blurred, expected, atol=1e-6, rtol=0)


def test_occlusion_is_a_square_of_the_mean_inside_the_image() -> None:
    images = torch.full((300, 2, 6, 9), 7.0)
    occluded = damage(images, Damage.OCCLUSION, mean=MEAN, std=STD, generator=generator())
    hidden = occluded != 7
    assert torch.equal(hidden[:, 0], hidden[:, 1])
    # Half of the shorter side: 3 x 3 pixels in each image, in each of 4 x 7 places.
    assert (hidden[:, 0].flatten(1).sum(dim=1) == 9).all()
    assert len(torch.unique(hidden[:, 0].flatten(1), dim=0)) == 28
    assert (occluded[:, 0][hidden[:, 0]] == 100).all()
    assert (occluded[:, 1][hidden[:, 1]] == 50).all()


BYTES = (0.0, 255.0)
NOISY = ("gaussian_noise", "shot_noise", "impulse_noise")
SHAPES = [(1, 8, 8), (3, 32, 32), (3, 64, 48), (1, 128, 128)]
"""Of each table of strengths, for sides below 48 pixels, below 128, and from there on."""


def smooth(count: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Images with as much structure as photographs have, roughly: blurred noise over all 256 levels."""
    values = torch.rand(count, *shape, generator=generator())
    values = torch.nn.functional.avg_pool2d(values, 3, stride=1, padding=1)
    values = (values - values.min()) / (values.max() - values.min())
    return (255 * values).round().to(torch.uint8)


def corrupted(images: torch.Tensor, kind: str, severity: int, value_range: tuple[float, float] = BYTES) -> torch.Tensor:
    return corrupt(images, kind, severity, value_range=value_range, generator=generator())


def test_there_are_corruptions() -> None:
    assert len(KINDS) == 11
    for kind in KINDS.values():
        assert {len(kind.strengths(side)) for side in (8, 64, 224)} == {len(SEVERITIES)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_severity_is_further_from_the_clean_image(kind: str, shape: tuple[int, int, int]) -> None:
    images = smooth(30 if kind == "fog" else 2, shape)  # a single cloud says little: each severity draws other ones
    results = [corrupted(images, kind, severity) for severity in SEVERITIES]
    distances = [float((result.double() - images).square().mean().sqrt()) for result in results]
    assert {(result.shape, result.dtype) for result in results} == {(images.shape, torch.uint8)}
    # equal ones: blocks of 8 pixels at 0.95 and 0.9 are both 7, and a motion blur of 2 pixels ends before its reach
    assert distances == sorted(distances)
    assert 1 < distances[0] < distances[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_and_floats_of_any_range_are_corrupted_alike(kind: str) -> None:
    images = smooth(3, (3, 32, 32))
    expected = corrupted(images, kind, 3)
    unit = corrupted(images / 255, kind, 3, (0.0, 1.0))
    assert unit.dtype == torch.float32
    assert unit.min() >= 0
    assert unit.max() <= 1
    # half a level of rounding; a photon more or less where a float is rounded otherwise is rare
    assert ((255 * unit - expected).abs() < 0.51).float().mean() > 0.99
    wide = corrupted(images / 50 - 2, kind, 3, (-2.0, 3.1))
    assert ((50 * (wide + 2) - expected).abs() < 0.52).float().mean() > 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_each_image_is_corrupted_for_itself(kind: str) -> None:
    images = smooth(4, (1, 28, 28))
    results = corrupted(images, kind, 5)
    same = images[:1].repeat(4, 1, 1, 1)
    draws = not torch.equal(*corrupted(same, kind, 5)[:2])
    assert draws == (kind in (*NOISY, "motion_blur", "fog"))
    if not draws:
        alone = torch.cat([corrupted(image, kind, 5) for image in images.split(1)])
        # a sum in another order may round to the next level
        assert (results.int() - alone.int()).abs().max() <= 1


@pytest.mark.parametrize("kind", ["gaussian_blur", "defocus_blur", "motion_blur", "contrast", "pixelate"])
@pytest.mark.parametrize("level", [0, 100, 255])
def test_an_even_image_stays_even(kind: str, level: int) -> None:
    images = torch.full((2, 3, 32, 32), level, dtype=torch.uint8)
    for severity in SEVERITIES:
        assert torch.equal(corrupted(images, kind, severity), images)


def test_the_noise_has_the_published_strengths() -> None:
    gray = torch.full((40, 1, 32, 32), 0.5)
    for severity, deviation in zip(SEVERITIES, (0.04, 0.06, 0.08, 0.09, 0.1), strict=True):
        noise = corrupted(gray, "gaussian_noise", severity, (0.0, 1.0)) - gray
        # 40960 draws: five standard errors of a deviation are 5 / sqrt(2 * 40960) = 1.7 %
        assert abs(float(noise.std()) / deviation - 1) < 0.02
    for severity, photons in zip(SEVERITIES, (500, 250, 100, 75, 50), strict=True):
        shot = corrupted(gray, "shot_noise", severity, (0.0, 1.0))
        # a Poisson count of mean 0.5 * photons has this variance, and is divided by the photons
        assert abs(float(shot.std()) / (0.5 / photons) ** 0.5 - 1) < 0.02
        assert torch.equal((shot * photons).round() / photons, shot)
    for severity, share in zip(SEVERITIES, (0.01, 0.02, 0.03, 0.05, 0.07), strict=True):
        impulses = corrupted(gray, "impulse_noise", severity, (0.0, 1.0))
        # five standard errors of a share of 1 % of 40960 are a quarter of it
        assert abs(float((impulses == 0).float().mean()) / (share / 2) - 1) < 0.36
        assert abs(float((impulses != 0.5).float().mean()) / share - 1) < 0.25
        assert set(impulses.unique().tolist()) == {0, 0.5, 1}


def test_brightness_keeps_the_hue() -> None:
    pixel = torch.tensor([0.5, 0.25, 0.0]).view(1, 3, 1, 1).repeat(1, 1, 2, 2)
    # the largest channel gains 0.3 and the others keep their share of it
    bright = corrupted(pixel, "brightness", 5, (0.0, 1.0))[0, :, 0, 0]
    torch.testing.assert_close(bright, torch.tensor([0.8, 0.4, 0.0]))
    assert (corrupted(torch.zeros(1, 3, 2, 2), "brightness", 5, (0.0, 1.0)) == 0.3).all()
    assert (corrupted(torch.full((1, 1, 2, 2), 0.9), "brightness", 5, (0.0, 1.0)) == 1.0).all()


def test_contrast_draws_each_channel_to_its_mean() -> None:
    image = torch.tensor([[[[0.0, 1.0]] * 2, [[0.25, 0.25]] * 2]])
    # 0.5 - 0.15 * 0.5 and 0.5 + 0.15 * 0.5
    expected = torch.tensor([[[[0.425, 0.575]] * 2, [[0.25, 0.25]] * 2]])
    torch.testing.assert_close(corrupted(image, "contrast", 5, (0.0, 1.0)), expected)


@pytest.mark.parametrize(("height", "width", "share"), [(8, 9, 0.65), (28, 36, 0.65), (32, 40, 0.65), (130, 132, 0.25)])
def test_pixelate_is_that_of_pillow(height: int, width: int, share: float) -> None:
    pixels = torch.randint(0, 256, (1, 1, height, width), dtype=torch.uint8, generator=generator())
    image = Image.fromarray(pixels[0, 0].numpy())
    small = (int(width * share), int(height * share))
    expected = np.asarray(image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BOX))
    result = corrupted(pixels, "pixelate", 5)[0, 0].numpy()
    # Pillow rounds between the two directions and after each change of size
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= 2


def test_the_gaussian_blur_is_that_of_scipy() -> None:
    values = torch.rand(2, 3, 32, 32, generator=generator())
    expected = gaussian_filter(values.double().numpy(), sigma=(0, 0, 0.8, 0.8), mode="nearest", truncate=4)
    result = corrupted(values, "gaussian_blur", 4, (0.0, 1.0)).numpy()
    np.testing.assert_allclose(result, expected, atol=1e-6)  # sums of some numbers in float32


def test_the_defocus_blur_is_a_disk() -> None:
    image = torch.zeros(1, 1, 33, 33)
    image[0, 0, 16, 16] = 1
    disk = corrupted(image, "defocus_blur", 5, (0.0, 1.0))[0, 0]
    # radius 1.5 is the 3 x 3 square; its edge is softened by a Gaussian of 0.1 pixels, which is nothing
    expected = torch.zeros(33, 33)
    expected[15:18, 15:18] = 1 / 9
    torch.testing.assert_close(disk, expected, atol=1e-6, rtol=0)


def test_the_motion_blur_drags_in_one_direction() -> None:
    image = torch.zeros(64, 1, 33, 33)
    image[:, 0, 16, 16] = 1
    dragged = corrupted(image, "motion_blur", 3, (0.0, 1.0))[:, 0]
    torch.testing.assert_close(dragged.sum(dim=(1, 2)), torch.ones(64))
    # a Gaussian of 2 pixels from its peak on: the mean distance is the sum of t * w_t over t = 0 to 8
    weights = torch.exp(-torch.arange(9.0).square() / 8)
    distance = float((weights * torch.arange(9.0)).sum() / weights.sum())
    offsets = torch.arange(33.0) - 16
    across, down = (dragged.sum(dim=1) * offsets).sum(dim=1), (dragged.sum(dim=2) * offsets).sum(dim=1)
    torch.testing.assert_close(across.hypot(down), torch.full((64,), distance))
    # what stands at a pixel comes from the right of it, between 45 degrees up and down
    assert (across < 0).all()
    angles = torch.atan2(down, -across).rad2deg()
    assert angles.abs().max() <= 45.01
    assert angles.max() > 30
    assert angles.min() < -30


def test_the_strengths_depend_on_the_size() -> None:
    kind = KINDS["gaussian_blur"]
    sides = {side: kind.strengths(side)[-1] for side in (8, 47, 48, 127, 128, 256)}
    assert sides == {8: (1,), 47: (1,), 48: (1.5,), 127: (1.5,), 128: (6,), 256: (6,)}


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_images_are_corrupted(kind: str) -> None:
    images = torch.tensor([[0, 255], [100, 30]], dtype=torch.uint8).view(1, 1, 2, 2)
    assert corrupted(images, kind, 5).shape == images.shape


def test_fog_has_the_published_thickness_and_keeps_white() -> None:
    images = torch.zeros(3, 3, 32, 32)
    images[:, :, 0, 0] = 1
    for severity, thickness in zip(SEVERITIES, (0.2, 0.5, 0.75, 1, 1.5), strict=True):
        foggy = corrupted(images, "fog", severity, (0.0, 1.0))
        # as bright as before where nothing is added, as white where all of the thickness is; all channels are alike
        clouds = (foggy * (1 + thickness) - images) / thickness
        torch.testing.assert_close(clouds.amin(dim=(1, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
        torch.testing.assert_close(clouds.amax(dim=(1, 2, 3)), torch.ones(3), atol=1e-5, rtol=0)
        torch.testing.assert_close(clouds, clouds[:, :1].expand_as(clouds), atol=1e-5, rtol=0)
        # white shines through: at least 1 / (1 + thickness), and never more than white
        assert (foggy[:, 0, 0, 0] > 1 / (1 + thickness) - 1e-6).all()
        assert foggy.max() <= 1
    assert torch.equal(corrupted(torch.zeros(1, 1, 8, 8), "fog", 5), torch.zeros(1, 1, 8, 8))


def test_jpeg_is_what_pillow_writes() -> None:
    images = smooth(2, (3, 32, 32))
    for severity, quality in zip(SEVERITIES, (80, 65, 58, 50, 40), strict=True):
        for image, result in zip(images, corrupted(images, "jpeg_compression", severity), strict=True):
            file = io.BytesIO()
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
            expected = np.asarray(Image.open(file), dtype=np.int64)
            assert np.array_equal(expected, result.permute(1, 2, 0).numpy())


def test_jpeg_of_two_channels_takes_each_for_itself() -> None:
    images = smooth(2, (2, 16, 16))
    both = corrupted(images, "jpeg_compression", 5)
    alone = torch.cat([corrupted(channel, "jpeg_compression", 5) for channel in images.split(1, dim=1)], dim=1)
    assert torch.equal(both, alone)
