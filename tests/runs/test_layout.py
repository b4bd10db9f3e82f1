"""Settings as plain data, their hash, and whether they are the defaults."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from rlsel.commands.requests import SelectRequest
from rlsel.commands.select import plan
from rlsel.cover.settings import CoverSettings
from rlsel.data.arrays import Arrays
from rlsel.data.digits import Digits
from rlsel.data.variation import Variation
from rlsel.evaluation.settings import EvaluationSettings
from rlsel.export import ExportSettings
from rlsel.models.resnet import ResNet18
from rlsel.models.small_cnn import SmallCNN
from rlsel.models.torchvision_model import TorchvisionModel
from rlsel.policy.a2c import A2C
from rlsel.policy.ppo import PPO
from rlsel.policy.rewards import Cover, Paper
from rlsel.runs.layout import (
    are_defaults,
    plain,
    run_settings,
    selection_settings,
    settings_hash,
    training_settings,
)
from rlsel.runs.settings import GivenDataset, RunOptions, RunSettings
from rlsel.selectors.el2n import EL2N
from rlsel.selectors.random import Random
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.devices import DeviceSettings
from rlsel.training.settings import TrainingSettings

REQUEST = SelectRequest(
    settings=RunSettings(dataset=Digits(), model=SmallCNN(), training=TrainingSettings()),
    selectors=(RLSelector(),),
    ratios=(0.7,),
)

OTHER_VALUES: Mapping[type, Mapping[str, Any]] = {
    TrainingSettings: {
        "epochs": 7,
        "steps": 7,
        "batch_size": 7,
        "optimizer": "adamw",
        "learning_rate": 0.7,
        "momentum": 0.7,
        "weight_decay": 0.7,
        "schedule": "step",
        "step_milestones": (0.7,),
        "step_factor": 0.7,
        "warmup": 0.7,
        "label_smoothing": 0.7,
        "augment": False,
        "weighting": "policy",
    },
    Variation: {
        "train_size": 70,
        "test_size": 70,
        "label_noise": 0.7,
        "long_tail": 7.0,
        "corruption": 0.7,
        "measure_on": "validation",
        "variation_seed": 7,
        "part": "first",
        "holdout": 0.7,
    },
    RLSelector: {
        "policy": PPO(),
        "reward": Paper(),
        "cover": CoverSettings(distance="cosine"),
        "state": "features",
        "rollout": 7,
        "price_rate": 0.7,
        "warmup_epochs": 7,
        "settle_passes": 7,
        "checkpoint": "best_r2",
        "conditioned": True,
        "trials": 7,
        "trial_share": 0.7,
    },
    A2C: {
        "distribution": "beta",
        "learning_rate": 0.7,
        "entropy": 0.7,
        "critic_weight": 0.7,
        "clip_gradient": 0.7,
        "gamma": 0.7,
    },
    CoverSettings: {
        "distance": "cosine",
        "reduction": "sum",
        "refresh_every": 7,
        "measure": "knn",
        "neighbours": 7,
    },
    ExportSettings: {
        "mode": "stratified",
        "temperature": 7.0,
        "class_balance": "proportional",
        "trim_hardest": 0.07,
        "min_per_class": 7,
        "near_duplicates": "last",
    },
}
"""Another value for every field that decides a coreset."""


def in_settings(**changes: Any) -> SelectRequest:
    return replace(REQUEST, settings=replace(REQUEST.settings, **changes))


def with_part(part: object) -> SelectRequest:
    """Returns the request with one part replaced by another of its kind."""
    match part:
        case TrainingSettings():
            return in_settings(training=part)
        case Variation():
            return in_settings(variation=part)
        case RLSelector():
            return replace(REQUEST, selectors=(part,))
        case A2C():
            return replace(REQUEST, selectors=(RLSelector(policy=part),))
        case CoverSettings():
            return replace(REQUEST, selectors=(RLSelector(cover=part),))
        case ExportSettings():
            return replace(REQUEST, export=part)
    raise AssertionError(part)


def digest(request: SelectRequest) -> str:
    [cell] = plan(request)
    return cell.folder.digest


def changed() -> dict[str, SelectRequest]:
    requests = {
        f"{cls.__name__}.{name}": with_part(replace(cls(), **{name: value}))
        for cls, values in OTHER_VALUES.items()
        for name, value in values.items()
    }
    return requests | {
        "seed": in_settings(seed=7),
        "ratio": replace(REQUEST, ratios=(0.6,)),
        "features": replace(REQUEST, features=Path(__file__)),
        "other features": replace(REQUEST, features=Path(__file__).with_name("test_folder.py")),
        "dataset": in_settings(dataset=Arrays(path=Path(__file__))),
        "model": in_settings(model=ResNet18()),
        "model to come": in_settings(for_model=ResNet18()),
        "steps to come": in_settings(for_steps=7),
        "epochs to come": in_settings(for_epochs=7),
        "width": in_settings(model=SmallCNN(width=7)),
        "random": replace(REQUEST, selectors=(Random(),)),
        "el2n": replace(REQUEST, selectors=(EL2N(),)),
        "el2n models": replace(REQUEST, selectors=(EL2N(num_models=2),)),
    }


def test_the_values_above_are_of_every_field() -> None:
    for cls, values in OTHER_VALUES.items():
        assert set(values) == {item.name for item in dataclasses.fields(cls)} - {"ratio"}


def test_the_hash_changes_with_every_setting() -> None:
    requests = {"nothing": REQUEST, **changed()}
    digests = {digest(request): name for name, request in requests.items()}
    # PPO, Paper and the cosine stand in the table twice, once as a field of RLSelector and once on their own
    twice = {"CoverSettings.distance"}
    assert set(requests) - set(digests.values()) <= twice | {"RLSelector.cover"}
    assert len(digests) == len(requests) - len(twice)
    assert all(len(digest) == 8 and int(digest, 16) >= 0 for digest in digests)


@pytest.mark.parametrize(
    "options",
    [
        RunOptions(run_dir=Path("elsewhere")),
        RunOptions(several=True),
        RunOptions(resume="never"),
        RunOptions(jobs=7),
        RunOptions(device=DeviceSettings(accelerator="cpu", precision="bf16-mixed", threads=7)),
    ],
)
def test_the_hash_leaves_out_what_does_not_decide_a_result(options: RunOptions) -> None:
    assert digest(replace(REQUEST, options=options)) == digest(REQUEST)


def test_a_cell_has_the_hash_of_its_ratio_alone() -> None:
    several = replace(REQUEST, selectors=(RLSelector(), Random()), ratios=(0.3, 0.7))
    alone = [
        digest(replace(REQUEST, selectors=(selector,), ratios=(ratio,)))
        for selector in several.selectors
        for ratio in several.ratios
    ]
    assert [cell.folder.digest for cell in plan(several)] == alone


def test_the_hash_does_not_depend_on_the_order_of_the_keys() -> None:
    assert settings_hash({"a": 1, "b": {"c": 2, "d": 3}}) == settings_hash({"b": {"d": 3, "c": 2}, "a": 1})


@pytest.mark.parametrize("name", changed())
def test_only_defaults_lie_in_a_folder_without_a_hash(name: str) -> None:
    request = changed()[name]
    [cell] = plan(request)
    plain_name = f"ratio-{request.ratios[0]:.2f}_seed-{request.settings.seed}"
    # what stands in the path already needs no hash
    in_path = name in ("seed", "ratio", "random", "el2n")
    # the class of the model or of a policy counts too, though all of its fields are defaults
    assert cell.folder.path.name == (plain_name if in_path else f"{plain_name}_{cell.folder.digest}")


def test_defaults_lie_where_the_contract_says() -> None:
    [cell] = plan(REQUEST)
    assert cell.folder.path == Path.cwd() / "outputs/select/digits/rl_selector/ratio-0.70_seed-0"


@dataclass(frozen=True, kw_only=True)
class Part:
    number: int = 1
    inner: ExportSettings = field(default_factory=ExportSettings)
    ratio: float = 0.7


def test_defaults_to_any_depth() -> None:
    assert are_defaults([])
    assert are_defaults([Part(), TrainingSettings(), Digits()])
    assert are_defaults([Part(ratio=0.1)]), "the ratio stands in the folder's name"
    assert not are_defaults([Part(), Part(number=2)])
    assert not are_defaults([Part(inner=ExportSettings(mode="topk"))])
    assert not are_defaults([TorchvisionModel(name="resnet18")]), "a field without a default has none"


def test_what_is_not_to_be_recorded_is_left_out() -> None:
    dataset = Digits().load()
    assert plain(GivenDataset.of(dataset)) == {
        "_target_": "rlsel.runs.settings.GivenDataset",
        "name": "digits",
        "fingerprint": dataset.fingerprint,
    }


def test_plain_values_are_json() -> None:
    value = {"part": Part(), "items": (1, [Path("a/../b"), None]), 3: True}
    expected = {
        "part": {
            "_target_": f"{__name__}.Part",
            "number": 1,
            "inner": {
                "_target_": "rlsel.export.ExportSettings",
                "mode": None,
                "temperature": None,
                "class_balance": None,
                "trim_hardest": None,
                "min_per_class": None,
                "near_duplicates": None,
            },
            "ratio": 0.7,
        },
        "items": [1, [str(Path("b").resolve()), None]],
        "3": True,
    }
    assert plain(value) == expected
    assert json.loads(json.dumps(plain(value))) == expected


def test_settings_are_laid_out_like_the_configuration() -> None:
    node = selection_settings(
        REQUEST.settings, selector=RLSelector(reward=Cover()), ratio=0.5, export=ExportSettings(), features=None
    )
    assert list(node) == [
        *(
            "dataset",
            "model",
            "training",
            "seed",
            "selector",
            "policy",
            "reward",
            "cover",
            "export",
            "ratio",
            "features",
        )
    ]
    assert node["dataset"]["_target_"] == "rlsel.data.digits.Digits"
    assert node["dataset"]["label_noise"] == 0.0
    assert node["selector"]["_target_"] == "rlsel.selectors.rl_selector.RLSelector"
    assert not {"ratio", "policy", "reward", "cover"} & set(node["selector"])
    assert node["policy"]["_target_"] == "rlsel.policy.a2c.A2C"
    assert not any("_target_" in node[name] for name in ("training", "cover", "export"))
    assert run_settings(REQUEST.settings) == {name: node[name] for name in ("dataset", "model", "training", "seed")}


def test_a_training_is_known_by_what_it_is_measured_on() -> None:
    def node(*names: str, root: str | None = None) -> dict[str, Any]:
        evaluation = EvaluationSettings(datasets=names, root=None if root is None else Path(root))
        return training_settings(REQUEST.settings, "0" * 64, evaluation)

    # as it was before there was anything else to measure, whatever the root
    assert node() == node(root="/data") == {**run_settings(REQUEST.settings), "indices_sha256": "0" * 64}
    assert node("contrast", "pixelate") == node("pixelate", "contrast", root="/data")
    assert node("contrast")["evaluation"] == {"datasets": ["contrast"], "root": None}
    hashes = [
        settings_hash(settings)
        for settings in (
            node(),
            node("contrast"),
            node("contrast", "pixelate"),
            node("imagenet_a", root="/data"),
            node("imagenet_a", root="/other"),
        )
    ]
    assert len(set(hashes)) == len(hashes)
