import torch

from rlsel.data.corruption import Damage, damage

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
