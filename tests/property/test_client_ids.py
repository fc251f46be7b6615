"""Client order ids on the wire: every id of bot4 comes back, nothing else does."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot4.model.errors import CallerError
from bot4.safety.gate import MAX_EPOCH, MAX_ORDER_ID, client_order_id
from bot4.venues.ids import RULES, decode, encode, packed, unpacked

OWNERS = st.text("ABCXYZabcxyz0189", min_size=1, max_size=8)
LARGE = [name for name, rules in RULES.items() if rules.form != "integer"]


@given(OWNERS, st.integers(0, MAX_EPOCH), st.integers(1, MAX_ORDER_ID))
def test_every_id_comes_back_from_every_venue(owner, epoch, order):
    made = client_order_id(owner, epoch, order)
    for venue in LARGE:
        wire = encode(venue, made)
        rules = RULES[venue]
        assert len(wire) <= rules.max_length
        assert re.fullmatch(f"[{rules.charset}]+", wire)
        assert decode(venue, wire) == made


@given(OWNERS, st.integers(0, 9 * 10**9), st.integers(1, 10**9 - 1))
def test_integer_ids_come_back_with_their_owner(owner, epoch, order):
    made = client_order_id(owner, epoch, order)
    wire = encode("bitfinex", made)
    assert 0 < int(wire) < 2**63
    assert decode("bitfinex", wire, owner) == made


def test_the_largest_id_fits_128_bits():
    made = client_order_id("z" * 8, MAX_EPOCH, MAX_ORDER_ID)
    assert packed(made) < 2**128
    assert unpacked(packed(made)) == made


def test_what_does_not_fit_is_refused():
    with pytest.raises(CallerError, match="too large"):
        encode("bitfinex", client_order_id("a", 1, 10**9))
    with pytest.raises(CallerError, match="not one that bot4 made"):
        encode("hyperliquid", "somebody-else")
    with pytest.raises(CallerError, match="takes up to 36"):
        encode("binance-spot", "ä" * 5)


@given(st.one_of(st.text(max_size=40), st.text("0123456789abcdefABCDEF-txb4", max_size=40)))
def test_an_id_has_one_spelling_and_nothing_else_is_taken_for_ours(text):
    for venue in RULES:
        found = decode(venue, text, "x")
        assert found is None or encode(venue, found) == text
