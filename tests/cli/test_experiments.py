"""The paper's experiments: each composes, full and small, and the small ones run."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rlsel.conf

from rlsel.comparing.request import CompareRequest
from rlsel.data.cifar10 import CIFAR10
from rlsel.data.fashion_mnist import FashionMNIST
from rlsel.models.resnet import ResNet18, ResNet50
from rlsel.policy.rewards import Cover, PaperScalar
from rlsel.selectors.rl_selector import RLSelector

NAMES = (
    *("cifar10", "cifar100", "tiny_imagenet", "imagenet", "cross_architecture", "ood"),
    *("ablation_redundancy", "ablation_static", "ablation_policy", "ablation_finetune"),
)
OWN = ("fashion_mnist", "fashion_mnist_others", "dynamic", "fashion_mnist_full")
"""The tables of the README that are not the paper's."""
CONF = Path(rlsel.conf.__path__[0])
FILES = {path.stem for path in (CONF / "experiment").glob("*.yaml") if not path.stem.endswith("paper")}
ALL = [name + form for name in NAMES for form in ("", "_small")]
MAKEFILE = (CONF.parent / "Makefile").read_text()
TINY = (
    "dataset=digits", "dataset.train_size=40", "dataset.test_size=20", "training.batch_size=20", "training.steps=4",
    "seeds=[0]", "ratios=[0.5]", "model=small_cnn", "model.width=2",
)  # fmt: skip
"""Two epochs of two steps; the small network selects, whatever the experiment has, since a suite must be quick."""


@pytest.fixture(scope="module")
def known() -> dict[str, CompareRequest]:
    """The requests of the experiments that were called already: composing one takes a second."""
    return {}


@pytest.fixture
def asked(rlsel: Callable[..., Any], compare: Any, known: dict[str, CompareRequest]) -> Callable[[str], CompareRequest]:
    """Calls the program with an experiment, and returns what it asks for."""

    def ask(name: str) -> CompareRequest:
        if name not in known:
            result = rlsel("compare", f"experiment={name}")
            assert (result.code, result.err) == (0, "")
            known[name] = compare.request
            compare.requests.clear()
        return known[name]

    return ask


def test_each_experiment_has_a_small_form() -> None:
    assert {*ALL, *OWN} == FILES


def test_each_experiment_has_a_target() -> None:
    for name in NAMES:
        if not name.startswith("ablation"):
            target = f"reproduce-{name.replace('_', '-')}: "
            assert f"\n{target}" in MAKEFILE
            assert f"compare experiment={name} " in MAKEFILE
    listed = " ".join(name for name in NAMES if name.startswith("ablation"))
    assert f"\nABLATIONS := {listed}\n" in MAKEFILE
    assert f"\nEXPERIMENTS := {' '.join(NAMES[:6])} $(ABLATIONS)\n" in MAKEFILE
    assert "\nreproduce-small: " in MAKEFILE
    assert "\nreproduce-readme: " in MAKEFILE
    assert f"$(call compare_each,{' '.join(OWN[:3])},jobs=2)" in MAKEFILE
    assert "\nreproduce-readme-gpu: " in MAKEFILE
    assert f"compare experiment={OWN[3]} jobs=12 " in MAKEFILE


@pytest.mark.parametrize("name", [*ALL, *OWN])
def test_it_is_a_request_that_makes_sense(asked: Callable[[str], CompareRequest], name: str) -> None:
    request = asked(name)
    learned = [row for row in request.rows if row.selector.name.startswith("rl_selector")]
    assert learned, "RL-Selector is in every experiment"
    if name in OWN:
        return
    assert str(request.options.run_dir).endswith(f"/outputs/reproduce/{name}")
    assert request.seeds == (0, 1, 2)
    small = name.endswith("_small")
    assert isinstance(request.settings.dataset, FashionMNIST) == small
    if small:
        assert (request.settings.variation.train_size, request.budget) == (10000, "steps")
        assert request.ratios == (0.3, 0.5, 0.7)
    else:
        assert (request.settings.variation.train_size, request.budget) == (None, "epochs")
        assert request.settings.training.steps is None


def test_the_table_of_the_paper_and_its_small_form(asked: Callable[[str], CompareRequest]) -> None:
    full, small = asked("cifar10"), asked("cifar10_small")
    methods = {"moderate", "rl_selector", "el2n", "moso", "self_sup_prototypes"}
    assert {row.name for row in full.rows} == {row.name for row in small.rows} == methods
    assert full.ratios == (0.6, 0.7, 0.8, 0.9)
    assert (full.settings.dataset, full.settings.model, full.train_models) == (CIFAR10(), ResNet18(), (ResNet50(),))
    assert (small.settings.dataset, small.settings.model) == (FashionMNIST(), ResNet18(width=16))
    assert small.train_models == (ResNet50(width=4),)


def test_the_ablations_name_what_they_change(asked: Callable[[str], CompareRequest]) -> None:
    redundancy, policy = asked("ablation_redundancy_small"), asked("ablation_policy_small")
    covers = {row.name: row.selector.cover for row in redundancy.variants if isinstance(row.selector, RLSelector)}
    assert {name: (cover.measure, cover.distance) for name, cover in covers.items()} == {
        "cover": ("cover", "euclidean"),
        "cosine": ("cover", "cosine"),
        "knn": ("knn", "euclidean"),
        "prototype": ("prototype", "euclidean"),
        "density": ("density", "euclidean"),
    }
    # the default reward is made of the training dynamics: with it, the five would hardly differ
    assert {row.selector.reward for row in redundancy.variants if isinstance(row.selector, RLSelector)} == {Cover()}
    learners = {row.name: row.selector.policy.name for row in policy.variants if isinstance(row.selector, RLSelector)}
    assert learners == {"a2c": "a2c", "ppo": "ppo", "dqn": "dqn"}


def test_the_literal_rows_are_the_paper_experiment(
    asked: Callable[[str], CompareRequest], rlsel: Callable[..., Any], select: Any
) -> None:
    rows = {row.name: row for row in asked("fashion_mnist_others").variants}
    assert rlsel("select", "experiment=paper").code == 0
    literal = rows["paper"].selector
    assert isinstance(literal, RLSelector)
    assert (literal,) == select.request.selectors
    assert rows["paper_scalar"].selector == replace(literal, reward=PaperScalar())
    assert rows["paper"].export == rows["paper_scalar"].export == select.request.export


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("name", "models", "rows"),
    [
        ("cifar10_small", {"resnet50"}, {"moderate", "rl_selector", "el2n", "moso", "self_sup_prototypes"}),
        pytest.param(
            "cifar100_small",
            {"small_cnn"},
            {
                *("herding", "glister", "cg_score", "forgetting", "moderate", "rl_selector"),
                *("el2n", "grand", "moso", "self_sup_prototypes"),
            },
            marks=pytest.mark.thorough,
        ),
        pytest.param("tiny_imagenet_small", {"small_cnn"}, {"forgetting", "rl_selector"}, marks=pytest.mark.thorough),
        pytest.param(
            "cross_architecture_small",
            {"resnet50", "vit", "swin"},
            {"moderate", "rl_selector"},
            marks=pytest.mark.thorough,
        ),
        pytest.param("ood_small", {"small_cnn"}, {"moderate", "rl_selector"}, marks=pytest.mark.thorough),
        pytest.param(
            "ablation_redundancy_small",
            {"small_cnn"},
            {"cover", "cosine", "knn", "prototype", "density"},
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            "ablation_static_small",
            {"small_cnn"},
            {"static_cover", "static_cover_low", "static_reward", "rl_selector", "rl_cover"},
            marks=pytest.mark.thorough,
        ),
        pytest.param("ablation_policy_small", {"small_cnn"}, {"a2c", "ppo", "dqn"}, marks=pytest.mark.thorough),
        ("ablation_finetune_small", {"small_cnn"}, {"rl_selector", "rl_selector_finetuned"}),
    ],
)
def test_a_small_form_runs(
    rlsel: Callable[..., Any], tmp_path: Path, name: str, models: set[str], rows: set[str]
) -> None:
    result = rlsel("compare", f"experiment={name}", *TINY)
    assert result.code == 0, result.err
    folder = Path(result.last_line)
    assert folder == tmp_path / "outputs" / "reproduce" / name
    with (folder / "runs.csv").open() as file:
        found = {(row["model"], row["selector"]) for row in csv.DictReader(file)}
    assert found == {(model, row) for model in models for row in rows | {"full", "random"}}
