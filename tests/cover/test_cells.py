import pytest
import torch

from rlsel.cover import neighbours
from rlsel.cover.cells import cells
from rlsel.cover.duplicates import near_duplicate_groups

ROWS = torch.randn(1000, 6, generator=torch.Generator().manual_seed(0))


def test_every_sample_is_in_one_cell_and_cells_are_of_one_size() -> None:
    parts = cells(ROWS, 130)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(1000))
    assert {len(part) for part in parts} == {125}
    assert all(torch.equal(part, part.sort().values) for part in parts)
    assert [part.tolist() for part in cells(ROWS[:5], 5)] == [[0, 1, 2, 3, 4]]


def test_samples_of_a_cell_lie_together() -> None:
    within = torch.stack([torch.pdist(ROWS[part]).mean() for part in cells(ROWS, 130)]).mean()
    assert float(within) < 0.85 * float(torch.pdist(ROWS).mean())


def test_planted_near_duplicates_are_found_across_a_class_in_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = ROWS[:100] + 1e-3 * torch.randn(100, 6, generator=torch.Generator().manual_seed(1))
    rows, labels = torch.cat([ROWS, copies]), torch.zeros(1100, dtype=torch.int64)
    monkeypatch.setattr(neighbours, "MOST_PAIRS", 1000)
    monkeypatch.setattr(neighbours, "CELL", 200)
    groups = near_duplicate_groups(rows, labels, num_classes=1)
    assert int((groups[1000:] == torch.arange(100)).sum()) >= 97
    # without cells 0.4 % of unrelated samples are taken for near-duplicates; a cell has fewer to compare with
    assert int((groups[:1000] != torch.arange(1000)).sum()) <= 20
