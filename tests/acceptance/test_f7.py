"""F7: wrong units, leverage or mode. On the whole stack: served exchange, Binance adapter, desk, session, journal."""

import sys
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_stack import KEY, SECRET, WIDE, Stack, exchange_of

from bot4.app import config
from bot4.app.settings import BY_NAME
from bot4.execution.filters import Draft, notional, order_reason
from bot4.model import codes_nb as c
from bot4.model.errors import ConfigError, InstrumentError, SafetyError
from bot4.model.events import EVENT_DTYPE
from bot4.model.values import Rate, plain
from bot4.safety.system_clock import SystemClock
from bot4.venues.binance.orders import report_of
from bot4.venues.binance.wire import OrderReply
from bot4.venues.served.listing import exchange_of as exchange_on
from bot4.venues.served.listing import perp_market
from bot4.venues.served.server import ServedOptions, ServedVenue

pytestmark = pytest.mark.jit
D = Decimal
ZERO_FEE = Rate.of("0")
ORDER = {"method": "POST", "path": "/fapi/v1/order"}


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


class Still:
    """A market in which nothing happens."""

    def __init__(self, start_ns):
        self.start_ns = start_ns

    def until(self, ts):
        return np.empty(0, EVENT_DTYPE)

    def finished(self):
        return False


@asynccontextmanager
async def listed(folder, market):
    """The rules of `market` as the adapter reads them from a served exchange."""
    clock = SystemClock()
    exchange = exchange_on([market], Still(clock.now_ns()), 7, clock.now_ns())
    exchange.open_account(KEY, SECRET, {}, {"USDT": D(1000)})
    server = ServedVenue({"usdm": exchange}, clock, ServedOptions(limits={"spot": WIDE, "usdm": WIDE}))
    async with server.running():
        venue = Stack("perp", folder, market, None, exchange, server).adapter()
        await venue.connect()
        try:
            yield venue, next(iter(await venue.rules()))
        finally:
            await venue.close()


def rejected(stack, reason):
    rows = stack.events(c.EV_REJECT)
    return int((rows["y"] == reason).sum())


@pytest.mark.parametrize("size", ["10", "0.1", "0.01"])
async def test_f7_1_exposure_in_quote_is_the_intent_whatever_a_contract_is(tmp_path, size):
    async with exchange_of("perp", tmp_path, lots=20_000, contract_size=D(size)) as stack:
        async with stack.session(sets=["strategy.fixed_size=0.107"]) as live:
            await live.enter()
            lot = stack.market.lot * D(size)  # coins
            coins = stack.lots * lot
            assert 0 <= D("0.107") - coins < lot
            position = live.engine.ledger.positions[0]
            cost = D(int(position["cost"])).scaleb(-live.session.plan.money_exp)
            assert abs(cost - coins * 50_000) < 1  # the ledger counts the same money
        assert live.figures.cash_booked == 0  # after the fill and the exit too
        assert stack.verified()


async def test_f7_1_a_price_for_a_thousand_coins_is_not_multiplied_by_a_thousand(tmp_path):
    async with listed(tmp_path, perp_market("1000SHIB", "0.000001", "1")) as (_, rule):
        pass
    assert (rule.instrument.base, rule.contract_size, rule.instrument.contract) == ("SHIB", 1000, 1)
    assert notional(rule, D(400), D("0.025")) == 10  # 400 units at 0.025 USDT a unit
    assert int(rule.instrument.record(8, ZERO_FEE, ZERO_FEE, 1)[0]["money_mult"]) == 100


async def test_f7_2_a_contract_that_changed_its_size_is_quarantined_while_running_and_at_the_start(stack):
    async with stack.killed(sets=["live.rules_interval=100ms"]) as live:
        await live.ready()
        stack.exchange.set_market("BTCUSDT", contract_size=D(10))
        await live.until(lambda: stack.told("contract size was 1, is 10", "critical"), "the alarm")
        await live.until(lambda: live.engine.inst[0]["status"] == c.STATUS_QUARANTINED, "the quarantine")
        live.wish = 1.0
        row = live.engine.inst[0]
        bars = int(row["bars"])
        await live.until(lambda: int(row["bars"]) >= bars + 3, "bars that want to enter")
        assert live.desk.blocked(stack.symbol) == c.R_INSTRUMENT
        live.wish = None
    stack.alarm.told.clear()
    async with stack.session() as live:
        await live.until(
            lambda: stack.told("contract size was 1, is 10", "critical"), "the alarm at the start"
        )
    assert stack.orders() == []
    status = stack.events(c.EV_STATUS)
    assert (c.STATUS_QUARANTINED, c.R_INSTRUMENT) in zip(status["x"].tolist(), status["y"].tolist())


async def test_f7_3_hedge_mode_refuses_and_leverage_is_set_and_read_back(stack):
    stack.exchange.account(KEY).hedge_mode = True
    with pytest.raises(SafetyError, match="one-way"):
        async with stack.session() as live:
            await live.ready()
    stack.exchange.account(KEY).hedge_mode = False
    stack.exchange.set_leverage(KEY, "BTCUSDT", 20)
    async with stack.session() as live:
        await live.ready()
        assert stack.exchange.account(KEY).positions["BTCUSDT"].leverage == 1
    assert stack.orders() == []


async def test_f7_3_what_was_set_but_is_not_read_back_refuses(stack, monkeypatch):
    stack.exchange.set_leverage(KEY, "BTCUSDT", 20)
    monkeypatch.setattr(stack.exchange, "set_leverage", lambda *asked: None)  # says yes, does nothing
    with pytest.raises(SafetyError, match="20x"):
        async with stack.session() as live:
            await live.ready()
    assert stack.orders() == []


async def test_f7_4_an_order_that_is_refused_leaves_the_leverage_as_it_was(stack):
    """bot4 sets leverage once, at the start, never for an order: there is nothing to put back."""
    async with stack.session(sets=["live.leverage=3"]) as live:
        await live.ready()
        before = stack.exchange.account(KEY).positions["BTCUSDT"].leverage
        await stack.fault("status", {"path": "*/leverage"}, http=500)  # would be counted
        await stack.fault("status", ORDER, http=400, code=-2019, msg="Margin is insufficient.")
        live.wish = [1.0]
        await live.until(lambda: rejected(stack, c.R_MARGIN) == 1, "the refusal")
        assert stack.exchange.account(KEY).positions["BTCUSDT"].leverage == before == 3
    assert stack.fired("status") == 1
    assert stack.orders() == []


async def test_f7_5_a_first_fill_far_from_the_order_halts_the_instrument(stack):
    async with stack.session() as live:
        await live.ready()
        await stack.fault("delay", ORDER, ms=400)
        live.wish = [1.0]
        await live.until(lambda: live.desk.lanes[0].live, "the order under way")
        await stack.fault("silence", {"face": "ws"}, seconds=3)  # what bot4 sees stands still
        stack.pond.mid += 6000  # 1.2 %
        await live.until(lambda: stack.told("first fill at", "critical"), "the alarm")
        assert "paused" in stack.told("first fill at")[0]
        await live.until(lambda: live.lots == stack.lots == 10, "the position is known")
        await live.until(lambda: any(o.request.stop_price for o in stack.open_orders()), "its stop")
        assert live.desk.blocked(stack.symbol) == c.R_RECONCILED
    status = stack.events(c.EV_STATUS)
    assert (c.STATUS_QUARANTINED, c.R_RECONCILED) in zip(status["x"].tolist(), status["y"].tolist())


@pytest.mark.parametrize(
    ("price", "size"),
    [
        ('"0.00000001"', '"1234567890.123456789"'),  # 19 digits, more than a float holds
        ("1e-8", "1.234567890123456789E9"),
        ('"1E-8"', '"1234567890.1234567890"'),
    ],
)
def test_f7_6_prices_and_sizes_are_exact_decimals_however_they_are_written(price, size):
    body = (
        f'{{"symbol":"X","orderId":1,"clientOrderId":"","price":{price},"origQty":{size},"executedQty":"0",'
        '"status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY"}'
    )
    report = report_of(msgspec.json.decode(body, type=OrderReply, strict=False), "X", spot=True)
    assert (report.price, report.quantity) == (D("0.00000001"), D("1234567890.123456789"))


async def test_f7_6_a_tick_of_1e_8_goes_out_and_comes_back_exactly_and_off_the_tick_is_refused(tmp_path):
    async with listed(tmp_path, perp_market("PEPE", "0.00000001", "1")) as (_, rule):
        pass
    made = rule.instrument
    assert made.tick == D("0.00000001")
    assert made.price("0.00001234").ticks == 1234
    assert plain(made.price("1.234E-5").to_decimal()) == "0.00001234"  # as it goes out
    with pytest.raises(InstrumentError):
        made.price("0.000012345")  # in the wrong tick: never rounded into another price
    assert order_reason(rule, Draft(1, D(100), D("0.000012345")), D("0.0000123")) == c.R_PRICE_TICK


def test_f7_7_a_fat_finger_in_the_settings_is_named():
    with pytest.raises(ConfigError, match=r"risk.max_order = '5000 %' is above the most allowed, 100 %"):
        config.load(None, ["risk.max_order=5000 %"])
    with pytest.raises(ConfigError, match="need a share with its unit"):
        config.load(None, ["risk.max_order=50"])
    assert float(BY_NAME["risk.max_order"].parse("0.5 %")) == 0.005


async def test_f7_7_an_order_beyond_the_absolute_caps_is_never_sent(stack):
    """50 BTC instead of 0.5 %: the gate's cap; with that raised too, the desk's."""
    async with stack.session(sets=["strategy.fixed_size=50"]) as live:
        await live.ready()
        live.wish = [1.0]
        refused = live.engine.safety.refusals
        await live.until(lambda: refused[c.R_MAX_ORDER] == 1, "the gate's refusal")
    assert stack.orders() == []


async def test_f7_7_the_desks_own_cap_holds_when_the_gates_was_raised(stack):
    sets = ["strategy.fixed_size=1.9", "safety.max_order_value=1000000 USDT", "live.order_cap=50000 USDT"]
    async with stack.session(sets=sets) as live:
        await live.ready()
        live.wish = [1.0]
        await live.until(lambda: rejected(stack, c.R_MAX_ORDER) == 1, "the refusal")
        assert "is above the absolute cap" in stack.told("an order of 950", "critical")[0]
    assert stack.orders() == []
