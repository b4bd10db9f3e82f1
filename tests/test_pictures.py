"""The README's pictures, which scripts/pictures.py makes: they are there, and small."""

import re
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]


def test_the_pictures_of_the_readme_are_small() -> None:
    names = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"scripts/pictures/map.png", "scripts/pictures/samples.png"} < set(names)
    sizes = [(ROOT / name).stat().st_size for name in names]
    assert max(sizes) < 300_000
    assert sum(sizes) < 600_000
    for name in names:
        with Image.open(ROOT / name) as picture:
            assert picture.width <= 1200
