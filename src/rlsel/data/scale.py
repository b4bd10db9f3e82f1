"""Whether two sets of pixels are on one scale: to a model that learned on 0 to 1, pixels of 0 to 255 are noise."""

from __future__ import annotations

from torch import Tensor

_FACTOR = 4.0
"""Factor by which the largest values of two sets on one scale may differ. The scales in use, 1, 16, 255 and 65535, are
further apart; a few dark images beside many bright ones are closer."""

_NEGATIVE = 0.05
"""Share of the largest value; a value that lies further below zero belongs to pixels that were centred."""

Range = tuple[float, float]
"""The lowest and the highest of some pixels."""


def pixel_range(pixels: Tensor) -> Range:
    """Returns the lowest and the highest of pixels of any shape, scaled to [0, 1] where they are bytes."""
    largest = 1.0 if pixels.is_floating_point() else 255.0
    low, high = pixels.aminmax()
    return float(low) / largest, float(high) / largest


def on_one_scale(known: Range, given: Range) -> bool:
    """Returns whether two ranges can be of the same kind of pixels, brighter and darker images allowed for."""
    largest = [max(abs(low), abs(high)) for low, high in (known, given)]
    if not all(largest):
        return True
    centred = [low < -_NEGATIVE * most for (low, _), most in zip((known, given), largest, strict=True)]
    return centred[0] == centred[1] and max(largest) <= _FACTOR * min(largest)


def describe_range(bounds: Range) -> str:
    """Returns a range as it reads in a message, such as "0 to 1"."""
    return f"{bounds[0]:.3g} to {bounds[1]:.3g}"
