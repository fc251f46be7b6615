"""The session's watch: each panic condition at one unit below and above its threshold, health, pauses, notes."""

import asyncio
import gzip
import sys
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from desk_scene import order_row
from virtual_time import run_virtual

from bot4.live.chores import keep_dead_man, keep_rules
from bot4.live.watch import Watch
from bot4.model import codes_nb as c
from bot4.model.events import EVENT_DTYPE, ORDER_DTYPE
from bot4.ports.alarm import FakeAlarm
from bot4.ports.journal import NOTE, FakeJournal
from bot4.ports.venue import VenueUnreachable
from bot4.safety.breaker import Cause, Change, Level, State
from bot4.safety.killswitch import KillSwitch
from bot4.safety.panic import MS, SECOND, Limits
from bot4.venues.health import Health

SYMBOL = "BTC-USDT-PERP"
RECORDED = Path(__file__).parents[3] / "shared" / "data" / "market_ws"
TOP = np.dtype([("quote_bid", "<i8"), ("quote_ask", "<i8")])


class Hand:
    """A clock that the test moves."""

    def __init__(self):
        self.now = 10**12

    def now_ns(self):
        return self.now

    def monotonic_ns(self):
        return self.now


class FakeDesk:
    """Remembers what was stopped."""

    def __init__(self):
        self.paused, self.stopped, self.gates = {}, None, {}

    def gate(self, symbol, breakers):
        self.gates[symbol] = breakers

    def pause(self, symbol, reason):
        if symbol in self.paused:
            return False
        self.paused[symbol] = reason
        return True

    def resume(self, symbol, reason):
        assert self.paused.pop(symbol) == reason

    def stop_risk(self, reason):
        self.stopped = reason

    def allow_risk(self):
        self.stopped = None


class Scene:
    def __init__(self, tmp_path, limits=None):
        self.clock, self.alarm, self.journal, self.desk = Hand(), FakeAlarm(), FakeJournal(), FakeDesk()
        self.switch = KillSwitch(tmp_path / "stop", self.clock, self.alarm)
        self.table = np.zeros(4, ORDER_DTYPE)
        self.top = np.zeros(1, TOP)
        self.inst = np.zeros(1, [("mark", "<i8"), ("doubt", "<i8"), ("doubted", "<i8")])
        self.control = np.zeros(1, [("mode", "<i8"), ("mode_reason", "<i8")])
        self.inst["mark"] = 600_000
        self.refusals = np.zeros(c.N_REASONS, np.int64)
        engine = SimpleNamespace(
            orders=SimpleNamespace(table=self.table),
            book=SimpleNamespace(top=self.top),
            inst=self.inst,
            spec=np.full(1, 0.1, [("tick_size", "<f8")]),
            safety=SimpleNamespace(control=self.control, refusals=self.refusals),
        )
        self.grade = Health.HEALTHY
        self.watch = Watch(
            SimpleNamespace(engine=engine, now=5), self.desk, [SYMBOL], self.switch, self.journal, self.clock,
            self.alarm, limits or Limits(), lambda: self.grade,
        )  # fmt: skip

    @property
    def breaker(self):
        return self.watch.breakers.market(SYMBOL)

    def notes(self):
        return [payload for kind, payload in self.journal.blocks if kind == NOTE]

    def quote(self, bid, ask):
        self.top["quote_bid"], self.top["quote_ask"] = bid, ask
        self.watch.quoted(np.array([0]))

    def fill(self, row, price):
        self.table[0] = row[0]
        fill = np.zeros(1, EVENT_DTYPE)
        fill["kind"], fill["x"], fill["price"] = c.EV_FILL, row[0]["id"], price
        self.watch.filled(fill)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_slippage_of_a_fill_against_the_mark_at_its_decision(scene):
    row = order_row(1)
    scene.watch.sent(row)
    scene.inst["mark"] = 700_000  # later marks do not excuse it
    scene.fill(row, 618_000)  # 3 %
    assert not scene.switch.latched
    scene.fill(row, 618_001)
    assert scene.switch.cause.reason == c.R_PANIC
    assert "slippage" in scene.switch.cause.detail
    assert [n["what"] for n in scene.notes()] == ["panic"] and scene.notes()[0]["condition"] == "slippage"


def test_a_stop_is_measured_from_its_own_price_and_unknown_orders_not_at_all(scene):
    stop = order_row(2, side=c.SELL, stop=500_000, purpose=c.FOR_STOP, reduce=True)
    scene.fill(stop, 1)  # of an earlier run
    scene.watch.sent(stop)
    scene.fill(stop, 485_000)
    assert not scene.switch.latched
    scene.fill(stop, 484_999)
    assert scene.switch.latched


def test_staleness_of_what_is_quoted(scene):
    scene.quote(600_000, 600_001)
    scene.table[0]["purpose"], scene.table[0]["status"] = c.FOR_QUOTE, c.ST_WORKING
    for _ in range(5):
        scene.clock.now += 100 * MS
        scene.watch.look()
    assert not scene.switch.latched  # 500 ms
    scene.clock.now += 1
    scene.watch.look()
    assert scene.switch.cause.reason == c.R_PANIC and "staleness" in scene.switch.cause.detail


def test_silence_is_a_halt_within_a_tenth_of_a_second_of_the_limit(tmp_path):
    """The timer of the watch, in virtual time."""
    scene = Scene(tmp_path)

    async def main(clock):
        scene.clock.now_ns = scene.clock.monotonic_ns = clock.monotonic_ns
        scene.watch._looked = clock.monotonic_ns()
        scene.quote(600_000, 600_001)
        scene.table[0]["purpose"], scene.table[0]["status"] = c.FOR_QUOTE, c.ST_WORKING
        task = asyncio.ensure_future(scene.watch.run())
        await asyncio.sleep(0.5)
        assert not scene.switch.latched
        while not scene.switch.latched:
            await asyncio.sleep(0.001)
        task.cancel()
        return clock.monotonic_ns()

    assert run_virtual(main) <= 600 * MS


@pytest.mark.parametrize("name", ["usdm_btcusdt_20240808", "spot_btcusdt_20240808"])
def test_recorded_healthy_minutes_raise_no_false_alarm(tmp_path, name):
    """Six minutes of a real feed, as it was received, quoted on all the while: no panic, no breaker."""
    path = RECORDED / f"{name}.gz"
    if not path.exists():
        pytest.skip("recorded frames are not on this machine; the cases above are made up")
    scene = Scene(tmp_path)
    scene.table[0]["purpose"], scene.table[0]["status"] = c.FOR_QUOTE, c.ST_WORKING
    quotes = looked = 0
    with gzip.open(path, "rt") as file:
        for line in file:
            stamp, _, body = line.partition(" ")
            now = int(stamp)
            if not quotes:
                looked = scene.watch._looked = now
            while looked + 50 * MS <= now:
                looked += 50 * MS
                scene.clock.now = looked
                scene.watch.look()
            scene.clock.now = now
            if "@bookTicker" in body:
                data = msgspec.json.decode(body)["data"]
                scene.quote(*(int(Decimal(data[k]).scaleb(2)) for k in "ba"))
                quotes += 1
            else:
                scene.watch.panic.heard("venue", SYMBOL, now)
    assert quotes > 10_000
    assert scene.notes() == [] and scene.alarm.told == [] and not scene.switch.latched


def test_a_process_that_stood_still_judges_nothing_stale(scene):
    scene.quote(600_000, 600_001)
    scene.table[0]["purpose"], scene.table[0]["status"] = c.FOR_QUOTE, c.ST_WORKING
    scene.clock.now += 10 * SECOND
    scene.watch.look()
    assert not scene.switch.latched
    scene.table[0]["purpose"] = c.FOR_ENTRY  # and what is not quoted may be silent
    scene.clock.now += 100 * MS
    scene.watch.look()
    assert not scene.switch.latched


def _widen(scene, times=1):
    """A minute of a normal spread, then one that is three times it and a little."""
    for _ in range(61):
        scene.quote(1_000_000, 1_000_400)
        scene.clock.now += SECOND
    for _ in range(times):
        _wide(scene)


def _wide(scene):
    """A wide spread that lasts."""
    scene.quote(1_000_000, 1_001_202)
    scene.clock.now += 40 * MS
    scene.watch.look()


def test_a_wide_spread_opens_the_breaker_of_its_symbol_until_it_was_calm(scene):
    _widen(scene, 0)
    scene.quote(1_000_000, 1_001_200)  # three times the median, a little less by the middle
    assert scene.desk.paused == {}
    opened = scene.clock.now + 40 * MS
    scene.quote(1_000_000, 1_001_202)
    scene.clock.now = opened - 1
    scene.watch.look()
    assert scene.desk.paused == {}
    scene.clock.now = opened
    scene.watch.look()
    assert scene.desk.paused == {SYMBOL: c.R_SPREAD} and not scene.switch.latched
    scene.quote(1_000_000, 1_001_202)
    assert len(scene.notes()) == 1 and len(scene.alarm.told) == 1
    note = scene.notes()[0]
    assert (note["breaker"], note["level"], note["scope"]) == (f"market {SYMBOL}", "position", SYMBOL)
    assert (note["cause"], note["reason"], note["limit"]) == ("spread", "spread", pytest.approx(3))
    assert note["value"] > 3 and note["until_ns"] == 5 + 300 * SECOND
    scene.clock.now += 300 * SECOND - 1
    scene.watch.look()
    scene.clock.now += 1
    scene.watch.look()
    assert scene.desk.paused == {SYMBOL: c.R_SPREAD}  # the time-out is over, the last spread was wide
    scene.quote(1_000_000, 1_000_400)
    assert scene.breaker.state is State.HALF_OPEN and scene.desk.paused == {}
    for _ in range(5):  # all within one second: one sign
        scene.quote(1_000_000, 1_000_400)
    assert scene.breaker.state is State.HALF_OPEN
    for _ in range(2):
        scene.clock.now += SECOND
        scene.quote(1_000_000, 1_000_400)
    assert scene.breaker.state is State.CLOSED
    assert [(n["before"], n["after"]) for n in scene.notes()] == [
        ("CLOSED", "OPEN"), ("OPEN", "HALF_OPEN"), ("HALF_OPEN", "CLOSED"),
    ]  # fmt: skip
    scene.quote(0, 1_000_000)  # no book: refused as such, not a panic
    scene.quote(1_000_001, 1_000_000)
    assert scene.desk.paused == {}


def test_a_wide_spread_while_half_open_opens_again(scene):
    _widen(scene)
    scene.clock.now += 300 * SECOND
    scene.quote(1_000_000, 1_000_400)
    assert scene.desk.paused == {}
    _wide(scene)
    assert scene.desk.paused == {SYMBOL: c.R_SPREAD} and scene.breaker.state is State.OPEN


def test_a_spread_that_is_wide_for_a_moment_opens_nothing(scene):
    _widen(scene, 0)
    for _ in range(100):
        scene.quote(1_000_000, 1_001_202)
        scene.clock.now += 39 * MS
        scene.watch.look()
        scene.quote(1_000_000, 1_000_400)
    assert scene.breaker.state is State.CLOSED and scene.alarm.told == []


def test_what_the_desk_has_paused_for_another_reason_is_taken_over_when_that_is_over(scene):
    scene.desk.paused[SYMBOL] = c.R_RECONCILED
    _widen(scene)
    assert scene.desk.paused == {SYMBOL: c.R_RECONCILED} and scene.breaker.state is State.OPEN
    del scene.desk.paused[SYMBOL]
    scene.watch.look()
    assert scene.desk.paused == {SYMBOL: c.R_SPREAD}


def test_calls_that_fail_open_the_venues_breaker_and_those_of_its_symbols_in_the_same_instant(tmp_path):
    scene = Scene(tmp_path, Limits(error_rate=1))
    for _ in range(9):
        scene.watch.called(False, MS, c.R_TIMEOUT)
    assert scene.desk.paused == {}
    scene.watch.called(False, MS, c.R_TIMEOUT)
    assert scene.desk.paused == {SYMBOL: c.R_ERRORS} and not scene.switch.latched
    assert [(n["breaker"], n["level"], n["cause"]) for n in scene.notes()] == [
        ("errors", "venue", "error_rate"), (f"market {SYMBOL}", "position", "error_rate"),
    ]  # fmt: skip
    assert {n["wall_ns"] for n in scene.notes()} == {scene.clock.now}
    errors = scene.watch.breakers.all["errors"]
    scene.clock.now += 300 * SECOND
    scene.watch.look()
    assert errors.state is State.HALF_OPEN and scene.breaker.state is State.HALF_OPEN
    scene.watch.called(False, MS, c.R_TIMEOUT)  # a probe fails
    assert errors.state is State.OPEN and scene.desk.paused == {SYMBOL: c.R_ERRORS}
    scene.clock.now += 300 * SECOND
    scene.watch.look()
    for _ in range(3):
        scene.watch.called(True, MS)
    assert errors.state is State.CLOSED


def test_a_symbol_is_not_tried_before_its_venue(tmp_path):
    scene = Scene(tmp_path, Limits(error_rate=1))
    for _ in range(10):
        scene.watch.called(False, MS, c.R_TIMEOUT)
    scene.clock.now += 299 * SECOND
    scene.watch.breakers.all["errors"].trip(Cause.ERROR_RATE, "again", scene.clock.now)
    scene.clock.now += SECOND
    scene.watch.look()
    assert scene.breaker.state is State.OPEN


def test_a_slow_venue_opens_its_breaker_before_it_is_a_panic(scene):
    for _ in range(5):
        scene.watch.called(True, 800 * MS - 1)
    assert scene.desk.paused == {}
    for _ in range(6):
        scene.watch.called(True, 800 * MS)
    assert scene.desk.paused == {SYMBOL: c.R_LATENCY} and not scene.switch.latched
    assert scene.notes()[0]["cause"] == "latency"
    latency = scene.watch.breakers.all["latency"]
    scene.clock.now += 300 * SECOND  # no call in all that time
    scene.watch.look()
    scene.watch.look()
    assert latency.state is State.HALF_OPEN and scene.desk.paused == {}
    scene.watch.called(True, 399 * MS)
    scene.watch.called(True, 500 * MS)  # says nothing: neither high nor low
    scene.watch.called(True, 399 * MS)
    assert latency.state is State.HALF_OPEN
    scene.watch.called(True, 399 * MS)
    assert latency.state is State.CLOSED


def test_errors_of_the_venue_and_silence(scene):
    for _ in range(100):
        scene.watch.called(False, SECOND, c.R_NETWORK)  # nobody is there
        scene.watch.called(False, SECOND, c.R_MAINTENANCE)
    assert not scene.switch.latched
    for k in range(20):
        scene.watch.called(k >= 2, MS, c.R_TIMEOUT)  # 10 %
    assert not scene.switch.latched
    scene.watch.called(False, MS, c.R_TIMEOUT)
    assert "errors" in scene.switch.cause.detail


def test_latency(scene):
    for _ in range(5):
        scene.watch.called(True, SECOND)
    assert not scene.switch.latched
    for _ in range(6):
        scene.watch.called(True, SECOND + 1)
    assert "latency" in scene.switch.cause.detail
    assert sum(n["what"] == "panic" for n in scene.notes()) == 1  # once tripped, it is quiet


def test_an_unhealthy_venue_gets_no_new_risk_until_it_is_better(scene):
    scene.watch.look()
    assert scene.desk.stopped is None and scene.alarm.told == []
    scene.grade = Health.UNHEALTHY
    scene.watch.look()
    assert scene.desk.stopped == c.R_VENUE and "unhealthy" in scene.alarm.told[-1][1]
    scene.grade = Health.DEGRADED
    scene.watch.look()
    assert scene.desk.stopped is None
    assert [(n["before"], n["after"]) for n in scene.notes()] == [
        ("HEALTHY", "UNHEALTHY"), ("UNHEALTHY", "DEGRADED"),
    ]  # fmt: skip
    scene.watch._health = None
    scene.watch.look()


def test_the_breakers_changes_are_journalled(scene):
    scene.watch.changed(
        Change("orders", Level.VENUE, State.CLOSED, State.OPEN, Cause.API_ERRORS, "no money", 1, "", 5, 5, 60)
    )
    assert scene.notes()[0] == {
        "what": "breaker", "breaker": "orders", "level": "venue", "scope": "venue", "before": "CLOSED",
        "after": "OPEN", "cause": "api_errors", "reason": "breaker", "why": "no money", "value": 5, "limit": 5,
        "until_ns": 65, "wall_ns": 10**12, "engine_ns": 5,
    }  # fmt: skip


class Timers:
    """A venue with a dead man's timer, which fails when told to."""

    def __init__(self):
        self.calls, self.failing, self.rules_asked = [], False, 0

    async def set_dead_man(self, symbol, after_ns):
        self.calls.append((symbol, after_ns))
        if self.failing:
            raise VenueUnreachable("no answer", c.R_NETWORK)

    async def rules(self):
        self.rules_asked += 1
        if self.failing:
            raise VenueUnreachable("no answer", c.R_NETWORK)
        return ["rules"]


def test_the_dead_mans_timer_is_wound_thrice_in_its_time_and_stopped_at_the_end():

    async def main(clock):
        venue, alarm = Timers(), FakeAlarm()
        task = asyncio.ensure_future(keep_dead_man(venue, ["A", "B"], 3 * SECOND, alarm))
        await asyncio.sleep(2.5)
        assert venue.calls == [("A", 3 * SECOND), ("B", 3 * SECOND)] * 3 and alarm.told == []
        venue.failing = True
        await asyncio.sleep(3)
        assert len(alarm.told) == 1 and "not wound" in alarm.told[0][1]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert venue.calls[-2:] == [("A", 0), ("B", 0)]
        assert len(alarm.told) == 3 and "still runs" in alarm.told[-1][1]

    run_virtual(main)


def test_rules_are_read_again_and_a_failed_reading_changes_nothing():

    async def main(clock):
        venue, learned = Timers(), []
        task = asyncio.ensure_future(keep_rules(venue, SimpleNamespace(learn=learned.append), SECOND))
        await asyncio.sleep(1.5)
        venue.failing = True
        await asyncio.sleep(1)
        assert (venue.rules_asked, learned) == (2, [["rules"]])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(main)
