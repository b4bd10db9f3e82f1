"""The script that draws the README's table of Fashion-MNIST."""

import importlib.util
import io
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
HEADING = "## Fashion-MNIST, ten seeds"
PAGE = f"""# Experiments

| another | 0.1 |
|---|---|
| `random` | 1.0 ± 0.1 |

{HEADING}

Some words.

| selector | 0.3 | 0.7 |
|---|---|---|
| `rl_selector` | 87.6 ± 0.1 | 88.2 ± 0.2 |
| | +1.2 [+0.9, +1.5] | +0.6 [−0.3, +1.0] |
| `random` | 86.4 ± 0.1 | 87.6 ± 0.3 |
| `full`, all 10 000 | 87.7 ± 0.1 | |

| a later table | 0.5 |
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("results_figure", ROOT / "scripts" / "results_figure.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_below_the_heading_is_read(script: ModuleType) -> None:
    results = script.read_table(PAGE)
    assert results.ratios == (0.3, 0.7)
    assert results.rows == {"rl_selector": ((87.6, 0.1), (88.2, 0.2)), "random": ((86.4, 0.1), (87.6, 0.3))}
    assert results.full == (87.7, 0.1)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("| selector | 0.3 |", "must have the heading '## Fashion-MNIST, ten seeds'"),
        (f"{HEADING}\n\nwords", "must have a table below the heading"),
        (PAGE.replace("`full`", "`all`"), "got ''"),
        (PAGE.replace("| `full`, all 10 000 | 87.7 ± 0.1 | |\n", ""), "must have a line `full`"),
        (PAGE.replace("88.2 ± 0.2", "88.2"), "as in 88.2 ± 0.1, got '88.2'"),
    ],
)
def test_a_page_without_the_table_is_refused(script: ModuleType, page: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        script.read_table(page)


def test_the_page_has_the_table(script: ModuleType) -> None:
    results = script.read_table(script.PAGE.read_text(encoding="utf-8"))
    assert results.ratios == (0.1, 0.3, 0.5, 0.7, 0.9)
    assert list(results.rows) == ["rl_selector", "static_reward", "dyn_unc", "ccs", "tdds", "random"]
    assert {len(cells) for cells in results.rows.values()} == {5}


def test_the_first_page_says_the_same(script: ModuleType) -> None:
    first_page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert script.read_table(first_page, "## Results") == script.read_table(script.PAGE.read_text(encoding="utf-8"))


def test_the_picture_is_small_and_drawn(script: ModuleType, tmp_path: Path) -> None:
    script.main([str(tmp_path / "drawn.png")])
    for content in ((tmp_path / "drawn.png").read_bytes(), script.PICTURE.read_bytes()):
        assert len(content) <= 60_000
        with Image.open(io.BytesIO(content)) as picture:
            assert picture.size == (1050, 600)
            colours = picture.convert("RGB").getcolors(1050 * 600)
    # the paper and the lines of six methods
    assert len(colours) > 7
