from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest

from rlsel.cli.completion import VALUES
from rlsel.cli.table import COMMANDS
from rlsel.comparing.request import Budget
from rlsel.cover.settings import CoverSettings
from rlsel.data.variation import Variation
from rlsel.export import ExportSettings
from rlsel.formats.folders import Mode as FolderMode
from rlsel.formats.rows import Part
from rlsel.formats.writing import FORMATS
from rlsel.runs.settings import RunOptions
from rlsel.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rlsel ", " ".join(COMMANDS)),
        ("rlsel s", "select show"),
        ("rlsel exp", "export"),
        ("rlsel export for", "format="),
        ("rlsel nope ", ""),
        ("rlsel select rat", "ratio="),
        ("rlsel select dataset=fas", "dataset=fashion_mnist"),
        ("rlsel select dataset=digits training.ep", "training.epochs="),
        ("rlsel select -m ratio=0.5 jo", "jobs="),
        ("rlsel select --conf", "--config-dir"),
        ("rlsel select run_dir=a=b(1) rat", "ratio="),
        ("rlsel select -m run_dir=007,a(1) rat", "ratio="),
        ("rlsel finetune-ratio epo", "epochs="),
        ("rlsel app", "apply"),
        ("rlsel fea", "features"),
        ("rlsel apply dataset.pa", "dataset.part="),
        ("rlsel train-on-subset core", "coreset="),
        ("rlsel select dataset=nope jo", ""),
        ("rlsel export run=a format=fi", "format=fiftyone"),
        ("rlsel select resume=", "resume=auto resume=never"),
        ("rlsel select verb", "verbose="),
        ("rlsel show resume=", ""),
    ],
)
def test_a_line_is_completed(
    rlsel: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, line: str, expected: Any
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    result = rlsel("-sc", "query=bash")
    assert (result.code, result.out.strip(), result.err) == (0, expected, "")


@pytest.mark.parametrize("shell", ["fish", "zsh"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rlsel s", "select\nshow"),
        ("rlsel select dataset=ima", "dataset=imagefolder\ndataset=imagenet"),
        ("rlsel compare budget=s", "budget=steps\nbudget=seconds"),
    ],
)
def test_other_shells_read_a_line_for_each(
    rlsel: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, shell: str, line: str, expected: str
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.delenv("COMP_POINT", raising=False)
    result = rlsel("-sc", f"query={shell}")
    assert (result.code, result.out.strip(), result.err) == (0, expected, "")


def test_the_words_of_short_lists_are_those_of_the_classes() -> None:
    """A `Literal` of the class that takes the key, or its own table."""
    classes = {
        "cover": CoverSettings,
        "dataset": Variation,
        "export": ExportSettings,
        "training": TrainingSettings,
    }
    own = {"budget": Budget, "part": Part, "mode": FolderMode, "resume": get_type_hints(RunOptions)["resume"]}
    others = {"format": set(FORMATS), "overwrite": {"false", "true"}, "verbose": {"false", "true"}}
    for key, words in VALUES.items():
        level, _, name = key.rpartition(".")
        taken = get_type_hints(classes[level])[name] if level else own.get(key)
        literals = {word for one in (taken, *get_args(taken)) for word in get_args(one)} | set(get_args(taken))
        assert set(words) == (others.get(key) or {word for word in literals if isinstance(word, str)}), key


def test_what_stands_behind_the_cursor_does_not_count(
    rlsel: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMP_LINE", "rlsel sel ratio=0.5")
    monkeypatch.setenv("COMP_POINT", str(len("rlsel sel")))
    assert rlsel("-sc", "query=bash").out == "select\n"


def test_the_shell_is_told_to_call_this_program(rlsel: Callable[..., Any]) -> None:
    result = rlsel("-sc", "install=bash")
    assert result.code == 0
    assert result.out.rstrip().endswith("hydra_bash_completion rlsel")
    assert rlsel("-sc", "uninstall=bash").out.startswith("unset hydra_bash_completion")
    assert "complete -c rlsel -x -a '(hydra_fish_completion)'" in rlsel("-sc", "install=fish").out
    assert rlsel("-sc", "install=zsh").out.endswith("compdef _rlsel_complete rlsel\n")
    assert rlsel("-sc", "uninstall=zsh").out == "compdef -d rlsel\n"


@pytest.mark.parametrize(("given", "remedy"), [("install=bsh", ": did you mean 'bash'?"), ("query=", "")])
def test_another_shell_is_refused(rlsel: Callable[..., Any], given: str, remedy: str) -> None:
    result = rlsel("-sc", given)
    kind, _, shell = given.partition("=")
    assert result.code == 2
    assert result.err == f"error: -sc {kind} must be one of bash, fish, zsh, got {shell!r}{remedy}\n"


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("slect",), "select"),
        (("select", "Ratio=0.5"), "ratio"),
        (("select", "selector=EL2N"), "el2n"),
        (("select", "selectors=[rl-selectr]"), "rl_selector"),
        (("select", "dataset.trainsize=5"), "train_size"),
        (("select", "export.mode=topK"), "topk"),
        (("select", "resume=nevr"), "never"),
        (("select", "--confg-dir=a"), "--config-dir"),
        (("compare", "budget=step"), "steps"),
        (("export", "run=a", "format=cvs"), "csv"),
    ],
)
def test_a_slip_of_the_finger_is_told_what_is_nearest(
    rlsel: Callable[..., Any], arguments: tuple[str, ...], meant: str
) -> None:
    result = rlsel(*arguments)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"did you mean {meant!r}?" in result.err
