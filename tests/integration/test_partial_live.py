"""Partial kills and mode Reduce on the whole stack: two markets of a served exchange, the Binance adapter, desk,
session, journal, the operator's inbox, the marks on the account.
"""

import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_stack import KEY, exchange_of

from bot4.app.commands.show import show
from bot4.model import codes_nb as c
from bot4.ports import journal as port
from bot4.research.audit import export
from bot4.safety.authority import GOOD_FOR_NS, Release, new_keys, private_key, sign
from bot4.safety.inbox import post
from bot4.storage.journal import JournalReader

pytestmark = pytest.mark.jit
BTC, ETH = "BTC-USDT-PERP", "ETH-USDT-PERP"


@pytest.fixture
async def stack(tmp_path):
    new_keys(tmp_path / "keys", "")
    async with exchange_of("perp", tmp_path, bases=("BTC", "ETH")) as made:
        yield made


def there(stack, base):
    """Lots and open orders of one market, as the exchange has them."""
    position = stack.exchange.account(KEY).positions.get(f"{base}USDT")
    return (position.qty if position else 0), len(stack.exchange.open_orders(KEY, f"{base}USDT"))


def here(live, inst):
    return int(live.engine.ledger.positions[inst]["qty"])


async def both_long(stack, live):
    await live.ready()
    await live.until(lambda: live.engine.inst[1]["mark"] > 0, "the other market")
    live.wish = {BTC: 1.0, ETH: 1.0}
    await live.until(lambda: there(stack, "BTC") == there(stack, "ETH") == (10, 2), "both positions")
    live.wish = None


async def ask(live, command):
    """Put a command into the run's inbox and wait for its answer."""
    answer = post(live.stack.base / "inbox", str(time.time_ns()), command)
    await live.until(answer.exists, "the answer")
    return json.loads(answer.read_text())


def release(stack, scope, run="run-1"):
    now = time.time_ns()
    key = private_key(stack.base / "keys", "")
    return {"release": sign(key, Release(run, c.MODE_NORMAL, now, now + GOOD_FOR_NS, "me", scope))}


def notes(stack, what):
    return [
        n for n in (b.payload for b in JournalReader(stack.folder).blocks(port.NOTE)) if n["what"] == what
    ]


async def test_one_instrument_is_stopped_over_a_restart_until_a_signed_release_and_the_rest_trades_on(stack):
    stop = {"stop": "instrument", "part": BTC, "by": "me"}
    async with stack.killed() as live:
        await both_long(stack, live)
        wrong = await ask(live, {"stop": "instrument", "part": "DOGE-USDT-PERP", "by": "me"})
        assert not wrong["accepted"]
        assert f"instrument {BTC}, instrument {ETH}" in wrong["text"]
        assert "hybrid" not in wrong["text"]
        other = await ask(live, {"stop": "strategy", "part": "hybrid", "by": "me"})
        assert not other["accepted"]
        assert "strategy Wish" in other["text"]
        assert there(stack, "BTC") == there(stack, "ETH") == (10, 2)
        assert (await ask(live, stop))["accepted"]
        await live.until(lambda: there(stack, "BTC") == (0, 0) and here(live, 0) == 0, "BTC flat")
        assert there(stack, "ETH") == (10, 2)
        assert (await ask(live, stop))["text"] == f"instrument {BTC} is stopped already"
        await live.until(lambda: stack.told(f"instrument {BTC} is flat, no orders"), "the word that it is")
        live.wish = {BTC: 1.0, ETH: -1.0}  # BTC may not; ETH leaves and turns
        await live.until(lambda: there(stack, "ETH") == (-10, 2), "ETH trades on")
        refused = live.engine.safety.refusals
        await live.until(lambda: refused[c.R_KILLED_INSTRUMENT] > 0, "a typed refusal")
        live.wish = None
        assert there(stack, "BTC") == (0, 0)
        assert live.session.counts()["stopped"] == [f"instrument {BTC}"]
        assert stack.told(f"partial kill: instrument {BTC}, by me", "critical")
    async with stack.session(sets=["safety.cooldown=0s"]) as live:
        await live.ready()
        live.wish = {BTC: 1.0, ETH: None}
        refused = live.engine.safety.refusals
        before = int(refused[c.R_KILLED_INSTRUMENT])
        await live.until(lambda: refused[c.R_KILLED_INSTRUMENT] > before, "still stopped")
        assert stack.told("since before this start")
        for bad in (release(stack, f"instrument {ETH}"), release(stack, ""), {"release": "for.ged"},
                    release(stack, f"instrument {BTC}", run="another")):  # fmt: skip
            await ask(live, bad)
            assert live.session.counts()["stopped"] == [f"instrument {BTC}"]
        assert there(stack, "BTC") == (0, 0)
        assert stack.marks.read() == {("instrument", BTC): "command by me"}
        good = release(stack, f"instrument {BTC}")
        assert (await ask(live, good))["text"] == f"instrument {BTC} is released"
        assert stack.marks.read() == {}
        assert not (await ask(live, good))["accepted"]  # good for once
        await live.until(lambda: there(stack, "BTC") == (10, 2), "BTC trades and is protected")
        live.wish = None
        document = await live.end()
    assert document["stopped"] == []
    steps = [(n["step"], n["in_time"]) for n in notes(stack, "partial kill step")]
    assert steps[:2] == [("cancel", True), ("flatten", True)]
    assert [n["by"] for n in notes(stack, "partial kill")] == ["me"]
    assert [n["released"] for n in notes(stack, "partial release")] == [False, True]
    kills = show(what="kills", journal=stack.folder, as_json=True)["kills"]
    assert [(k["stopped"], bool(k["released"])) for k in kills] == [
        (f"instrument {BTC}", True),
        ("everything", False),
    ]
    trail = [json.loads(line) for line in export(stack.folder, None, None)]
    assert sum(line["what"] == "partial kill" and "by" not in line for line in trail) == 1
    assert stack.verified()


async def test_a_crash_before_the_position_is_closed_is_mended_at_the_restart_and_a_new_journal_stays_stopped(
    stack,
):
    async with stack.killed() as live:
        await both_long(stack, live)
        live.operator.halts.stop(live.session.scopes.known("instrument", BTC), "me", time.time_ns())
        assert there(stack, "BTC")[0] == 10  # decided and journalled, and nothing has left yet
    async with stack.session() as live:
        await live.ready()
        await live.until(lambda: there(stack, "BTC") == (0, 0) and here(live, 0) == 0, "BTC flat")
        await live.until(lambda: there(stack, "ETH") == (10, 2), "ETH as it was")
    assert stack.verified()
    stack.folder = stack.folder.with_name("anew")
    async with stack.session() as live:
        await live.ready()
        await live.until(lambda: live.session.counts()["stopped"] == [f"instrument {BTC}"], "the mark")
        live.wish = {BTC: 1.0, ETH: 1.0}
        await live.until(lambda: there(stack, "ETH") == (10, 2), "ETH trades")
        live.wish = None
        assert there(stack, "BTC") == (0, 0)
        assert stack.told("by the mark on the account (command by me)")
    assert stack.verified()


@pytest.mark.parametrize(
    ("kind", "part"), [("strategy", "Wish"), ("venue", "binance-usdm"), ("file", "Wish")]
)
async def test_strategy_and_venue_stop_all_that_they_trade_and_the_run_stays_up(stack, kind, part):
    async with stack.session() as live:
        await both_long(stack, live)
        if kind == "file":
            (stack.base / "inbox" / f"{part}.stop").touch()
            (stack.base / "inbox" / "nothing-of-this-name.stop").touch()
        else:
            assert (await ask(live, {"stop": kind, "part": part, "by": "me"}))["accepted"]
        await live.until(lambda: there(stack, "BTC") == there(stack, "ETH") == (0, 0), "flat")
        live.wish = {BTC: 1.0, ETH: 1.0}
        word = c.R_KILLED_VENUE if kind == "venue" else c.R_KILLED_STRATEGY
        refused = live.engine.safety.refusals
        await live.until(lambda: refused[word] > 1, "refusals")
        assert there(stack, "BTC") == there(stack, "ETH") == (0, 0)
        assert not live.control["killed"]
        if kind == "file":
            assert stack.told("nothing-of-this-name")
    assert stack.verified()


STEPS = ("safety.reduce_share=25 %", "safety.reduce_floor=0 %", "safety.reduce_interval=1s")


async def test_reduce_goes_on_by_its_schedule_over_a_crash_and_an_orderly_end(stack):
    async with stack.killed(sets=STEPS) as live:
        await both_long(stack, live)
        assert (await ask(live, {"mode": "reduce", "by": "me"}))["accepted"]
        await live.until(lambda: here(live, 0) == here(live, 1) == 7, "the first step")
    async with stack.session(sets=STEPS, duration_ns=10**9) as live:
        await live.job
    assert live.control["mode"] == c.MODE_REDUCE  # an orderly end does not hide it behind a pause of its own
    async with stack.session(sets=STEPS) as live:
        await live.ready()
        await live.until(lambda: here(live, 0) == here(live, 1) == 0, "the end of the schedule")
        await live.until(lambda: there(stack, "BTC") == there(stack, "ETH") == (0, 0), "no stop is left")
        assert live.control["mode"] == c.MODE_REDUCE
    made = stack.sent(purpose=c.FOR_FLATTEN)
    for inst in (0, 1):
        lots = made[made["instrument"] == inst]["qty"].tolist()
        assert sum(lots) >= 10
        assert max(lots) <= 3
    assert stack.verified()


async def test_reduce_on_spot_makes_room_for_each_step_and_shrinks_the_stop(tmp_path):
    async with exchange_of("spot", tmp_path) as stack, stack.session(sets=[*STEPS[:2], STEPS[2]]) as live:
        await live.enter()
        held = stack.lots
        live.session.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
        await live.until(lambda: live.lots == stack.lots <= held * 3 // 4, "the first step")
        await live.until(lambda: live.lots == 0, "the end of the schedule")
        await live.until(lambda: not stack.open_orders(), "no stop is left")
    assert stack.verified()
