from pathlib import Path

import pytest

from rlsel.cli.documentation import Documentation, parse_docstring, read_documentation


def test_the_summary_is_the_first_paragraph_and_attributes_have_their_continuations() -> None:
    text = """A recipe of
two lines.

More about it.

Attributes:
    heat: How hot: in degrees,
        never below zero.
    pan (str): `iron` or

        `copper`.
    size: Ends with a list:
        small: not an attribute.

Raises:
    ValueError: if it burns.
"""
    assert parse_docstring(text) == Documentation(
        summary="A recipe of two lines.",
        attributes={
            "heat": "How hot: in degrees, never below zero.",
            "pan": "`iron` or `copper`.",
            "size": "Ends with a list: small: not an attribute.",
        },
    )


@pytest.mark.parametrize(
    ("text", "summary"),
    [("", ""), ("One line.", "One line."), ("It lists them:\n\n    x: y", "It lists them:")],
)
def test_without_the_section_there_are_no_attributes(text: str, summary: str) -> None:
    assert parse_docstring(text) == Documentation(summary=summary)


def test_a_class_in_the_working_folder_is_read_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kitchen").mkdir()
    (tmp_path / "kitchen" / "__init__.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "kitchen" / "pans.py").write_text(
        "raise SystemExit('imported')\n"
        'class Pan:\n    """A pan.\n\n    Attributes:\n        size: In inches.\n    """\n'
    )
    monkeypatch.chdir(tmp_path)
    assert read_documentation("kitchen.pans.Pan") == Documentation(summary="A pan.", attributes={"size": "In inches."})


@pytest.mark.parametrize(
    "path",
    [
        *("", "???", "Name", "no_such_package.module.Class", "rlsel.no_such_module.Class", "rlsel.budget.NoSuchClass"),
        *("sys.Class", "rlsel.budget.module.Class", "__main__.Class", ".Class", "broken_source.Class"),
    ],
)
def test_what_is_not_there_says_nothing(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_source.py").write_text("class Class(:\n")
    monkeypatch.chdir(tmp_path)
    assert read_documentation(path) == Documentation()
