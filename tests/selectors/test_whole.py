import pytest
import torch
from tests.selectors.test_part import PART, SIZE, task
from torch import nn

from rlsel.cover.settings import CoverSettings
from rlsel.planted import planted_task
from rlsel.selectors import whole
from rlsel.selectors.base import SelectionTask
from rlsel.selectors.part import part_of
from rlsel.selectors.whole import evidence_of_all

__all__ = ["task"]


def test_every_sample_is_measured_by_its_class_in_the_part(
    task: SelectionTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = torch.randn(SIZE, 5, generator=torch.Generator().manual_seed(2))
    part = part_of(task)
    assert part is not None
    inside = part.dataset.train.in_source()
    head = nn.Linear(5, 3)
    monkeypatch.setattr(whole, "TOGETHER", 250)
    evidence = evidence_of_all(task, part, rows, head, CoverSettings())
    for position in (0, 7, int(inside[0]), int(inside[-1]), SIZE - 1):
        others = [one for one in inside.tolist() if task.labels[one] == task.labels[position] and one != position]
        expected = sum(float((rows[position] - rows[one]).norm()) for one in others) / len(others)
        assert float(evidence.coverage[position]) == pytest.approx(expected, rel=1e-4)
    probabilities = torch.softmax(head(rows), dim=1).detach()
    of_label = probabilities.gather(1, task.labels[:, None])[:, 0]
    rest = probabilities.scatter(1, task.labels[:, None], 0).amax(dim=1)
    assert evidence.behaviour is not None
    torch.testing.assert_close(evidence.behaviour.margin, of_label - rest)
    assert len(inside) == PART


def test_without_a_model_there_is_no_behaviour(task: SelectionTask) -> None:
    part = part_of(task)
    assert part is not None
    assert evidence_of_all(task, part, torch.randn(SIZE, 2), None, CoverSettings()).behaviour is None
    assert planted_task().dataset.learn_on is None
