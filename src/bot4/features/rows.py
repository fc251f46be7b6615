"""Kinds of input rows beside bars, with their fields in order. Whoever composes features fills them."""

from typing import Final

from bot4.features.cross_nb import CARRY_FIELDS, PAIR_FIELDS
from bot4.features.declare import Row
from bot4.features.micro.rows_nb import BOOK_COLUMNS, TRADE_COLUMNS

BOOK: Final = Row("book", BOOK_COLUMNS)
"""Ten levels of a book and what traded against each side since the row before."""
TRADE: Final = Row("trade", TRADE_COLUMNS)
"""One trade and the best quote just before it."""
PAIR: Final = Row("pair", PAIR_FIELDS)
"""A closed bar of an instrument and of its reference."""
CARRY: Final = Row("carry", CARRY_FIELDS)
"""A perpetual: price, index, funding, open interest, as known at one time."""
SERIES: Final = Row("series", ("value",))
"""One value of another column."""
TWO: Final = Row("two", ("a", "b"))
"""The values of two other columns in one row."""
