from collections.abc import Callable
from typing import Any

import pytest

from rlsel.cli.table import COMMANDS


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
    ],
)
def test_a_line_is_completed(
    rlsel: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, line: str, expected: Any
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    result = rlsel("-sc", "query=bash")
    assert (result.code, result.out.strip(), result.err) == (0, expected, "")


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
