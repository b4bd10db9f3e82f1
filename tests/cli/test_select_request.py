"""What `rlsel select` asks its command to do."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rlsel.commands.requests import SelectRequest
from rlsel.cover.settings import CoverSettings
from rlsel.data.arrays import Arrays
from rlsel.data.digits import Digits
from rlsel.data.variation import Variation
from rlsel.export import ExportSettings
from rlsel.models.resnet import ResNet18
from rlsel.models.small_cnn import SmallCNN
from rlsel.policy.a2c import A2C
from rlsel.policy.ppo import PPO
from rlsel.policy.rewards import Dynamics, Paper
from rlsel.runs.settings import RunOptions, RunSettings
from rlsel.selectors.rl_selector import RLSelector
from rlsel.training.devices import DeviceSettings
from rlsel.training.settings import TrainingSettings


def test_without_settings_it_is_what_python_does_by_default(rlsel: Callable[..., Any], select: Any) -> None:
    assert rlsel("select").code == 0
    assert select.request == SelectRequest(
        settings=RunSettings(dataset=Digits(), model=SmallCNN(), training=TrainingSettings()),
        selectors=(RLSelector(),),
        ratios=(0.7,),
    )


def test_each_setting_arrives(rlsel: Callable[..., Any], select: Any, tmp_path: Path) -> None:
    result = rlsel(
        "select", "ratio=[0.3,1]", "seed=4", "features=f.npy", "run_dir=runs", "resume=never", "jobs=2",
        "dataset=arrays", "dataset.path=x.npz", "dataset.train_size=50", "dataset.label_noise=0.1",
        "model=resnet18", "model.width=16", "training.steps=9", "training.learning_rate=1", "device=cpu",
        "policy=ppo", "policy.passes=3", "reward.cap=2", "cover.distance=cosine", "selector.rollout=64",
        "export.mode=stratified", "export.trim_hardest=0.1",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert select.request == SelectRequest(
        settings=RunSettings(
            dataset=Arrays(path=tmp_path / "x.npz"),
            variation=Variation(train_size=50, label_noise=0.1),
            model=ResNet18(width=16),
            training=TrainingSettings(steps=9, learning_rate=1.0),
            seed=4,
        ),
        selectors=(
            RLSelector(
                policy=PPO(passes=3), reward=Dynamics(cap=2.0), cover=CoverSettings(distance="cosine"), rollout=64
            ),
        ),
        ratios=(0.3, 1.0),
        export=ExportSettings(mode="stratified", trim_hardest=0.1),
        features=tmp_path / "f.npy",
        options=RunOptions(run_dir=tmp_path / "runs", resume="never", jobs=2, device=DeviceSettings(accelerator="cpu")),
    )


def test_no_object_of_omegaconf_gets_below_the_command_line(rlsel: Callable[..., Any], select: Any) -> None:
    rlsel("select", "selectors=[rl_selector,random]")
    assert "omegaconf" not in {type(value).__module__.partition(".")[0] for value in leaves(select.request)}
    assert len(list(leaves(select.request))) > 30


def leaves(value: Any) -> Iterator[Any]:
    if hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from leaves(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def test_a_selector_takes_the_parts_that_it_has_fields_for(rlsel: Callable[..., Any], select: Any) -> None:
    rlsel("select", "selector=static_cover", "cover.reduction=sum")
    (selector,) = select.request.selectors
    assert selector.cover == CoverSettings(reduction="sum")
    assert not hasattr(selector, "policy")


def test_a_setting_without_effect_is_told(rlsel: Callable[..., Any], select: Any) -> None:
    assert rlsel("select", "selector=random", "policy=ppo").err == "note: policy has no effect on selector=random\n"
    assert rlsel("select", "selector=rl_selector", "policy=ppo").err == ""


def test_several_selectors_come_with_their_default_settings(rlsel: Callable[..., Any], select: Any) -> None:
    assert rlsel("select", "selectors=[random,rl_selector,el2n]", "reward=paper").code == 0
    assert [selector.name for selector in select.request.selectors] == ["random", "rl_selector", "el2n"]
    assert select.request.selectors[1] == RLSelector(reward=Paper())


def test_the_literal_method_is_an_experiment(rlsel: Callable[..., Any], select: Any) -> None:
    assert rlsel("select", "experiment=paper", "ratio=0.5").code == 0
    (selector,) = select.request.selectors
    assert (selector.reward, selector.cover.reduction) == (Paper(), "sum")
    assert isinstance(selector.policy, A2C)
    assert select.request.ratios == (0.5,)


def test_a_folder_of_own_options_is_found(rlsel: Callable[..., Any], select: Any, tmp_path: Path) -> None:
    for group, name, text in (
        ("model", "mine", "_target_: my_models.Mine\nlayers: 3\n"),
        ("selector", "gentle", "_target_: rlsel.selectors.rl_selector.RLSelector\nrollout: 32\n"),
        ("experiment", "mine", "# @package _global_\ndefaults:\n  - override /model: mine\nseed: 7\n"),
    ):
        (tmp_path / "own" / group).mkdir(parents=True)
        (tmp_path / "own" / group / f"{name}.yaml").write_text(text)
    (tmp_path / "my_models.py").write_text(
        "import dataclasses\n\n@dataclasses.dataclass\nclass Mine:\n    name = 'mine'\n    layers: int = 1\n"
        "    def build(self, image_shape, num_classes): ...\n"
    )
    result = rlsel(
        "select", "--config-dir", "own", "experiment=mine", "selectors=[gentle,random]", "targets_from=my_models"
    )
    assert result.code == 0, result.err
    assert (select.request.settings.model.layers, select.request.settings.seed) == (3, 7)
    assert [getattr(selector, "rollout", None) for selector in select.request.selectors] == [32, None]
    assert re.search("^  model: .*mine", rlsel("select", "-cd", "own", "--help").out, re.MULTILINE)


def test_options_may_stand_anywhere(rlsel: Callable[..., Any], select: Any) -> None:
    assert rlsel("select", "ratio=0.5", "--run", "seed=3").code == 0
    assert (select.request.ratios, select.request.settings.seed) == ((0.5,), 3)


def test_the_home_folder_may_be_written_short(rlsel: Callable[..., Any], select: Any) -> None:
    rlsel("select", "features=~/f.npy", "run_dir=~no-such-user/x")
    assert select.request.features == Path.home() / "f.npy"
    assert select.request.options.run_dir == Path.cwd() / "~no-such-user" / "x"
