"""docs/venues.md says what the code says."""

from pathlib import Path

from cards import CARDS

from bot4.venues.page import PARTS, filled, table

PAGE = Path(__file__).parents[2] / "docs" / "venues.md"


def parts():
    cards = table(
        ["card", "area", "what", "needs"], [[c.number, c.area, c.title, c.needs or "-"] for c in CARDS]
    )
    return {"cards": cards, **{name: make() for name, make in PARTS.items()}}


def write():
    """Put the tables in anew."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), parts()), encoding="utf-8")


def test_the_page_is_what_the_code_says():
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, parts()) == page, (
        "docs/venues.md is out of date; the command to write it stands in it"
    )
    assert page.count("<!-- end -->") == len(parts())
