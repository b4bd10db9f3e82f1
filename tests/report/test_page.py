"""The HTML file: it stands alone, escapes what comes from data, is bounded, and says the numbers of the selection."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.report.parsed_page import Page

from rlsel.coreset import Coreset
from rlsel.provenance import Gain, Outcome
from rlsel.report.page import selection_html
from rlsel.report.page_data import selection_page
from rlsel.report.seen import Seen

METRICS = [{"epoch": epoch, "accuracy": epoch / 10} for epoch in range(1, 5)]


@pytest.fixture
def html(coreset: Coreset, seen: Seen, make_selection: Callable[..., Coreset]) -> str:
    """A page with all its parts."""
    other = make_selection(ratio=0.3, seed=5)
    return selection_html(selection_page(coreset, seen, metrics=METRICS, other=other), seen)


def test_the_page_is_whole_and_its_links_lead_somewhere(html: str) -> None:
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == ["#content", *(f"#{part}" for part in
                     ("classes", "samples", "map", "table", "coverage", "training", "against"))]  # fmt: skip
    assert {str(link)[1:] for link in links} <= set(page.ids)
    labelled = [str(attributes["aria-labelledby"]) for _, attributes in page.tags if "aria-labelledby" in attributes]
    assert len(labelled) > 8
    assert set(labelled) <= set(page.ids)
    assert {"header", "nav", "main", "footer", "h1"} <= {tag for tag, _ in page.tags}


def test_the_page_asks_for_nothing_outside_of_it(html: str) -> None:
    asking = r"https?:|//\w|@import|\bsrc\s*=|<link|<iframe|\bfetch\(|XMLHttpRequest|import\("
    assert not re.search(asking, outside(html))
    assert set(re.findall(r"url\((\w+):", html)) == {"data"}
    (policy,) = (a["content"] for tag, a in Page(html).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def outside(html: str) -> str:
    """Leaves out the bytes of the pictures and columns, which may spell anything, and the comments of the program."""
    without_comments = re.sub(r"^\s*// .*$", "", html, flags=re.MULTILINE)
    return re.sub(r"[A-Za-z0-9+/=]{200,}", "", without_comments)


def test_hostile_names_are_read_and_do_nothing(html: str, coreset: Coreset) -> None:
    page = Page(html)
    names = coreset.provenance.dataset.class_names
    assert page.payload["classes"] == list(names)
    for name in names:
        assert " ".join(name.split()) in page.text
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 3, "the columns, the sheet, the program"
    assert "b" not in tags
    assert "alert" not in page.scripts[""]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("name", ["\udcff.jpg", "{{ 7 * 7 }}", "<!--", "]]>", "%s", "\x00"])
def test_names_that_are_hardly_names(name: str, make_selection: Any, make_seen: Any) -> None:
    coreset = make_selection(names=(name, "other"))
    seen = make_seen(coreset)
    html = selection_html(selection_page(coreset, seen), seen)
    assert Page(html).payload["classes"] == [name, "other"]
    assert html.encode(errors="replace")


def test_the_numbers_are_those_of_the_selection(html: str, coreset: Coreset) -> None:
    text = Page(html).text
    assert "33 of 83 samples of made_up are kept by some_method" in text
    labels, kept = coreset.labels, coreset.class_counts
    for label, name in enumerate(coreset.provenance.dataset.class_names):
        size = int((labels[coreset.candidates] == label).sum())
        shown = f"{100 * kept[label] / size:.1f}".removesuffix(".0")
        assert f"{' '.join(name.split())} {size} {kept[label]} {shown} %" in text.replace("\u00a0", " ")


def test_what_trials_said_stands_at_the_top(coreset: Coreset, seen: Seen) -> None:
    gain = Gain(loss=0.1, loss_error=0.05, points=1.5, points_error=0.4)
    outcome = Outcome(
        chosen="hard", tried={"hard": gain}, model="vit", steps=5, of_steps=50, rounds=2, seconds=3.0
    )  # fmt: skip
    tried = replace(coreset, provenance=replace(coreset.provenance, outcome=outcome))
    text = Page(selection_html(selection_page(tried, seen), seen)).text
    assert "Trials: in trials of vit (2 x 5 of 50 steps)" in text
    assert "the choice prefers hard samples." in text


def test_without_pictures_the_positions_stand_for_them(coreset: Coreset, seen: Seen) -> None:
    blind = replace(seen, images=None)
    html = selection_html(selection_page(coreset, blind), blind)
    assert "data:image" not in html
    page = Page(html)
    assert page.payload["columns"]
    assert [a for _, a in page.tags if a.get("class") == "thumb blank"]


def test_without_features_there_is_neither_map_nor_program_for_it(coreset: Coreset) -> None:
    nothing = Seen(notes=("There are no pictures: the file is gone.",))
    page = Page(selection_html(selection_page(coreset, nothing), nothing))
    assert "payload" not in page.scripts
    assert not {"map", "table", "coverage"} & set(page.ids)
    assert "There are no pictures: the file is gone." in page.text


@pytest.mark.thorough
def test_a_large_selection_stays_small(make_selection: Any, make_seen: Any) -> None:
    coreset = make_selection(60_000, names=[f"class {number}" for number in range(300)])
    seen = make_seen(coreset, side=28)
    html = selection_html(selection_page(coreset, seen), seen)
    # pixels of noise: no picture is larger
    assert len(html) < 15e6
    text = Page(html).text
    assert "Of the 59,993 candidates, 50,000 are shown, each class by its share" in text
    assert "5,859 of the samples have a picture in this file" in text, "6,000,000 pixels are that many of 32 x 32"
