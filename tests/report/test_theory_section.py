"""A verification on the page of its run."""

import base64
import json
import struct
from pathlib import Path

import pytest
from tests.report.parsed_page import Page

from rlsel.coreset import Coreset
from rlsel.errors import CoresetError
from rlsel.report.page import selection_html
from rlsel.report.page_data import selection_page
from rlsel.report.seen import Seen
from rlsel.report.theory_section import theory_section

PICTURE = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 30, 20) + b"rest"


@pytest.fixture
def verified(tmp_path: Path) -> Path:
    (tmp_path / "verify.json").write_text(json.dumps({"sentences": {"output": "Outputs <differ> by 2 ε."}}))
    (tmp_path / "verify.png").write_bytes(PICTURE)
    return tmp_path


def test_the_page_holds_the_figures_and_their_sentences(verified: Path, coreset: Coreset, seen: Seen) -> None:
    html = selection_html(selection_page(coreset, seen), seen, theory=theory_section(verified))
    page = Page(html)
    assert "#theory" in [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert "Outputs <differ> by 2 ε." in page.text
    (picture,) = (attributes for tag, attributes in page.tags if tag == "image")
    assert (picture["width"], picture["height"]) == ("30", "20")
    assert base64.b64decode(str(picture["href"]).removeprefix("data:image/png;base64,")) == PICTURE


def test_a_run_that_was_not_verified_has_no_such_section(tmp_path: Path, coreset: Coreset, seen: Seen) -> None:
    assert theory_section(tmp_path) is None
    assert 'id="theory"' not in selection_html(selection_page(coreset, seen), seen)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("verify.json", "{}", "it holds no sentences of figures"),
        ("verify.json", "no JSON", "it holds no sentences of figures"),
        ("verify.png", "no picture", "it is no PNG file"),
    ],
)
def test_a_damaged_file_is_refused(verified: Path, name: str, content: str, message: str) -> None:
    (verified / name).write_text(content)
    with pytest.raises(CoresetError, match=message):
        theory_section(verified)
