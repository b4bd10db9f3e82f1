"""Which groups are left out."""

import torch

from rlsel.randomness import Streams
from rlsel.theory.group_removals import draw_groups

FEATURES = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(200) % 5
KEPT = torch.arange(200) < 120
STREAMS = Streams(seed=0, names=("test",))


def test_groups_are_of_their_kind() -> None:
    covered = torch.arange(200) % 2 == 0
    groups = draw_groups(FEATURES, LABELS, KEPT, covered, count=8, streams=STREAMS)
    assert [group.kind for group in groups] == ["ball", "dropped", "rim", "kept"] * 2
    for group in groups:
        assert len(set(group.places.tolist())) == 10  # a twentieth
        if group.kind in ("dropped", "kept"):
            assert covered[group.places].all()
            assert (KEPT[group.places] == (group.kind == "kept")).all()
            continue
        (label,) = set(LABELS[group.places].tolist())
        rest = [place for place in (label == LABELS).nonzero()[:, 0].tolist() if place not in group.places.tolist()]
        assert any(separates(centre, group.places.tolist(), rest, group.kind) for centre in range(200))


def separates(centre: int, inside: list[int], outside: list[int], kind: str) -> bool:
    """Whether the group is the nearest or the farthest of its class from one sample."""
    near, far = (inside, outside) if kind == "ball" else (outside, inside)
    nearest, farthest = ([float(torch.dist(FEATURES[centre], FEATURES[i])) for i in side] for side in (near, far))
    return max(nearest) <= min(farthest)


def test_nothing_covered_leaves_balls_and_rims() -> None:
    groups = draw_groups(FEATURES, LABELS, KEPT, torch.zeros(200, dtype=torch.bool), count=4, streams=STREAMS)
    assert [group.kind for group in groups] == ["ball", "ball", "rim", "rim"]
