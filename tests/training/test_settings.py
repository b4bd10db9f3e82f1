"""How a model is trained: what is allowed, and how many steps that is."""

import pytest

from rlsel.errors import ConfigurationError
from rlsel.training.settings import TrainingSettings

REFUSED = [
    ("epochs", 0),
    ("epochs", 1.5),
    ("epochs", True),
    ("steps", 0),
    ("batch_size", 1),
    ("optimizer", "adam"),
    ("learning_rate", 0),
    ("learning_rate", float("nan")),
    ("momentum", 1),
    ("weight_decay", -1e-9),
    ("schedule", "linear"),
    ("step_milestones", (0.5, 1.5)),
    ("step_factor", 0),
    ("warmup", 1),
    ("label_smoothing", 1),
    ("label_smoothing", -0.1),
    ("weighting", "reward"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_value_out_of_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=rf"^training\.{name} must be .*, got "):
        TrainingSettings(**{name: value})


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1, 1), (2, 1), (8, 1), (9, 1), (10, 2), (16, 2), (17, 2), (18, 3), (80, 10)],
)
def test_a_last_sample_of_its_own_joins_the_batch_before_it(size: int, expected: int) -> None:
    settings = TrainingSettings(epochs=3, batch_size=8)
    assert settings.steps_per_epoch(size) == expected
    assert settings.total_steps(size) == 3 * expected
    assert settings.total_epochs(size) == 3


def test_steps_win_over_epochs() -> None:
    settings = TrainingSettings(epochs=3, steps=7, batch_size=8)
    assert settings.total_steps(17) == 7
    assert settings.total_epochs(17) == 4, "three passes of two steps, and half of one"
    assert settings.total_epochs(100) == 1
