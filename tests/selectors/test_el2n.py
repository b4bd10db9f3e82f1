import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from rlsel.errors import ConfigurationError, DataError
from rlsel.selectors.base import FINAL, Observed, Scores, SelectionTask, Selector
from rlsel.selectors.el2n import EL2N, beginning, error_norm
from rlsel.training.observation import CleanPass
from rlsel.training.settings import TrainingSettings


def test_the_error_norm_agrees_with_a_loop() -> None:
    logits = 2 * torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(20) % 4
    for i, score in enumerate(error_norm(logits, labels).tolist()):
        exponentials = [math.exp(logit) for logit in logits[i].tolist()]
        errors = [value / sum(exponentials) - (c == i % 4) for c, value in enumerate(exponentials)]
        assert score == pytest.approx(math.hypot(*errors), rel=1e-5)


def test_hand_worked_errors() -> None:
    # p = (1/2, 1/2): √(1/4 + 1/4); certain and wrong: √2; certain and right to e^-30: √2 · e^-30
    logits = torch.tensor([[0.0, 0.0], [90.0, 0.0], [0.0, 30.0]])
    expected = [math.sqrt(0.5), math.sqrt(2), math.sqrt(2) * math.exp(-30)]
    assert error_norm(logits, torch.tensor([0, 1, 1])).tolist() == pytest.approx(expected, rel=1e-5)


def test_it_looks_after_a_tenth_of_the_training(tiny_task: SelectionTask) -> None:
    for epochs, looked_at in ((200, 20), (10, 1), (3, 1)):
        task = replace(tiny_task, training=TrainingSettings(epochs=epochs))
        assert EL2N().needs(task).clean_epochs == {looked_at}
    assert EL2N(epoch=3).needs(tiny_task).clean_epochs == {3}


def test_an_epoch_after_the_end_is_refused(tiny_task: SelectionTask) -> None:
    with pytest.raises(ConfigurationError, match=r"selector\.epoch must be at most 3"):
        EL2N(epoch=4).needs(tiny_task)


@pytest.mark.parametrize("field", ["epoch", "num_models"])
def test_settings_out_of_range_are_refused(field: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"selector\.{field} must be"):
        EL2N(**{field: 0})


def test_the_score_is_read_from_the_clean_pass_of_its_epoch(tiny_task: SelectionTask) -> None:
    early, late = (
        CleanPass(logits=torch.randn(90, 3, generator=torch.Generator().manual_seed(seed)), features=torch.zeros(90, 1))
        for seed in (0, 1)
    )
    values = EL2N().score(tiny_task, Observed(clean={1: early, FINAL: late})).values
    assert torch.equal(values, error_norm(early.logits, tiny_task.labels))


def test_more_models_are_averaged_and_reproducible(
    scores_of: Callable[[Selector], Scores], tiny_task: SelectionTask
) -> None:
    one, three, again = (scores_of(EL2N(num_models=n)).values for n in (1, 3, 3))
    assert torch.equal(three, again)
    assert not torch.equal(one, three)
    assert (three >= one / 3).all()  # the first model's share of the mean
    assert float(three.max()) <= math.sqrt(2) + 1e-6
    assert len(three.unique()) > len(tiny_task) // 2


def test_the_beginning_of_a_training_warms_up_in_as_many_steps() -> None:
    whole = TrainingSettings(epochs=200, batch_size=50, warmup=0.05)  # 2000 steps on 500 samples, 100 of them warm-up
    early = beginning(whole, epochs=20, size=500)
    assert early.total_steps(500) == 200
    assert early.warmup * 200 == pytest.approx(100)
    assert early.schedule == "constant"
    # the warm-up of the whole training is longer than its first epoch
    assert beginning(whole, epochs=1, size=500).warmup < 1


def test_a_diverged_training_is_the_users_to_mend(tiny_task: SelectionTask) -> None:
    clean = CleanPass(logits=torch.full((90, 3), float("nan")), features=torch.zeros(90, 1))
    with pytest.raises(DataError, match=r"lower training\.learning_rate"):
        EL2N().score(tiny_task, Observed(clean={1: clean}))
