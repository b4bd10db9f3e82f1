"""What `rlsel compare` asks its command to do, and how it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlsel.commands.outcomes import PartlyFailedError
from rlsel.commands.requests import CompareRequest, RunOptions, RunSettings
from rlsel.cover.settings import CoverSettings
from rlsel.data.digits import Digits
from rlsel.data.variation import Variation
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.export import ExportSettings
from rlsel.models.resnet import ResNet18
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.vit import ViT
from rlsel.policy.ppo import PPO
from rlsel.policy.rewards import Paper
from rlsel.selectors.el2n import EL2N
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.settings import TrainingSettings


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch, select: Any) -> Any:
    command = type(select)()
    monkeypatch.setattr("rlsel.commands.compare.compare", command)
    return command


def test_without_settings_it_is_what_python_does_by_default(rlsel: Callable[..., Any], compare: Any) -> None:
    assert rlsel("compare").code == 0
    assert compare.request == CompareRequest(
        settings=RunSettings(dataset=Digits(), model=SmallCNN(), training=TrainingSettings()),
        selectors=(RLSelector(),),
        ratios=(0.3, 0.5, 0.7),
    )


def test_each_setting_arrives(rlsel: Callable[..., Any], compare: Any, tmp_path: Path) -> None:
    result = rlsel(
        "compare", "selectors=[el2n,rl_selector]", "ratios=[0.25,1]", "seeds=[3,1]", "budget=epochs", "run_dir=c",
        "resume=never", "jobs=2", "dataset.label_noise=0.1", "model=resnet18", "model.width=16", "training.epochs=4",
        "policy=ppo", "reward=paper", "cover.reduction=sum", "export.class_balance=proportional",
        "train_models=[resnet18,small_cnn,{vit:{width:32}}]", "evaluation.datasets=[contrast@3,imagenet_a]",
        "evaluation.root=further",
    )  # fmt: skip
    assert result.code == 0, result.err
    cover = CoverSettings(reduction="sum")
    assert compare.request == CompareRequest(
        settings=RunSettings(
            dataset=Digits(),
            variation=Variation(label_noise=0.1),
            model=ResNet18(width=16),
            training=TrainingSettings(epochs=4),
        ),
        selectors=(EL2N(), RLSelector(policy=PPO(), reward=Paper(), cover=cover)),
        ratios=(0.25, 1.0),
        seeds=(3, 1),
        budget="epochs",
        # the model that selects keeps its width
        train_models=(ResNet18(width=16), SmallCNN(), ViT(width=32)),
        evaluation=EvaluationSettings(datasets=("contrast@3", "imagenet_a"), root=tmp_path / "further"),
        policy=PPO(),
        reward=Paper(),
        cover=cover,
        export=ExportSettings(class_balance="proportional"),
        options=RunOptions(run_dir=tmp_path / "c", resume="never", jobs=2),
    )


def test_single_values_are_lists_of_one(rlsel: Callable[..., Any], compare: Any) -> None:
    assert (
        rlsel(
            "compare", "selectors=el2n", "ratios=0.5", "seeds=4", "train_models=vit", "evaluation.datasets=contrast"
        ).code
        == 0
    )
    request = compare.request
    assert (request.selectors, request.ratios, request.seeds) == ((EL2N(),), (0.5,), (4,))
    assert request.train_models == (ViT(),)
    assert request.evaluation.datasets == ("contrast",)


def test_what_no_selector_uses_is_noted(rlsel: Callable[..., Any], compare: Any) -> None:
    result = rlsel("compare", "selectors=[el2n]", "policy=ppo")
    assert result.err == "note: policy has no effect on selector=el2n\n"


@pytest.mark.parametrize(("by_user", "code"), [(True, 2), (False, 1)])
def test_failed_runs_are_one_line_and_the_folder_is_still_printed(
    rlsel: Callable[..., Any], compare: Any, tmp_path: Path, by_user: bool, code: int
) -> None:
    def fail(request: object, reporter: object) -> None:
        raise PartlyFailedError("2 of the runs failed", folder=tmp_path / "c", by_user=by_user)

    compare.act = fail
    result = rlsel("compare")
    assert (result.code, result.out, result.err) == (code, f"{tmp_path / 'c'}\n", "error: 2 of the runs failed\n")
