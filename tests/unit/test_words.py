"""Eight bytes at a time: compiled = plain = reading by Python's own int and Decimal."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot4.kernels.jit_nb import kernel
from bot4.market import scan_nb as s
from bot4.market.shape_nb import same_bytes_nb, value_end_nb
from bot4.market.words_nb import decimal_at, differs_at, digits_at


@kernel
def digits(buf, i):
    return digits_at(buf, i)


@kernel
def decimals(buf, i):
    return decimal_at(buf, i)


@kernel
def differs(a, i, b, j, n):
    return differs_at(a, i, b, j, n)


def array(text):
    return np.frombuffer(text if isinstance(text, bytes) else text.encode(), np.uint8)


TEXT = st.text(alphabet='0123456789."-,aeE}\n', max_size=12)


@settings(deadline=None)  # the first call compiles
@given(TEXT)
@example("12345678")
@example("1234567\n")
@example("/0:9")
def test_digits_are_those_of_a_plain_reading(text):
    buf = array(text + "\n" * 8)
    run = ""
    for ch in text[:8]:
        if not "0" <= ch <= "9":
            break
        run += ch
    want = (len(run), int(run or "0"))
    assert tuple(digits(buf, 0)) == digits_at(buf, 0) == want


@settings(deadline=None)  # the first call compiles
@given(st.binary(min_size=8, max_size=8))
def test_bytes_that_are_no_text_give_the_same_in_both_planes(raw):
    buf = array(raw + b"\n" * 8)
    assert tuple(digits(buf, 0)) == digits_at(buf, 0)
    assert tuple(decimals(buf, 0)) == decimal_at(buf, 0)


@settings(deadline=None)  # the first call compiles
@given(TEXT)
@example('61800.20"')
@example('618"')
@example('1234567"')
@example('123456.7"')
@example('1234567."')
@example('0.000001"')
@example('12.34.5"')
def test_short_decimals_are_exact_or_declined(text):
    buf = array(text + "\n" * 12)
    length, value, fine = decimal_at(buf, 0)
    assert tuple(decimals(buf, 0)) == (length, value, fine)
    if length:
        assert length <= 8
        assert Decimal(value).scaleb(-fine) == Decimal(text[:length])
        assert fine or text[length] == '"'


def test_common_prices_take_the_short_way():
    for text, want in (
        ("61800.20", (8, 6180020, 2)),
        ("0.014", (5, 14, 3)),
        ("7", (1, 7, 0)),
        ("1234567", (7, 1234567, 0)),
    ):
        assert tuple(decimals(array(text + '"' + "\n" * 8), 0)) == want


@settings(deadline=None)  # the first call compiles
@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8), st.integers(1, 8))
@example(b"abcdefgh", b"abcdefgX", 7)
@example(b"abcdefgh", b"abcdefgX", 8)
def test_comparison_of_a_prefix(a, b, n):
    assert (
        bool(differs(array(a), 0, array(b), 0, n))
        == differs_at(array(a), 0, array(b), 0, n)
        == (a[:n] != b[:n])
    )


@pytest.mark.parametrize("tail", [b"", b"\n" * 16])
def test_literals_compare_to_the_last_byte_of_the_buffer(tail):
    text = b'"stream":"btcusdt@trade"'
    buf = array(text + tail)
    for n in range(1, len(text) + 1):
        assert same_bytes_nb(buf, 0, array(text), 0, n)
        other = bytearray(text)
        other[n - 1] ^= 1
        assert not same_bytes_nb(buf, 0, array(bytes(other)), 0, n)


@pytest.mark.parametrize(
    "value", ["1723161256313", "61800.20", "true", "12345678.12345678", "1.2.3", "", "5"]
)
@pytest.mark.parametrize("tail", ['"\n', ',"m":false}}\n'])
def test_the_end_of_a_value(value, tail):
    assert value_end_nb(array(value + tail), 0) == len(value)


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 10**20))
@example(2**63)
@example(10**18)
@example(99999999)
def test_integers_of_any_length(value):
    for pad in ("", " " * 12):
        got = s.integer_nb(array(f"{value},{pad}\n"), 0)
        assert got == (value if value < 2**63 and len(str(value)) <= 19 else -1)
