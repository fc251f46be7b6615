"""F9: runaway loops, rate bans, retry storms. On the whole stack: served exchange, Binance adapter, desk, session."""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_stack import KEY, exchange_of

from bot4.app.commands.trade import account_lease, pace_of
from bot4.app.trading import desk_settings
from bot4.model import codes_nb as c
from bot4.model.errors import ConfigError, SafetyError
from bot4.ports import journal as port
from bot4.storage.journal import JournalReader
from bot4.venues.binance.endpoints import USDM_LIMITS, WEIGHT
from bot4.venues.limits import RateLimiter

pytestmark = pytest.mark.jit
ORDER = {"method": "POST", "path": "/fapi/v1/order"}


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


async def bars(live, n):
    """Let the strategy be asked `n` times more."""
    row = live.engine.inst[0]
    end = int(row["bars"]) + n
    await live.until(lambda: int(row["bars"]) >= end, f"{n} bars")


def rejected(stack, reason):
    rows = stack.events(c.EV_REJECT)
    return int((rows["y"] == reason).sum())


def notes(stack, what):
    return [
        block.payload
        for block in JournalReader(stack.folder).blocks(port.NOTE)
        if block.payload["what"] == what
    ]


async def test_f9_1_a_buy_at_every_bar_is_one_order_and_the_turnover_cap_stops_the_rest(stack):
    async with stack.session(sets=["live.turnover_cap=1200 USDT"]) as live:
        await live.ready()
        live.wish = 1.0
        await live.until(lambda: live.lots == stack.lots == 10, "the entry")
        await bars(live, 10)
        assert len([o for o in stack.orders() if not o.request.reduce_only]) == 1
        live.wish = -1.0  # out and into a short: 500 USDT more
        await live.until(lambda: live.lots == stack.lots == -10, "the short")
        live.wish = 1.0  # a third time is above 1200
        await live.until(lambda: rejected(stack, c.R_TURNOVER) >= 2, "the cap")
        await live.until(lambda: live.lots == stack.lots == 0, "the exit, which no cap holds back")
    assert len([o for o in stack.orders() if not o.request.reduce_only]) == 2
    assert len(stack.told("turnover is at its cap", "critical")) == 1
    assert stack.verified()


async def test_f9_2_five_refusals_for_want_of_money_open_the_breaker_and_nothing_more_is_sent(stack):
    async with stack.session() as live:
        await live.ready()
        await stack.fault("status", ORDER, http=400, code=-2019, msg="Margin is insufficient.")
        live.wish = 1.0
        await live.until(lambda: rejected(stack, c.R_BREAKER) >= 3, "refusals by the breaker")
    assert stack.fired("status") == 5 and stack.orders() == []
    assert rejected(stack, c.R_MARGIN) == 5
    assert len(stack.told("breaker orders is OPEN", "critical")) == 1
    told = notes(stack, "breaker")
    assert [(n["before"], n["after"]) for n in told] == [("CLOSED", "OPEN")] and "margin" in told[0]["why"]


async def test_f9_3_a_429_and_then_a_ban_pause_the_whole_host_the_stop_stays_and_it_goes_on_by_itself(stack):
    adapter = stack.adapter()
    async with stack.session(venue=adapter, sets=["live.check_interval=200ms"]) as live:
        await live.enter()
        other = RateLimiter(next(stack.base.glob("*.limits")), adapter.limiter.limits, adapter.wiring.clock)
        question = {"method": "GET", "path": "*/openOrders", "count": 1}
        await stack.fault("status", question, http=429, code=-1003, msg="slow down", retry_after=1)
        await live.until(lambda: other.blocked_ns() > 0, "the pause, seen by another process")
        asked = len(stack.server.gateway.faults.log)
        assert other.take({WEIGHT: 1}) > 0  # questions and new risk wait
        assert other.take({WEIGHT: 1}, urgent=True) == 0  # cancels, stops and exits do not
        await live.until(lambda: other.blocked_ns() == 0, "the end of the pause")
        await stack.fault("status", question, http=418, code=-1003, msg="banned", retry_after=1)
        await live.until(lambda: other.blocked_ns() > 0, "the ban")
        assert other.take({WEIGHT: 1}, urgent=True) > 0  # a ban holds for all
        assert len(stack.server.gateway.faults.log) == asked + 1  # one request, not a storm
        assert any(o.request.stop_price for o in stack.open_orders()) and live.lots == stack.lots == 10
        await live.until(lambda: other.blocked_ns() == 0, "the end of the ban")
        other.close()
        live.wish = -1.0  # nobody had to do anything
        await live.until(lambda: live.lots == stack.lots == -10, "trading goes on")
    assert live.engine.safety.control[0]["mode_reason"] != c.R_PANIC
    assert stack.verified()


ASKER = """
import asyncio, json, sys
from pathlib import Path
from bot4.ports.secrets import ApiKey, FakeSecrets
from bot4.ports.venue import Throttled
from bot4.safety.system_clock import SystemClock
from bot4.venues.binance.endpoints import USDM_LIMITS, WEIGHT, served_usdm
from bot4.venues.binance.face import Wiring
from bot4.venues.binance.rest import Timing
from bot4.venues.binance.usdm import BinanceUsdm
from bot4.venues.limits import Limit

async def main(port, folder):
    limits = tuple(Limit(l.name, 600, l.window_ns) if l.name == WEIGHT else l for l in USDM_LIMITS)
    secrets = FakeSecrets({"binance-usdm": ApiKey("acceptance", "acceptance-secret")})
    wiring = Wiring(SystemClock(), secrets, Path(folder), None, Timing(patience_ns=0), limits=limits)
    venue, asked = BinanceUsdm(served_usdm(port), wiring), 0
    try:
        while True:
            await venue._snapshot("BTCUSDT")
            asked += 1
    except Throttled:
        print(asked)
    finally:
        await venue.close()

asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
"""


async def test_f9_4_six_processes_at_one_address_stay_below_80_percent_together(stack):
    """Each asks for books (weight 20) as fast as it can; the venue allows 600 a minute."""
    await stack.call("POST", "admin", {"do": "limits", "product": "usdm", "limits": {"weight": 600}})
    asked = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", ASKER, str(stack.server.port), str(stack.base / "budget"),
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(6)
    ]  # fmt: skip
    counts = [int((await process.communicate())[0]) for process in asked]
    assert all(process.returncode == 0 for process in asked)
    assert 15 <= sum(counts) <= 24  # 480 of 600; a minute that turns meanwhile frees nothing early


async def test_f9_5_a_stop_during_a_lost_network_sends_nothing_when_it_returns(stack):
    async with stack.session(sets=["live.wind_down=3s"]) as live:
        await live.ready()
        await stack.fault("drop", {"face": "rest"})
        live.wish = 1.0
        await live.until(lambda: stack.fired("drop") and live.desk.unknown, "the order that nobody heard of")
        live.stop()
        await live.until(lambda: live.control["killed"], "the kill")
        await stack.heal()
        document = await live.job
    assert document["ended_by"].startswith("kill switch")
    assert stack.orders() == []
    entries = stack.sent(purpose=c.FOR_ENTRY)
    assert len(entries) >= 1  # it was decided and journalled, and never reached the venue


async def test_f9_6_coins_of_the_user_are_never_sold(tmp_path):
    async with exchange_of("spot", tmp_path) as stack:
        stack.exchange.account(KEY).balances["BTC"] = Decimal(5000)
        async with stack.session() as live:
            await live.ready()
            live.wish = [1.0]
            await live.until(lambda: live.lots > 0 and stack.open_orders(), "the entry and its stop")
            live.wish = -1.0
            await live.until(lambda: live.lots == 0, "the exit")
            live.wish = [1.0]
            await live.until(lambda: live.lots > 0, "another entry")
        bought = sum(o.filled for o in stack.orders() if o.request.side > 0)
        sold = sum(o.filled for o in stack.orders() if o.request.side < 0)
        assert bought > 0 and sold <= bought
        assert stack.coins() >= 5000
        assert live.figures.adopted == []
        assert stack.verified()


async def test_f9_7_a_second_instance_on_the_account_refuses(stack, monkeypatch, tmp_path):
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path / "control"))
    endpoint = f"http://127.0.0.1:{stack.server.port}"
    async with stack.session(lease=account_lease("binance-usdm", endpoint, "main")) as live:
        await live.ready()
        with pytest.raises(SafetyError, match="trades this account"):
            await stack.second(tmp_path / "elsewhere", account_lease("binance-usdm", endpoint, "main"))
        assert live.control["mode"] == c.MODE_NORMAL  # the first goes on
    assert not (tmp_path / "elsewhere").exists() or not list((tmp_path / "elsewhere").glob("segment*"))


async def test_f9_8_a_hundred_pairs_are_predicted_and_slowed_and_a_thousand_refused(stack):
    adapter = stack.adapter()
    settings = stack.settings()
    try:
        one, said = pace_of(adapter, 1, settings)
        assert one == 1.0 and "predicted request weight" in said and "pace" not in said
        many, said = pace_of(adapter, 100, settings)
        assert 0.1 <= many < 1.0
        assert "1,920 are allowed" in said and f"asked at {many:.0%} of their pace" in said
        slow = desk_settings(settings, many)
        assert slow.check_ns == int(settings["live.check_interval"] / many)
        assert slow.reconcile_ns == int(settings["live.reconcile_interval"] / many)
        with pytest.raises(ConfigError, match=r"at most \d+ fit; name fewer"):
            pace_of(adapter, 1000, settings)
    finally:
        await adapter.close()
    assert next(limit.amount for limit in USDM_LIMITS if limit.name == WEIGHT) == 2400
