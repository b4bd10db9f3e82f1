import torch

from rlsel.data.plasma_fractal import plasma_fractal


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_one_refinement_is_the_mean_of_four_neighbours_and_a_draw() -> None:
    centre, across, down = (2 * torch.rand(3, generator=generator()) - 1).tolist()
    # of a single point at height 0 on a torus, all corners are that point; the two others lie between it and the centre
    points = torch.tensor([[0, centre / 2 + across], [centre / 2 + down, centre]])
    expected = (points - points.min()) / (points.max() - points.min())
    torch.testing.assert_close(plasma_fractal(1, 2, 2.0, generator())[0], expected)


def test_maps_differ_and_go_from_0_to_1() -> None:
    maps = plasma_fractal(50, 32, 2.0, generator())
    assert maps.shape == (50, 32, 32)
    assert (maps.amin(dim=(1, 2)) == 0).all()
    assert (maps.amax(dim=(1, 2)) == 1).all()
    assert len(torch.unique(maps.flatten(1), dim=0)) == 50


def test_a_map_of_another_side_is_cut_from_the_next_power_of_two() -> None:
    assert torch.equal(plasma_fractal(3, 20, 2.0, generator()), plasma_fractal(3, 32, 2.0, generator())[:, :20, :20])


def test_more_decay_is_smoother() -> None:
    def roughness(decay: float) -> float:
        maps = plasma_fractal(100, 64, decay, generator())
        return float(maps.diff(dim=2).abs().mean())

    assert roughness(1.4) > 1.5 * roughness(2.0) > 1.6 * roughness(3.0)


def test_neighbours_are_alike_across_the_edges() -> None:
    maps = plasma_fractal(200, 32, 3.0, generator())
    inside, around = maps.diff(dim=1).abs().mean(), (maps[:, 0] - maps[:, -1]).abs().mean()
    assert 0.5 < float(around / inside) < 2
