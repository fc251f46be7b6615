"""Instruments, durations and instants, names of codes, the words between the stages."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot4.model import codes_nb as c
from bot4.model import names
from bot4.model.errors import ConfigError, InstrumentError, MissingExtra
from bot4.model.events import (
    DECISION_DTYPE,
    EQUITY_DTYPE,
    EVENT_DTYPE,
    INPUT_DTYPE,
    INSTRUMENT_DTYPE,
    INTENT_DTYPE,
    ORDER_DTYPE,
)
from bot4.model.instrument import Instrument
from bot4.model.times import NS, duration_ns, duration_text, instant_ns, instant_text
from bot4.model.values import I64_MAX, Rate
from bot4.model.words import Signal

D = Decimal
BTC = Instrument(
    "BTC-USDT", "binance-spot", "BTC", "USDT", "spot", D("0.01"), D("0.00001"), D("0.00001"), D(9000), D(5)
)


def test_grid_of_an_instrument():
    assert BTC.price("60000.01").ticks == 6_000_001
    assert BTC.quantity("0.5").lots == 50_000
    with pytest.raises(InstrumentError):
        BTC.price("60000.001")
    with pytest.raises(InstrumentError):
        BTC.quantity("0.000001")


@given(st.decimals("0.00001", "1000000", places=7), st.sampled_from([1, -1]))
def test_rounding_is_on_the_safe_side(value, side):
    """Sideways rounding would buy above or sell below what was asked for, or take more risk."""
    lots = BTC.round_qty_down(value)
    assert 0 <= Fraction(value) - Fraction(lots.to_decimal()) < Fraction(BTC.lot)
    price = BTC.round_price(value, side)
    apart = Fraction(value) - Fraction(price.to_decimal())
    assert 0 <= apart * side < Fraction(BTC.tick)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"kind": "option"}, "kind 'option'"),
        ({"tick": D(0)}, "tick must be a positive"),
        ({"lot": D("NaN")}, "lot must be a positive"),
        ({"tick": 0.1}, "tick must be a positive"),
        ({"min_qty": D("0.000001")}, "min_qty"),
        ({"max_qty": "many"}, "max_qty"),
    ],
)
def test_an_instrument_with_wrong_rules_is_refused(change, match):
    with pytest.raises(InstrumentError, match=match):
        replace(BTC, **change)


def test_record_for_the_hot_plane():
    row = BTC.record(8, Rate.of("0.0002"), Rate.of("0.0005"), 60 * NS["s"])[0]
    assert BTC.money_exp() == 7
    assert (row["min_qty"], row["max_qty"], row["min_notional"]) == (1, 900_000_000, 500_000_000)
    assert (row["money_mult"], row["maker_fee"], row["taker_fee"]) == (10, 20_000, 50_000)
    assert (row["bar_ns"], row["kind"]) == (60 * NS["s"], 0)
    assert (row["tick_size"], row["lot_size"]) == (0.01, 0.00001)
    wide = replace(BTC, max_qty=D(I64_MAX) * BTC.lot)
    assert wide.record(8, Rate(0), Rate(0), 0)["max_qty"][0] == I64_MAX >> 1
    with pytest.raises(InstrumentError, match="tick x lot"):
        BTC.record(6, Rate(0), Rate(0), 0)  # ten times too coarse to hold it


def test_min_notional_is_rounded_up():
    odd = replace(BTC, min_notional=D("5.000000001"))
    assert odd.record(8, Rate(0), Rate(0), 0)["min_notional"][0] == 500_000_001


def test_an_instrument_survives_json():
    assert Instrument.from_json(BTC.to_json()) == BTC
    finer = BTC.with_grid(D("0.001"), D("0.000001"))
    assert (finer.tick, finer.lot, finer.min_qty) == (D("0.001"), D("0.000001"), D("0.000001"))


@pytest.mark.parametrize(
    ("text", "ns"),
    [("250ms", 250 * 10**6), ("1m", 60 * 10**9), ("1h30m", 5400 * 10**9), ("90", 90 * 10**9), (2, 2 * 10**9),
     ("1.5s", 1_500_000_000), ("0.1us", 100), ("7ns", 7), ("1d", 86_400 * 10**9), ("0s", 0),
     ("0.5", 5 * 10**8)],
)  # fmt: skip
def test_durations(text, ns):
    assert duration_ns(text) == ns
    if ns:
        assert duration_ns(duration_text(ns)) == ns


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1 m", "1x", "1m!", "s", "1.s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ConfigError, match="not a duration"):
        duration_ns(text)


def test_duration_text_takes_the_largest_unit():
    assert [duration_text(n) for n in (0, 1, 1000, 90 * 10**9, 86_400 * 10**9)] == [
        "0ns",
        "1ns",
        "1us",
        "90s",
        "1d",
    ]


@given(st.integers(0, 4 * 10**18))
def test_instants_come_back(ns):
    text = instant_text(ns)
    assert text.endswith("Z")
    if ns % 1000 == 0:  # the parser reads microseconds
        assert instant_ns(text) == ns
    assert instant_ns(str(ns + 10**15)) == ns + 10**15


def test_instants_in_other_forms():
    assert instant_ns("1970-01-02") == 86_400 * 10**9
    assert instant_ns("1970-01-01T01:00:00+01:00") == 0
    assert instant_text(1) == "1970-01-01T00:00:00.000000001Z"
    assert instant_text(1_500_000_000) == "1970-01-01T00:00:01.500Z"
    with pytest.raises(ConfigError, match="not an instant"):
        instant_ns("yesterday")


def test_every_code_has_a_word():
    for prefix, table in (
        ("R_", names.REASONS), ("D_", names.REASONS), ("EV_", names.EVENTS), ("MODE_", names.MODES),
        ("STATUS_", names.STATUSES), ("ST_", names.ORDER_STATES), ("TYPE_", names.ORDER_TYPES),
        ("FOR_", names.PURPOSES), ("TIF_", names.TIFS),
    ):  # fmt: skip
        codes = {v for k, v in vars(c).items() if k.startswith(prefix)}
        assert codes <= set(table), prefix
        assert all(table[code] for code in codes)
    assert names.reason(c.R_DAILY_LOSS) == "daily_loss"
    assert names.reason(127) == "reason_127"
    assert names.SIDES == {1: "buy", -1: "sell", 0: "none"}


def test_codes_of_one_family_differ():
    """Two reasons with one number would tell the operator the wrong story."""
    for family in (("R_", "D_"), ("EV_",), ("MODE_",), ("STATUS_",), ("ST_",), ("FOR_",), ("FLAG_",)):
        values = [v for k, v in vars(c).items() if k.startswith(family)]
        assert len(values) == len(set(values)), family
    assert max(v for k, v in vars(c).items() if k.startswith(("R_", "D_"))) < c.N_REASONS


@pytest.mark.parametrize(
    ("dtype", "size"),
    [(EVENT_DTYPE, 64), (INPUT_DTYPE, 72), (INTENT_DTYPE, 48), (ORDER_DTYPE, 104), (DECISION_DTYPE, 96),
     (EQUITY_DTYPE, 64), (INSTRUMENT_DTYPE, 88)],
)  # fmt: skip
def test_records_have_no_hidden_bytes(dtype, size):
    """Padding is not initialised: a hash over it would differ between runs. Sizes are the format."""
    assert dtype.itemsize == size
    assert sum(dtype[n].itemsize for n in dtype.names) == size
    assert np.dtype(dtype.descr, align=True).itemsize == size


def test_a_signal_has_a_direction_and_a_share():
    assert Signal("rsi", -1, 0.5).direction == -1
    for direction, confidence in ((2, 0.5), (1, 1.5), (1, -0.1), (1, float("nan"))):
        with pytest.raises(ValueError, match="rsi"):
            Signal("rsi", direction, confidence)


def test_a_missing_extra_names_the_command():
    assert "pip install 'bot4[ml]'" in str(MissingExtra("sklearn", "ml"))
