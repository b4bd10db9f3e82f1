from dataclasses import replace

import pytest
import torch

from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.export import ExportSettings, resolve
from rlsel.models.head import Head
from rlsel.planted import planted_task
from rlsel.selection import Made, Wanted, select_from
from rlsel.selectors.base import SelectionTask, Selector
from rlsel.selectors.el2n import EL2N
from rlsel.selectors.k_center import KCenter
from rlsel.selectors.part import part_of
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.settings import TrainingSettings

SIZE, PART, CLASSES = 600, 200, 3


class Notes:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, name: str) -> object:
        return lambda *given: self.lines.append(given[0]) if name == "note" else None


@pytest.fixture(scope="module")
def task() -> SelectionTask:
    """Three classes around their centres; the further out a sample lies, the fewer cover it."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(SIZE) % CLASSES
    rows = 6 * torch.eye(8)[labels] + torch.randn(SIZE, 8, generator=generator)
    whole = Split(images=MemoryImages(rows[:, :, None, None]), labels=labels)
    dataset = Dataset(
        name="rows",
        train=whole,
        test=whole.subset(torch.arange(0)),
        class_names=("a", "b", "c"),
        mean=(0.0,) * 8,
        std=(1.0,) * 8,
        learn_on=PART,
    )
    training = TrainingSettings(epochs=2, batch_size=50)
    return replace(planted_task(), dataset=dataset, model=Head(width=16), training=training, reporter=Notes())


def made(task: SelectionTask, *selectors: Selector) -> list[Made]:
    return list(
        select_from(
            task,
            [Wanted(selector=one, ratio=0.5, export=resolve(ExportSettings(), one.export)) for one in selectors],
        )
    )


@pytest.fixture(scope="module")
def learned(task: SelectionTask) -> Made:
    return made(task, RLSelector(ratio=0.5))[0]


def test_a_part_holds_each_class_in_proportion_and_is_drawn_once(task: SelectionTask) -> None:
    part = part_of(task)
    assert part is not None
    assert len(part) == PART
    assert max(part.dataset.class_counts()) - min(part.dataset.class_counts()) <= 1
    assert torch.equal(part.dataset.train.in_source(), part_of(task).dataset.train.in_source())
    assert part_of(replace(task, dataset=replace(task.dataset, learn_on=SIZE))) is None
    assert part_of(replace(task, dataset=replace(task.dataset, learn_on=None))) is None


def test_a_policy_that_learned_on_a_part_judges_all_alike(task: SelectionTask, learned: Made) -> None:
    assert len(learned.scores.values) == SIZE
    assert float((learned.scores.values > 0).float().mean()) == pytest.approx(0.5, abs=1 / SIZE)
    assert len(learned.observed.dynamics.probability[0]) == PART
    inside = torch.zeros(SIZE, dtype=torch.bool)
    inside[part_of(task).dataset.train.in_source()] = True
    # whether a sample was learned on must not decide: 200 and 400 logits of deviation one differ by 0.09 in the mean
    values = learned.scores.values
    assert abs(float(values[inside].mean() - values[~inside].mean())) < 0.35 * float(values.std())
    lines = [line for line in task.reporter.lines if "learned on" in line]
    assert lines[0] == ("note: what is learned is learned on 200 of the 600 samples (dataset.learn_on), and judges all")


def test_selectors_in_company_see_what_they_see_alone(task: SelectionTask, learned: Made) -> None:
    together = made(task, EL2N(), KCenter(), RLSelector(ratio=0.5))
    company = {one.wanted.selector.name: one.scores.values for one in together}
    assert torch.equal(company["rl_selector"], learned.scores.values)
    assert torch.equal(company["k_center"], made(task, KCenter())[0].scores.values)
    assert torch.equal(company["el2n"], made(task, EL2N())[0].scores.values)


def test_features_of_the_user_are_learned_on_in_part_too(task: SelectionTask) -> None:
    features = torch.randn(SIZE, 5, generator=torch.Generator().manual_seed(1))
    [one] = made(replace(task, features=features), RLSelector(ratio=0.5))
    assert len(one.scores.values) == SIZE
    assert len(one.observed.observer.stored().features) == PART
