import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree as ET

import pytest
from matplotlib.figure import Figure
from PIL import Image

from rlsel.evaluation.comparison import Run, Summary, summarise
from rlsel.report.comparison_plot import comparison_pictures


def summaries(selectors: Sequence[str], models: Sequence[str] = ("small_cnn",)) -> list[Summary]:
    chosen = [("full", 1.0)] + [(selector, ratio) for selector in selectors for ratio in (0.3, 0.7)]
    runs = [
        Run(
            selector=selector,
            ratio=ratio,
            seed=seed,
            model=model,
            accuracy=0.5 + 0.3 * ratio + 0.01 * seed,
            top5=0.9,
            best_accuracy=0.9,
            worst_class_accuracy=0.1,
            select_seconds=None if selector == "full" else 3.0,
            train_seconds=2.0,
            peak_rss_bytes=1,
            num_train=2,
            steps=3,
            mislabelled_kept=None,
            corrupted_kept=None,
            thresholded=None,
        )
        for model in models
        for selector, ratio in chosen
        for seed in (0, 1)
    ]
    return summarise(runs, {})


@pytest.fixture
def drawn() -> list[Figure]:
    """Every figure that is written while the test runs."""
    figures: list[Figure] = []
    write = Figure.savefig

    def savefig(self: Figure, file: io.BytesIO, *, format: str, **options: Any) -> None:  # noqa: A002 - matplotlib's
        if format == "png":
            figures.append(self)
        write(self, file, format=format, **options)

    with patch.object(Figure, "savefig", savefig):
        yield figures


def test_both_panels_show_every_selector_at_its_mean(drawn: list[Figure]) -> None:
    pictures = comparison_pictures(summaries(["el2n", "random"]))
    picture = Image.open(io.BytesIO(pictures["png"]))
    assert picture.format == "PNG"
    (figure,) = drawn
    by_ratio, by_cost = figure.axes
    lines = {line.get_label(): line for line in by_ratio.get_lines()}
    # 0.5 + 0.3 ratio + the mean of 0 and 0.01, in percent
    assert lines["el2n"].get_ydata() == pytest.approx([59.5, 71.5])
    assert lines["random"].get_xdata() == pytest.approx([0.3, 0.7])
    assert lines["full"].get_ydata() == pytest.approx([80.5, 80.5])
    costs = {line.get_label(): line for line in by_cost.get_lines()}
    assert costs["el2n"].get_xdata() == pytest.approx([5.0, 5.0]), "selection and training"


def test_many_selectors_all_differ_and_random_stands_out(drawn: list[Figure]) -> None:
    names = ["random", *(f"method_{i:02d}" for i in range(15))]
    comparison_pictures(summaries(names))
    (figure,) = drawn
    lines = [line for line in figure.axes[0].get_lines() if line.get_label() in names]
    assert len({(str(line.get_color()), line.get_marker(), line.get_linestyle()) for line in lines}) == 16
    assert [line.get_label() for line in lines if line.get_color() == "black"] == ["random"]
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 17


def test_each_model_has_its_panels(drawn: list[Figure]) -> None:
    comparison_pictures(summaries(["random"], models=["small_cnn", "vit"]))
    (figure,) = drawn
    assert [axes.get_title().partition(":")[0] for axes in figure.axes] == ["small_cnn", "small_cnn", "vit", "vit"]


def test_what_is_missing_is_not_drawn(drawn: list[Figure]) -> None:
    rows = [row for row in summaries(["random", "el2n"]) if row.selector == "el2n" and row.ratio == 0.3]
    comparison_pictures(rows)
    (figure,) = drawn
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["el2n"]


def test_the_other_form_is_a_drawing_of_the_same_bytes_each_time() -> None:
    first, again = (comparison_pictures(summaries(["random"]))["svg"] for _ in range(2))
    assert first == again
    assert ET.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own


def texts(figure: Figure, panel: int) -> list[str]:
    return [text.get_text() for text in figure.axes[panel].texts]


def test_the_points_of_the_cost_say_their_ratio(drawn: list[Figure]) -> None:
    comparison_pictures(summaries(["random", "el2n"]))
    (figure,) = drawn
    assert texts(figure, 0) == []
    assert sorted(texts(figure, 1)) == ["0.30", "0.30", "0.70", "0.70"]


def test_a_method_that_failed_does_not_rule_the_axis(drawn: list[Figure]) -> None:
    rows = summaries(["random", "el2n", "broken"])
    low = [
        replace(row, accuracy=replace(row.accuracy, mean=0.1)) if row.selector == "broken" and row.ratio == 0.3 else row
        for row in rows
    ]
    comparison_pictures(rows)
    comparison_pictures(low)
    whole, clipped = drawn
    assert texts(whole, 0) == []
    assert texts(clipped, 0) == ["10.0"]
    assert sorted(texts(clipped, 1)) == ["0.30", "0.30", "0.70", "0.70", "0.70", "10.0"]
    # random goes from 59.5, full is at 80.5: 10 lies more than 21 below, and the axis ends 2.1 below the others
    assert [panel.get_ylim()[0] for panel in clipped.axes] == pytest.approx([57.4, 57.4])
    (mark,) = [line for line in clipped.axes[0].get_lines() if line.get_marker() == "v" and len(line.get_xdata()) == 1]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx((0.3, 57.4))
