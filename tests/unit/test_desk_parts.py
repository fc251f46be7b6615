"""The small parts of the desk: lifecycle table, intents, breaker, matching, cover, funding, account checks, lease."""

import itertools
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import PERP, PRICE, order_row, stop_row

from bot4.execution.fills import Holding, TradeBook, trade_number
from bot4.execution.funding import MINUTE, carry, funding_advice
from bot4.execution.idempotency import Intents, intent_key
from bot4.execution.lease import Lease
from bot4.execution.lifecycle import LIVE, TABLE, Effect, Event, State, step
from bot4.execution.match import Ambiguous, Found, Lost, Nothing, match_lost
from bot4.execution.outbox import Outbox
from bot4.execution.preflight import Wanted, fresh_start, preflight
from bot4.execution.protection import NakedTime, PassedStops, covered, exit_price, held_here
from bot4.execution.settings import DeskSettings
from bot4.execution.tracked import tracked_from, worst_exposure
from bot4.execution.views import Views
from bot4.model import codes_nb as c
from bot4.model.errors import InstrumentError, JournalError, SafetyError, StorageError
from bot4.model.events import ORDER_DTYPE
from bot4.ports.clock import FakeClock
from bot4.ports.intents import FakeIntents, IntentRecord
from bot4.ports.lease import FakeLease, Holder
from bot4.ports.venue import Capabilities, OrderReport, TradeReport, VenueUnreachable
from bot4.ports.venue_fake import FakeExchange, FakeVenue
from bot4.safety.gate import sealed, triggered
from bot4.storage.intents import FileIntents
from bot4.storage.lease import FileLease

D = Decimal
SECOND = 10**9

# --- the lifecycle table -----------------------------------------------------------------------------


def test_every_transition_of_the_table_keeps_the_rules():
    for state, event in itertools.product(State, Event):
        after, effect = step(state, event)
        if (state, event) not in TABLE or effect is Effect.ILLEGAL:
            assert after is state and effect is Effect.ILLEGAL
        if effect is Effect.STALE:
            assert after is state
        if event in (Event.PART, Event.FULL) and state not in (State.QUEUED, State.FILLED):
            assert effect in (Effect.EMIT_FILL, Effect.ORPHAN_FILL), (state, event)  # a fill is always money
        if event is Event.FULL and effect is Effect.EMIT_FILL:
            assert after is State.FILLED
        if state not in LIVE and after in LIVE:
            pytest.fail(f"{state} comes back to life by {event}")
        if state in LIVE and after not in LIVE and event not in (Event.FULL,):
            assert effect in (Effect.EMIT_CANCELED, Effect.EMIT_REJECT), (state, event)  # no silent end


def test_model_check_from_queued_every_path_can_end_and_nothing_is_sent_twice():
    seen, todo = {State.QUEUED}, [State.QUEUED]
    while todo:
        state = todo.pop()
        for event in Event:
            after, _ = step(state, event)
            if after not in seen:
                seen.add(after)
                todo.append(after)
    assert seen == set(State)
    for state in seen & LIVE:
        ends = {step(state, e)[0] for e in Event} - LIVE
        assert ends, f"{state} has no end"
    sends = [s for s in State if step(s, Event.SEND) == (State.SENT, Effect.NONE)]
    assert sends == [State.QUEUED]
    backs = [
        (s, e)
        for s, e in itertools.product(State, Event)
        if step(s, e)[0] is State.QUEUED and s is not State.QUEUED
    ]
    assert backs == [(State.SENT, Event.UNSENT)]  # only what provably did not leave may be sent again


# --- intents -------------------------------------------------------------------------------------------


def test_a_claim_is_durable_before_it_is_given():
    class Full(FakeIntents):
        def append(self, records):
            raise StorageError("disk full")

    with pytest.raises(StorageError):
        Intents(Full(), 10, 10).claim([("k", "c1")], 0)


def test_a_duplicate_within_a_day_gets_the_first_id_and_a_later_one_is_new():
    registry = Intents(FakeIntents(), ttl_ns=100, limit=10)
    assert registry.claim([("k", "c1")], 0)[0].fresh
    again = registry.claim([("k", "c2")], 10_000)[0]
    assert (again.fresh, again.client_id, again.pending) == (False, "c1", True)  # live orders do not expire
    registry.done("c1", 10_000)
    registry.done("c1", 20_000)
    registry.done("never", 0)
    assert registry.claim([("k", "c3")], 10_099)[0].client_id == "c1"
    assert registry.claim([("k", "c4")], 10_100)[0].fresh and registry.find("c1") is None


def test_live_orders_are_never_forgotten():
    registry = Intents(FakeIntents(), ttl_ns=100, limit=3)
    for k in range(3):
        registry.claim([(f"k{k}", f"c{k}")], k)
    registry.done("c1", 3)
    registry.claim([("k3", "c3")], 4)
    assert registry.find("c1") is None and {r.client_id for r in registry.pending()} == {"c0", "c2", "c3"}
    with pytest.raises(SafetyError, match="live at once"):
        registry.claim([("k4", "c4")], 5)


def test_keys_tell_apart_what_differs():
    assert intent_key("a", 1, 12, 3) != intent_key("a", 1, 1, 23) != intent_key("a", 2, 1, 23)


def test_intents_survive_a_restart_and_a_torn_line(tmp_path):
    path = tmp_path / "state" / "intents.log"
    registry = Intents(FileIntents(path), 100, 10)
    registry.claim([("k1", "c1"), ("k2", "c2")], 5)
    registry.done("c1", 6)
    registry.flush()
    with path.open("ab") as out:
        out.write(b"12345678 [torn")
    again = Intents(FileIntents(path), 100, 10)
    assert again.pending() == [IntentRecord("k2", "c2", "pending", 5)]
    again.claim([("k3", "c3")], 7)
    assert [r.client_id for r in FileIntents(path).load()] == ["c1", "c2", "c1", "c3"]


def test_ends_are_written_with_the_next_claim_and_a_lost_one_is_only_pending(tmp_path):
    store = FakeIntents()
    registry = Intents(store, 100, 10)
    registry.claim([("k1", "c1"), ("k2", "c2")], 5)
    for k in (1, 2):
        registry.done(f"c{k}", 6)
    assert len(store.records) == 2  # a hundred cancels wait for no write
    assert {r.client_id for r in Intents(store, 100, 10).pending()} == {"c1", "c2"}  # a crash here
    registry.claim([("k3", "c3")], 7)
    assert [r.state for r in store.records] == ["pending", "pending", "done", "done", "pending"]
    registry.flush()
    assert len(store.records) == 5


def test_an_end_that_a_crash_lost_is_made_good_by_what_the_journal_knows():
    store = FakeIntents()
    registry = Intents(store, 100, 10)
    registry.claim([("k1", "c1"), ("k2", "c2"), ("k3", "c3")], 5)
    registry.done("c1", 6)  # not written
    again = Intents(store, 100, 10)
    again.end_others({"c2"}, 9)
    assert [r.client_id for r in again.pending()] == ["c2"]
    assert [r.client_id for r in Intents(store, 100, 10).pending()] == ["c2"]  # durably


def test_damage_in_the_middle_is_an_error_with_its_line(tmp_path):
    path = tmp_path / "intents.log"
    store = FileIntents(path)
    store.append([IntentRecord(f"k{k}", f"c{k}", "pending", k) for k in range(3)])
    data = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([data[0], data[1].replace(b"c1", b"cX"), data[2], b""]))
    with pytest.raises(JournalError, match="line 2"):
        FileIntents(path)
    path.write_bytes(b"\n".join([data[0], b"zz", b""]))  # the last whole line may be torn inside too
    assert len(FileIntents(path).load()) == 1


def test_the_file_is_rewritten_when_most_of_it_is_old(tmp_path):
    path = tmp_path / "intents.log"
    registry = Intents(FileIntents(path), 1, 5)
    for k in range(700):
        registry.claim([(f"k{k}", f"c{k}")], k)
        registry.done(f"c{k}", k)
    assert len(path.read_bytes().split(b"\n")) < 1_200


def test_an_intent_file_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(StorageError):
        FileIntents(tmp_path / "x")
    store = FileIntents(tmp_path / "y" / "log")
    (tmp_path / "y" / "log").mkdir()
    with pytest.raises(StorageError):
        store.append([IntentRecord("k", "c", "pending", 0)])


# --- settings, outbox -------------------------------------------------------------------------


def test_retries_are_linear_then_slow_and_capped_with_bounded_jitter():
    s = DeskSettings()
    bases = [100, 200, 300, 1000, 2000, 3000]
    for attempt, base in enumerate(bases, 1):
        assert all(base * 10**6 <= s.pause_ns(attempt, salt) <= base * 12 * 10**5 for salt in range(50))
    assert s.pause_ns(1000, 3) <= s.retry_cap_ns * 12 // 10
    assert len({s.pause_ns(1, salt) for salt in range(50)}) > 25


def test_the_outbox_stamps_and_empties():
    out = Outbox()
    assert out.take(5).size == 0
    out.put(c.EV_ACK, 1, x=7, ts_venue=3)
    out.put(c.EV_FILL, 1, x=7)
    rows = out.take(5, venue=2)
    assert rows["ts_local"].tolist() == [5, 5] and rows["ts_venue"].tolist() == [3, 5] and len(out) == 0


# --- fills ---------------------------------------------------------------------------------------------


def test_trade_numbers_are_numbers_or_stable_hashes():
    assert trade_number("123") == 123 and trade_number(str(2**63 - 1)) == 2**63 - 1
    for text in ("abc-1", str(2**63), "０"):
        assert 0 <= trade_number(text) < 2**63 and trade_number(text) == trade_number(text)
    assert trade_number("abc-1") != trade_number("abc-2")


def test_holding_at_average_cost_through_zero():
    h = Holding()
    h.book(1, 100, 3), h.book(1, 200, 1)
    assert (h.lots, h.average()) == (4, 125)
    h.book(-1, 300, 2)
    assert (h.lots, h.cost) == (2, 250)
    h.book(-1, 90, 5)
    assert (h.lots, h.cost, h.average()) == (-3, 270, 90)
    h.book(1, 80, 3)
    assert (h.lots, h.cost, h.average()) == (0, 0, 0)


def test_f6_4_fees_in_every_currency():
    book = TradeBook(PERP, 4, 10, {"BNB": D(600)}.get, D("0.001"))
    base = TradeReport(PERP.symbol, "1", "", "", 1, D(60000), D("0.1"), D(0), "USDT", False, 0)

    def fee(amount, asset):
        measured = book.measure(replace(base, fee=D(amount), fee_asset=asset))
        return measured.fee, measured.estimated

    assert fee("0.96", "USDT") == (9_600, False)
    assert fee("0.00001", "USDT") == (1, False)  # rounded against us
    assert fee("-0.5", "USDT") == (-5_000, False)  # a rebate
    assert fee("0.0001", "BTC") == (60_000, False)  # a perpetual's fee in coins is worth its price
    assert fee("0.01", "BNB") == (60_000, False)
    assert fee("1", "XYZ") == (60_000, True) and fee("-1", "XYZ") == (0, True)
    with pytest.raises(InstrumentError):
        book.measure(replace(base, price=D("60000.05")))


def test_old_trade_numbers_make_room():
    book = TradeBook(PERP, 4, 2, lambda asset: None, D(0))
    for k in (1, 2, 3):
        book.remember(k)
    assert not book.seen(1) and book.seen(2) and book.seen(3)


# --- matching ------------------------------------------------------------------------------------------

LOST = Lost(1, D("0.1"), D(60000), 1000 * SECOND)


def report(venue_id, **more):
    base = OrderReport(
        PERP.symbol,
        "",
        venue_id,
        "new",
        1,
        "limit",
        D("0.1"),
        D(0),
        D(60000),
        None,
        None,
        False,
        1000 * SECOND,
    )
    return replace(base, **more)


def execution(venue_id, lots="0.1", price="60000", **more):
    base = TradeReport(
        PERP.symbol, "1", "", venue_id, 1, D(price), D(lots), D(0), "USDT", False, 1001 * SECOND
    )
    return replace(base, **more)


@pytest.mark.parametrize(
    ("orders", "trades", "gap", "expected"),
    [
        ([], [], "0", Nothing()),
        ([], [], "0.1", Ambiguous(())),
        ([report("a")], [], "0", Found("a")),
        ([report("a")], [], "0.1", Ambiguous(("a",))),
        ([report("a", side=-1)], [], "0", Nothing()),
        ([report("a", quantity=D("0.2"))], [], "0", Nothing()),
        ([report("a", price=D(60001))], [], "0", Nothing()),
        ([report("a", ts_venue=0)], [], "0", Nothing()),
        ([report("a"), report("b")], [], "0", Ambiguous(("a", "b"))),
        ([report("a")], [execution("a", "0.03")], "0.03", Found("a")),
        ([], [execution("a")], "0.1", Found("a")),
        ([], [execution("a", price="59990")], "0.1", Found("a")),
        ([], [execution("a", price="60001")], "0", Nothing()),
        ([], [execution("a", side=-1)], "0", Nothing()),
        ([], [execution("a", ts_venue=0)], "0", Nothing()),
        ([], [execution("known")], "0", Nothing()),
    ],
)
def test_f2_7_matching(orders, trades, gap, expected):
    assert match_lost(LOST, orders, trades, D(gap), frozenset({"known"}), 60 * SECOND) == expected


# --- cover ---------------------------------------------------------------------------------------------


def stop(id, lots, state=State.WORKING, soft=False, **more):
    t = tracked_from(stop_row(id, qty=lots, **more)[0], str(id), 0, None)
    t.state, t.soft = state, soft
    return t


def test_only_confirmed_stops_on_the_right_side_cover():
    orders = [stop(1, 30), stop(2, 20, State.UNKNOWN), stop(3, 40, State.SENT), stop(4, 9, soft=True)]
    assert covered(100, orders) == 30 and covered(20, orders) == 20 and covered(-100, orders) == 0
    assert held_here(100, orders) == 9 and covered(0, orders) == 0


def test_worst_exposure_trusts_nobody():
    entry = tracked_from(order_row(1, qty=50)[0], "1", 0, None)
    out = tracked_from(order_row(2, qty=50, side=c.SELL)[0], "2", 0, None)
    cut = tracked_from(order_row(3, qty=10, side=c.SELL, reduce=True)[0], "3", 0, None)
    over = tracked_from(order_row(4, qty=500)[0], "4", 0, None)
    over.state = State.CANCELED
    assert worst_exposure(10, [entry, out, cut, over]) == 60
    assert worst_exposure(-10, [entry, out, cut]) == 60
    up = tracked_from(order_row(5, qty=4, reduce=True)[0], "5", 0, None)
    assert worst_exposure(-10, [up, entry]) == 44


def test_naked_spells_are_counted_by_length():
    naked = NakedTime()
    assert naked.look(0, 0) == 0 and naked.look(5, 100) == 0
    assert naked.look(5, 100 + 2 * SECOND) == 2 * SECOND
    assert naked.look(0, 100 + 3 * SECOND) == 0
    assert (naked.worst_ns, naked.total_ns, naked.since) == (3 * SECOND, 3 * SECOND, None)
    assert naked.histogram[4] == 1 and sum(naked.histogram) == 1  # 1 s to 10 s


def test_passed_stops_after_the_limit_only():
    watch = PassedStops(3 * SECOND)
    orders = [stop(1, 10)]
    at = PRICE - 1000
    assert watch.look(orders, at + 1, 0) == [] and watch.look(orders, at, SECOND) == []
    assert watch.look(orders, at, 4 * SECOND) == [] and watch.look(orders, at, 4 * SECOND + 1) == [1]
    assert watch.look(orders, at + 1, 5 * SECOND) == [] and watch.look(orders, at, 9 * SECOND) == []


def test_exit_prices_are_never_beyond_the_cap():
    assert exit_price(1000, -1, D("0.01")) == 990 and exit_price(1001, -1, D("0.01")) == 991
    assert exit_price(1001, 1, D("0.01")) == 1011 and exit_price(1, -1, D("0.99")) == 1


def test_only_a_reduce_only_stop_can_be_triggered():
    limit = PERP.price("59000")
    stopped = sealed(stop_row(1), PERP, "t", 1)
    made = triggered(stopped, limit)
    assert (made.intent.type, made.intent.tif, made.intent.price) == ("limit", "ioc", limit)
    assert made.client_order_id == stopped.client_order_id and made.intent.quantity == stopped.intent.quantity
    with pytest.raises(SafetyError):
        triggered(sealed(order_row(1), PERP, "t", 1), limit)


# --- funding -------------------------------------------------------------------------------------------

HOUR = 60 * MINUTE


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("left", [1, 29, 30, 31, 239, 419, 421, 479])
@pytest.mark.parametrize("rate", [None, -50_000, -10_000, 0, 10_000, 10_001, 50_000])
def test_e8_table_over_sides_minutes_and_rates(side, left, rate):
    now, pay = 1_000 * HOUR, 1_000 * HOUR + left * MINUTE
    advice = funding_advice(side, rate, now, pay, 8 * HOUR)
    if rate is None:
        expected = left >= 30
    elif rate * side <= 0 or abs(rate) <= 10_000:
        expected = True  # nothing to pay, or little
    else:
        expected = left > 420  # more than 7/8 of the interval remain
    assert advice.enter is expected
    assert advice.until == (0 if expected else pay + 5 * MINUTE)


def test_e8_past_payments_and_other_intervals():
    assert (
        funding_advice(1, 50_000, 100 * HOUR, 99 * HOUR, HOUR).enter is True
    )  # the next is a full hour away
    assert (
        funding_advice(1, 50_000, 100 * HOUR, 98 * HOUR + 20 * MINUTE, HOUR).until == 100 * HOUR + 25 * MINUTE
    )
    with pytest.raises(ValueError, match="positive"):
        funding_advice(1, 0, 0, 0, 0)


def test_e8_carry_is_the_venues_formula_rounded_against_us():
    assert carry(1, 100, PRICE, 1, 10_000) == 6_000  # 6000 USDT x 0.01 % = 0.6 USDT
    assert carry(-1, 100, PRICE, 1, 10_000) == -6_000
    assert carry(1, 1, 3, 1, 1) == 1 and carry(-1, 1, 3, 1, 1) == 0


# --- the account ---------------------------------------------------------------------------------------

WANTED = {PERP.symbol: Wanted(3, "isolated")}


def account(**more):
    exchange = FakeExchange()
    exchange.positions[PERP.symbol] = more.pop("held", D(0))
    return FakeVenue(exchange, capabilities=Capabilities(market="perp"), **more)


async def findings(venue):
    return {f.name: (f.passed, f.text) for f in await preflight(venue, WANTED)}


async def test_f7_3_leverage_is_set_and_read_back():
    venue = account(leverage={PERP.symbol: (20, "cross")})
    found = await findings(venue)
    assert all(passed for passed, _ in found.values()) and venue.leverage[PERP.symbol] == (3, "isolated")
    assert "read back" in found[f"leverage {PERP.symbol}"][1]
    assert (await findings(venue))[f"leverage {PERP.symbol}"][1] == "3x isolated"
    assert venue.calls.count("set_leverage") == 1


async def test_f7_3_what_is_set_but_not_read_back_refuses():
    venue = account(leverage={PERP.symbol: (20, "cross")}, always={"set_leverage": "ignored"})
    passed, text = (await findings(venue))[f"leverage {PERP.symbol}"]
    assert not passed and "20x cross was read back" in text


async def test_f7_3_hedge_mode_open_positions_and_silence_refuse():
    found = await findings(account(hedge_mode=True))
    assert not found["position mode"][0] and f"leverage {PERP.symbol}" not in found
    found = await findings(account(held=D(1)))
    assert not found[f"leverage {PERP.symbol}"][0]
    found = await findings(account(always={"account": "unreachable"}))
    assert not found["account"][0]
    found = await findings(
        account(always={"set_leverage": VenueUnreachable("x", 0)}, leverage={PERP.symbol: (9, "cross")})
    )
    assert not found[f"leverage {PERP.symbol}"][0]


async def test_f3_9_a_start_without_a_journal_refuses_open_positions():
    found = await account(held=D(1)).account()
    assert not fresh_start(found, [PERP.symbol], has_journal=False).passed
    assert fresh_start(found, [PERP.symbol], has_journal=True).passed
    assert fresh_start(found, ["OTHER"], has_journal=False).passed


# --- the lease -----------------------------------------------------------------------------------------


def test_f9_7_the_second_instance_refuses_and_takes_over_only_what_is_dead():
    store, clock = FakeLease(), FakeClock(10**18)
    first, second = (Lease(store, name, clock) for name in ("a", "b"))
    assert first.acquire() == "" and first.held
    assert "a trades this account" in second.acquire() and not second.held
    clock.advance(20 * SECOND)
    assert first.beat() and first.held
    assert "free in 30 s" in second.acquire()
    clock.jump(10**15)  # a wall clock set wrong frees nothing
    assert second.acquire() != ""
    clock.advance(30 * SECOND)
    assert not first.held  # it did not beat: no more risk from it
    assert second.acquire() == "" and second.held
    assert not first.beat() and not first.held
    first.release()
    second.release()
    assert store.read() is None and first.acquire() == ""


def test_what_is_surely_known_of_a_holder_decides():
    store, clock, lives = FakeLease(), FakeClock(10**18), {"a": True}
    first, second = (Lease(store, name, clock, alive=lives.get) for name in ("a", "b"))
    assert first.acquire() == ""
    assert second.acquire() != "" and second.rival_lives  # waiting is of no use
    lives["a"] = None
    second = Lease(store, "b", clock, alive=lives.get)
    assert second.acquire() != "" and not second.rival_lives  # it may be dead: watch it
    clock.advance(1 * SECOND)
    first.beat()
    assert second.acquire() != "" and second.rival_lives
    lives["a"] = False
    assert second.acquire() == ""  # its process is gone: no waiting at all


def test_keeping_a_lease_beats_when_it_is_time_to():
    store, clock = FakeLease(), FakeClock(10**18)
    lease = Lease(store, "a", clock)
    assert not lease.keep()
    lease.acquire()
    beat = store.read()
    clock.advance(9 * SECOND)
    assert lease.keep() and store.read() == beat
    clock.advance(1 * SECOND)
    assert lease.keep() and store.read() != beat


def test_a_race_for_the_lease_has_one_winner():
    class Race(FakeLease):
        def swap(self, old, new):
            self.held = Holder("other", 0)
            return self.held

    lease = Lease(Race(), "a", FakeClock())
    assert "same moment" in lease.acquire() and not lease.beat()


def test_a_beat_that_cannot_be_written_holds_only_as_long_as_it_is_fresh():
    class Broken(FakeLease):
        broken = False

        def swap(self, old, new):
            if self.broken:
                raise StorageError("disk")
            return super().swap(old, new)

    store, clock = Broken(), FakeClock()
    lease = Lease(store, "a", clock)
    lease.acquire()
    store.broken = True
    assert lease.beat()
    clock.advance(31 * SECOND)
    assert not lease.beat()


def test_the_lease_on_disk(tmp_path):
    store = FileLease(tmp_path / "lease")
    a, b = Holder("a", 1), Holder("b", 2)
    assert store.read() is None and store.swap(None, a) == a and store.swap(None, b) == a
    assert FileLease(tmp_path / "lease").swap(a, None) is None
    (tmp_path / "lease" / "lease.json").write_text("{")
    with pytest.raises(StorageError):
        store.read()


# --- read models ---------------------------------------------------------------------------------------


def journal():
    out = Outbox()
    out.put(c.EV_ACK, 0, x=1)
    out.put(c.EV_UNKNOWN, 0, x=2)
    out.put(c.EV_FILL, 0, x=1, y=50, price=100, qty=60, seq=1)
    out.put(c.EV_FILL, 0, x=1, y=50, price=110, qty=40, seq=2)
    out.put(c.EV_ACK, 0, x=2)
    out.put(c.EV_FILL, 0, x=2, y=10, price=120, qty=30, seq=3)
    out.put(c.EV_CANCELED, 0, x=2, y=c.R_SIGNAL)
    out.put(c.EV_ACK, 0, x=2)
    out.put(c.EV_REJECT, 0, x=3, y=c.R_FUNDS)
    out.put(c.EV_ACK, 0, x=77)
    out.put(c.EV_ADOPT, 0, x=-5, price=90)
    out.put(c.EV_CASH, 0, x=123)
    out.put(c.EV_TRADE, 0, price=5)
    sent = np.concatenate([order_row(1), order_row(2, side=c.SELL), order_row(3), order_row(4)])
    cancel = sent[3:].copy()
    cancel["action"] = c.ACT_CANCEL
    return np.concatenate([sent, cancel]), out.take(9)


def test_i2_views_rebuilt_equal_views_folded_live():
    sent, events = journal()
    whole = Views({0: 2})
    whole.order_rows(sent)
    whole.events(events)
    live = Views({0: 2})
    live.order_rows(sent)
    for k in range(len(events)):
        live.events(events[k : k + 1])
    assert live.fingerprint() == whole.fingerprint()
    live.events(events[-2:-1])
    assert live.fingerprint() != whole.fingerprint()


def test_i2_views_say_what_happened():
    sent, events = journal()
    assert sent.dtype == ORDER_DTYPE
    views = Views({0: 2})
    views.order_rows(sent)
    views.order_rows(sent[:1])
    views.events(events[:10])
    position = views.positions[0]
    # 100 bought for 10 400 ticks x lots, 30 sold at 120: cost 14 560, realised 7 200 - 6 240
    assert (position.lots, position.cost, position.realised, position.fees) == (70, 14_560, 960, 110)
    assert views.cash == -20_800 + 7_200 - 110 and views.outside() == 0
    states = {k: (o.status, o.filled, o.reason) for k, o in views.orders.items()}
    assert states[1] == (c.ST_FILLED, 100, 0) and states[2] == (c.ST_CANCELED, 30, c.R_SIGNAL)
    assert states[3] == (c.ST_REJECTED, 0, c.R_FUNDS) and states[4] == (c.ST_CANCELING, 0, 0)
    assert [o.id for o in views.live_orders()] == [4] and views.unmatched == 1
    views.events(events[10:])
    assert (views.positions[0].lots, views.outside()) == (-5, 123)
