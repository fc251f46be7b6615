"""Whole runs on random markets with random settings: value is conserved, and independent books agree."""

import sys
import tempfile
from decimal import Decimal
from fractions import Fraction
from math import ceil
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from bot4.app import bootstrap
from bot4.engine.intake import import_funding
from bot4.ledger.accounts import Books, balances_of
from bot4.ledger.ledger_nb import conserved_nb
from bot4.model import codes_nb as c
from bot4.ports import journal as port
from bot4.ports.journal import FakeJournal
from bot4.research.backtest import Backtest, fold
from bot4.research.session import Chosen, load
from bot4.storage.lake import Dataset
from bot4.strategies.api import Strategy

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import markets as m

NO_JIT = bool(numba.config.DISABLE_JIT)
LONGEST = 70 if NO_JIT else 260
HOUR = 3600


class Dice(Strategy):
    """Changes its mind at random, from a seed of its own."""

    def __init__(self, seed):
        self.state = seed * 2 + 1

    def on_bar(self, bar):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        roll = (self.state >> 40) % 100
        return 1.0 if roll < 18 else -1.0 if roll < 36 else None


@st.composite
def runs(draw):
    """Everything a run is made of."""
    return {
        "seed": draw(st.integers(0, 2**32)),
        "bars": draw(st.integers(40, LONGEST)),
        "price": draw(st.sampled_from([0.9, 12.5, 40_000.0])),
        "vol": draw(st.sampled_from([0.0005, 0.003, 0.02])),
        "perp": draw(st.booleans()),
        "funding": draw(st.sampled_from([None, "0.0001", "-0.00037", "0.00012345"])),
        "strategy": draw(st.sampled_from(["dice", "dice", "hybrid", "trend_cross"])),
        "sets": [
            f"fees.maker={draw(st.sampled_from([-1, 0, 0.37, 2]))} bp",
            f"fees.taker={draw(st.sampled_from([0, 1.23, 5, 40]))} bp",
            f"risk.stop_atr={draw(st.sampled_from([0.3, 1, 4]))}",
            f"risk.target_r={draw(st.sampled_from([0.5, 1.5]))}",
            f"venue.volume_share={draw(st.sampled_from(['0.1 %', '10 %', '100 %']))}",
            f"venue.latency={draw(st.sampled_from(['constant', 'lognormal']))}",
            f"venue.entry_latency={draw(st.sampled_from(['0s', '10ms', '50s']))}",
            f"strategy.time_stop={draw(st.sampled_from([3, 240]))}",
            f"account.capital={draw(st.sampled_from([1000, 100_000, 77_777_777]))} USDT",
            f"risk.min_edge_r={draw(st.sampled_from([0, 0.02]))}",
            "safety.max_order_value=10000000 USDT",
        ],
    }


def made(folder, chosen):
    """(results' session, journal, the events it folded)."""
    rows = m.walk(chosen["bars"], chosen["seed"], HOUR, chosen["price"], chosen["vol"])
    rows = [r for r in rows if min(r[1:5]) > 0]
    data = m.bar_data(folder / "d", rows, "1h", market="perp" if chosen["perp"] else "spot")
    if chosen["perp"] and chosen["funding"]:
        file = folder / "funding.csv"
        times = [r[0] for r in rows if r[0] % (8 * HOUR) == 0 and (r[0] // HOUR) % 3]  # some are missing
        if times:
            file.write_text("ts,rate\n" + "".join(f"{t},{chosen['funding']}\n" for t in times))
            import_funding(file, "BTC-USDT-PERP", folder / "d")
            data = Dataset.open(folder / "d")
    dice = chosen["strategy"] == "dice"
    values = bootstrap.settings_of(None, chosen["sets"], None if dice else chosen["strategy"])
    how = Chosen("dice", "cold", Dice(chosen["seed"]), None, None)
    task = bootstrap.backtest_of(data.folder, values, None, 7)
    if dice:
        task = Backtest(data, values.values, values.to_json(), how, load(None), 7)
    journal = FakeJournal()
    session, feed, finish = task.session(journal)
    fold(session, feed, finish, data.rows, None)
    return session, journal, np.concatenate(list(task.feed())), values


def books_of(session, journal, market, values):
    """The same run in double entry with Decimal, from the journal's fills and the market's funding."""
    exp = session.plan.money_exp
    unit = Decimal(1).scaleb(-exp)
    held = session.plan.instruments[0]
    books = Books(Decimal(values["account.capital"]), unit)
    sides = {int(o["id"]): int(o["side"]) for o in m.rows_of(journal, port.ORDERS)}
    fills = [r["event"] for r in m.rows_of(journal, port.INPUTS) if r["event"]["kind"] == c.EV_FILL]
    mark = None
    waiting = list(fills)

    def post_until(ts):
        while waiting and int(waiting[0]["ts_local"]) <= ts:
            f = waiting.pop(0)
            price, qty = int(f["price"]) * held.tick, int(f["qty"]) * held.lot
            rate = values["fees.maker" if f["flags"] & c.FLAG_MAKER else "fees.taker"]
            rate = Fraction(round(rate * 1e8), 10**8)
            due = ceil(Fraction(price) * Fraction(qty) * rate / Fraction(unit))
            assert int(f["y"]) == due, "a fee is not the rate on the notional, rounded up"
            books.fill(held.symbol, sides[int(f["x"])], price, qty, int(f["y"]) * unit)

    for event in market:
        post_until(int(event["ts_local"]))
        if event["kind"] == c.EV_BAR:
            mark = int(event["price"]) * held.tick
        elif event["kind"] == c.EV_FUNDING:
            qty = books.quantities.get(held.symbol, Decimal(0))
            rate = Decimal(int(event["x"])).scaleb(-8)
            if int(event["seq"]) == -1 and qty < 0:
                rate = -rate  # a substitute is paid whatever the side
            if qty and mark is not None:
                books.funding(held.symbol, rate, mark)
    post_until(2**62)
    return books, fills, mark


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
@settings(
    max_examples=8 if NO_JIT else 40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(chosen=runs())
def test_value_is_conserved_and_independent_books_agree(chosen):
    with tempfile.TemporaryDirectory() as folder:
        session, journal, market, values = made(Path(folder), chosen)
    ledger = session.engine.ledger
    assert conserved_nb(ledger)
    books, fills, mark = books_of(session, journal, market, values)
    note(f"{len(fills)} fills, {session.results()['refused']}")
    SEEN["fills"] += len(fills)
    SEEN["funding"] += books.balances.get("funding", 0) != 0
    SEEN["short"] += chosen["perp"] and any(q < 0 for q in books.quantities.values())
    symbol = session.plan.instruments[0].symbol
    stated = balances_of(ledger, session.plan.money_exp, [symbol])
    assert books.trial_balance() == 0
    for account, amount in stated.items():
        assert books.balances.get(account, Decimal(0)) == amount, account
    lots = int(ledger.positions[0]["qty"])
    assert books.quantities.get(symbol, Decimal(0)) == lots * session.plan.instruments[0].lot
    results = session.results()
    scale = session.plan.money_exp
    if mark is not None:
        equity = books.equity({symbol: mark})
        assert round(results["equity_end"] * 10**6) == round(float(equity) * 10**6)
    assert results["fills"] == len(fills)
    assert round(Decimal(str(results["fees"])), 6) == round(books.balances.get("fees", Decimal(0)), 6), scale


SEEN = {"fills": 0, "funding": 0, "short": 0}


def test_the_runs_traded_at_all():
    """The property above says nothing if nothing happens in it."""
    if SEEN == {"fills": 0, "funding": 0, "short": 0}:
        pytest.skip("the runs were not made in this process")
    assert SEEN["fills"] > (5 if NO_JIT else 300)
    assert NO_JIT or SEEN["funding"] > 2
