"""The HTML file of a page: templates filled with what was computed, and everything that it needs inside it.

Jinja2 escapes whatever comes from data, in text, attributes and JSON alike. A content security policy in the page
forbids whatever is not in it: it opens anywhere and asks no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rlsel.randomness import numpy_generator
from rlsel.report.charts import Scale, outline, path
from rlsel.report.comparison_page import HEIGHT, WIDTH, ComparisonPage
from rlsel.report.contact_sheets import places_of
from rlsel.report.page_data import SelectionPage
from rlsel.report.sample_map import payload
from rlsel.report.seen import Seen
from rlsel.report.theory_section import TheorySection
from rlsel.report.thumbnails import SpriteSheet, sprite_sheet
from rlsel.report.verdict import percent

_PACKAGE = "rlsel.report"

_MAP_SCRIPTS = ("samples.js", "map.js", "table.js", "selection.js")
_SORTING = ("sorting.js",)
_ENLARGING = ("enlarging.js",)


def selection_html(page: SelectionPage, seen: Seen, *, theory: TheorySection | None = None) -> str:
    """Writes the page of a selection.

    Args:
        page: What it shows.
        seen: Where its pictures come from.
        theory: A verification of it; None without one.

    Returns:
        One HTML file that needs no other.
    """
    sprites = _sprites(page, seen)
    data = None
    if page.map is not None:
        other = None if page.against is None else page.against.kept
        data = payload(page.map, page.material, cells={} if sprites is None else sprites.cells, other=other)
    scripts = [*_SORTING, *_ENLARGING, *(_MAP_SCRIPTS if data is not None else ())]
    context = {"page": page, "sprites": sprites, "payload": data, "theory": theory, "script": _script(scripts)}
    return _render("selection.html", context)


def comparison_html(page: ComparisonPage) -> str:
    """Writes the page of a comparison.

    Args:
        page: What it shows.

    Returns:
        One HTML file that needs no other.
    """
    context = {"page": page, "sprites": None, "width": WIDTH, "height": HEIGHT, "script": _script(_SORTING)}
    return _render("comparison.html", context)


def _sprites(page: SelectionPage, seen: Seen) -> SpriteSheet | None:
    """Makes the pictures: of the contact sheets first, then of as many samples of the map as fit, drawn evenly."""
    if seen.images is None:
        return None
    sheets = page.sheets if page.against is None else (*page.sheets, *page.against.sheets)
    places = places_of(sheets)
    if page.map is not None:
        generator = numpy_generator(page.coreset.provenance.seed, "report", "thumbnails")
        places += generator.permutation(page.map.places).tolist()
    return sprite_sheet(seen.images.images, places, pixel_range=seen.pixel_range)


def _render(template: str, context: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.globals |= {"scale_around": Scale.around, "path": path, "outline": outline}
    return environment.get_template(template).render(
        {"style": _file("page.css"), "version": version("rlsel"), **context}
    )


def _script(names: Sequence[str]) -> Markup:
    """Returns some of the page's programs as one, which shares no name with another."""
    return Markup('(() => {\n"use strict";\n%s})();') % Markup("\n").join(_file(name) for name in names)


def _file(name: str) -> Markup:
    """Returns a file of ours as it is: it holds no data."""
    return Markup(files(_PACKAGE).joinpath("templates", name).read_text(encoding="utf-8"))  # noqa: S704
