"""The greedy ε-net against brute force."""

import pytest
import torch

from rlsel.theory.eps_net import bend_of, farthest_point_radii, net_curves

POINTS = torch.randn(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def greedy_radii(points: list[list[float]]) -> list[float]:
    """The largest distance to the nearest centre, with every distance computed anew for each number of centres."""

    def distance(a: list[float], b: list[float]) -> float:
        return float(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5)

    mean = [sum(column) / len(points) for column in zip(*points, strict=True)]
    centres, radii = [min(points, key=lambda point: distance(point, mean))], []
    while len(radii) < len(points):
        nearest = [min(distance(point, centre) for centre in centres) for point in points]
        radii.append(max(nearest))
        centres.append(points[nearest.index(max(nearest))])
    return radii


def test_the_curve_is_that_of_a_double_loop() -> None:
    assert farthest_point_radii(POINTS, 100).tolist() == pytest.approx(greedy_radii(POINTS.tolist()))
    assert farthest_point_radii(POINTS, 7).tolist() == pytest.approx(greedy_radii(POINTS.tolist())[:7])


def test_the_size_at_each_epsilon() -> None:
    (curve,) = net_curves(POINTS, torch.zeros(30, dtype=torch.int64), num_classes=2)
    radii = greedy_radii(POINTS.tolist())
    for epsilon in (0.0, 0.5, 1.0, 9.0):
        assert curve.size_at(epsilon) == 1 + sum(radius > epsilon for radius in radii)
    (short,) = net_curves(POINTS, torch.zeros(30, dtype=torch.int64), num_classes=1, most=3)
    assert short.size_at(0.0) == 3


def test_tight_clusters_bend_where_each_has_a_point() -> None:
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    points = centres.repeat(25, 1) + 0.01 * torch.randn(100, 2, generator=torch.Generator().manual_seed(1))
    (curve,) = net_curves(points, torch.zeros(100, dtype=torch.int64), num_classes=1)
    assert curve.bend == 4
    assert curve.bend_epsilon < 0.1


def test_equal_samples_need_one_point() -> None:
    assert bend_of(torch.zeros(5, dtype=torch.float64)) == 0
