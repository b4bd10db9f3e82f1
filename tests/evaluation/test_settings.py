"""The names of what a model is measured on."""

from pathlib import Path

import pytest

from rlsel.data.corruption import KINDS
from rlsel.errors import ConfigurationError
from rlsel.evaluation.settings import EvaluationSettings, corruptions_of


def test_nothing_is_measured_by_default() -> None:
    assert EvaluationSettings().measured == ()
    assert not EvaluationSettings(root=Path("/data")).needs_root


def test_corruptions_are_their_mean_and_each_of_them() -> None:
    assert EvaluationSettings(datasets=("corruptions",)).measured == ("corruptions", *KINDS)
    measured = EvaluationSettings(datasets=("contrast@2", "corruptions@2", "imagenet_a")).measured
    expected = ["contrast@2", "corruptions@2", *(f"{kind}@2" for kind in KINDS if kind != "contrast"), "imagenet_a"]
    assert measured == tuple(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("contrast@4", [("contrast", 4)]),
        ("contrast", [("contrast", severity) for severity in (1, 2, 3, 4, 5)]),
        ("corruptions@1", [(kind, 1) for kind in KINDS]),
        ("corruptions", [(kind, severity) for kind in KINDS for severity in (1, 2, 3, 4, 5)]),
        ("imagenet_a", []),
    ],
)
def test_a_name_is_a_mean_over_kinds_and_severities(name: str, expected: list[tuple[str, int]]) -> None:
    assert list(corruptions_of(name)) == expected


@pytest.mark.parametrize(("name", "needed"), [("imagenet_hard", True), ("contrast", False)])
def test_only_what_is_read_needs_a_folder(name: str, needed: bool) -> None:
    assert EvaluationSettings(datasets=("pixelate", name)).needs_root == needed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imagenet_b", r"must be one of brightness, contrast, .*, got 'imagenet_b': did you mean 'imagenet_"),
        ("gausian_noise@2", r"got 'gausian_noise': did you mean 'gaussian_noise'\?"),
        ("", r"must be one of .*, got ''"),
        ("imagenet_a@3", r"must be imagenet_a without a severity, got 'imagenet_a@3'"),
        *(
            (f"contrast@{bad}", r"severity from 1 to 5, as in contrast@3, got 'contrast@")
            for bad in ("0", "6", "", "x")
        ),
    ],
)
def test_an_unknown_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"evaluation\.datasets {message}|evaluation\.datasets .*{message}"):
        EvaluationSettings(datasets=(name,))


def test_a_name_twice_and_an_empty_folder_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"evaluation\.datasets must name each once, got contrast twice"):
        EvaluationSettings(datasets=("contrast", "pixelate", "contrast"))
    with pytest.raises(ConfigurationError, match=r"evaluation\.root must be a path"):
        EvaluationSettings(root="")  # type: ignore[arg-type]
