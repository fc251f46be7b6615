"""Names of the chart patterns, by code."""

from typing import Final

SHAPES: Final = (
    "none",
    "head_and_shoulders",
    "inverse_head_and_shoulders",
    "double_top",
    "double_bottom",
    "triple_top",
    "triple_bottom",
    "ascending_triangle",
    "descending_triangle",
    "symmetric_triangle",
    "rising_wedge",
    "falling_wedge",
    "flag",
    "pennant",
    "rectangle",
    "channel",
    "broadening",
    "cup_and_handle",
    "inverse_cup_and_handle",
    "rounding_bottom",
    "rounding_top",
)
