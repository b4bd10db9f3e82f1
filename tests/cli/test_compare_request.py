"""What `rlsel compare` asks its command to do, and how it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlsel.commands.outcomes import PartlyFailedError
from rlsel.comparing.request import CompareRequest
from rlsel.comparing.worker import USUAL_HOLDOUT
from rlsel.cover.settings import CoverSettings
from rlsel.data.digits import Digits
from rlsel.data.variation import Variation
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.export import ExportSettings
from rlsel.models.resnet import ResNet18
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.vit import ViT
from rlsel.policy.a2c import A2C
from rlsel.policy.ppo import PPO
from rlsel.policy.rewards import Paper
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.el2n import EL2N
from rlsel.selectors.rl_selector import RLSelector
from rlsel.selectors.static_cover import StaticCover
from rlsel.training.settings import TrainingSettings


def test_without_settings_it_is_what_python_does_by_default(rlsel: Callable[..., Any], compare: Any) -> None:
    assert rlsel("compare").code == 0
    assert compare.request == CompareRequest(
        settings=RunSettings(
            dataset=Digits(), variation=Variation(holdout=USUAL_HOLDOUT), model=SmallCNN(), training=TrainingSettings()
        ),
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
            variation=Variation(label_noise=0.1, holdout=USUAL_HOLDOUT),
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


def test_variants_are_rows_with_the_settings_of_a_select(rlsel: Callable[..., Any], compare: Any) -> None:
    result = rlsel(
        "compare", "selectors=[random]", "policy.entropy=0.1", "cover.reduction=sum",
        "export.class_balance=proportional",
        "variants={ppo:{policy:ppo,policy.clip:0.3},knn:{cover.measure:knn,selector:static_cover},"
        "top:{export.mode:topk,reward:paper},models:{selector:el2n,selector.num_models:3},gone:null}",
    )  # fmt: skip
    assert result.code == 0, result.err
    cover = CoverSettings(reduction="sum")
    export = ExportSettings(class_balance="proportional")
    a2c = A2C(entropy=0.1)
    rows = [(row.name, row.selector, row.export) for row in compare.request.variants]
    assert rows == [
        # the options of a row are chosen before its settings are changed, in whatever order they stand
        ("ppo", RLSelector(policy=PPO(clip=0.3), cover=cover), export),
        ("knn", StaticCover(cover=CoverSettings(reduction="sum", measure="knn")), export),
        (
            "top",
            RLSelector(policy=a2c, reward=Paper(), cover=cover),
            ExportSettings(class_balance="proportional", mode="topk"),
        ),
        ("models", EL2N(num_models=3), export),
    ]
    assert compare.request.variants[0].overrides == ("policy=ppo", "policy.clip=0.3")


ROWS = (
    ("policy=ppo", "policy.clip=0.3"),
    ("policy.entropy=0.1", "selector.settle_passes=1"),
    ("selector=static_cover", "cover.measure=knn", "cover.reduction=mean"),
    ("selector=el2n", "selector.num_models=3", "export.mode=sample"),
    ("reward=dynamics", "export.class_balance=proportional"),
)


@pytest.mark.parametrize("shared", [[], ["cover.reduction=sum", "reward=paper", "export.min_per_class=2"]])
def test_a_row_is_what_select_makes_of_the_same_overrides(
    rlsel: Callable[..., Any], compare: Any, select: Any, shared: list[str]
) -> None:
    written = [",".join(override.replace("=", ":") for override in row) for row in ROWS]
    variants = ",".join(f"row_{number}:{{{row}}}" for number, row in enumerate(written))
    assert rlsel("compare", "selectors=[random]", *shared, f"variants={{{variants}}}").code == 0
    for row, made in zip(ROWS, compare.request.variants, strict=True):
        assert rlsel("select", *shared, *row).code == 0
        request = select.requests[-1]
        assert ((made.selector,), made.export) == (request.selectors, request.export)
        assert made.overrides == row


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ("{a:{polcy:ppo}}", "variants.a: a key must be one of selector, policy, reward, or a setting of"),
        ("{a:{cover:knn}}", "variants.a: a key must be one of selector, policy, reward, or a setting of"),
        ("{a:{dataset.train_size:3}}", "variants.a: a key must be one of selector, policy, reward, or a setting of"),
        ("{a:{policy:pp}}", "variants.a: policy must be one of a2c, dqn, ppo, got 'pp': did you mean 'ppo'?"),
        ("{a:{selector:el3n}}", "variants.a: selector must be one of"),
        ("{a:{cover.measur:knn}}", "variants.a: unknown key 'cover.measur': did you mean 'measure'?"),
        ("{a:{selector:el2n,selector.models:2}}", "variants.a: unknown key 'selector.models'"),
        ("{a:{cover.measure:3}}", "variants.a: cover.measure must be one of"),
        ("{a b:{policy:ppo}}", "variants.a b: variants must be named with letters"),
        ("{rl_selector:{policy:ppo}}", "variants must be named differently from full, random, rl_selector"),
        ("{a:3}", "variants.a must be a group of settings (variants.a.name=value), got 3"),
        ("3", "variants must be a group of settings (variants.name=value), got 3"),
    ],
)
def test_a_variant_that_makes_no_sense_is_refused(
    rlsel: Callable[..., Any], compare: Any, variants: str, message: str
) -> None:
    result = rlsel("compare", f"variants={variants}")
    assert result.code == 2
    assert result.err.startswith(f"error: {message}"), result.err
    assert compare.requests == []


def test_what_only_a_variant_uses_has_an_effect(rlsel: Callable[..., Any], compare: Any) -> None:
    result = rlsel("compare", "selectors=[el2n]", "variants={a:{}}", "policy.entropy=0.1")
    assert (result.code, result.err) == (0, "")


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
