"""Circuit breakers on the whole stack: what opens them at a served exchange, what they refuse, what a person reads."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_stack import exchange_of

from bot4.app import bootstrap
from bot4.app.commands.show import show
from bot4.model import codes_nb as c
from bot4.ports import journal as port
from bot4.research.why import explain_at
from bot4.storage.journal import JournalReader

pytestmark = pytest.mark.jit


@pytest.fixture
async def stack(tmp_path):
    async with exchange_of("perp", tmp_path) as made:
        yield made


def breakers(stack):
    return json.loads(json.dumps(show(what="breakers", journal=stack.folder, as_json=True)))


def refused(stack):
    rows = JournalReader(stack.folder).gather(port.DECISIONS)
    return set(rows["reason"][rows["outcome"] == c.D_REFUSED].tolist())


def notes(stack):
    found = [b.payload for b in JournalReader(stack.folder).blocks(port.NOTE)]
    return [n for n in found if n["what"] == "breaker"]


async def test_calls_that_fail_stop_new_risk_everywhere_and_the_stop_stays(stack):
    sets = ["panic.error_rate=100 %", "breaker.error_rate=5 %", "live.check_interval=500ms"]
    async with stack.session(sets=sets) as live:
        await live.enter()
        await stack.fault("status", {"method": "GET"}, http=500, code=-1000, msg="oops")
        await live.until(lambda: live.desk.blocked(stack.symbol) == c.R_ERRORS, "the breaker")
        await stack.heal()
        assert any(o.request.stop_price for o in stack.open_orders())
        live.wish = -1.0  # the exit passes, and no short follows
        await live.until(lambda: live.lots == stack.lots == 0, "the exit")
        await live.until(lambda: live.engine.inst[0]["reason"] == c.R_ERRORS, "a refusal")
        assert stack.lots == 0
    assert [(n["breaker"], n["after"], n["cause"]) for n in notes(stack)[:2]] == [
        ("errors", "OPEN", "error_rate"), (f"market {stack.symbol}", "OPEN", "error_rate"),
    ]  # fmt: skip
    assert c.R_ERRORS in refused(stack)
    said = {b["breaker"]: b for b in breakers(stack)["breakers"]}
    assert said["errors"]["state"] == "open" and said["errors"]["value"] > said["errors"]["limit"]
    assert said["errors"]["level"] == "venue" and said[f"market {stack.symbol}"]["level"] == "position"
    assert breakers(stack)["refused"]["errors"] >= 1
    found = explain_at(bootstrap.refold_of(stack.folder, None), notes(stack)[1]["engine_ns"] + 1)
    told = {b["breaker"]: b for b in found["breakers"]["not_closed"]}
    assert told["errors"]["cause"] == "error_rate" and told["errors"]["not_before"] > told["errors"]["since"]
    assert stack.verified()


async def test_a_slow_venue_stops_new_risk(stack):
    async with stack.session(sets=["breaker.latency=1ms", "live.check_interval=20ms"]) as live:
        await live.enter()
        await live.until(lambda: live.desk.blocked(stack.symbol) == c.R_LATENCY, "the breaker")
        live.wish = -1.0
        await live.until(lambda: live.lots == stack.lots == 0, "the exit")
        await live.until(lambda: live.engine.inst[0]["reason"] == c.R_LATENCY, "a refusal")
    assert stack.told("breaker latency is OPEN", "critical")
    assert notes(stack)[0]["cause"] == "latency" and c.R_LATENCY in refused(stack)
    assert stack.verified()


async def test_toxic_flow_stops_entries_before_they_leave_and_why_explains_it(stack, capsys):
    def push():
        """Everybody buys, and the bids grow."""
        stack.pond.bids += 50
        if not stack.pond.prints:
            stack.pond.prints = [(stack.pond.mid + 1, 5, 1)] * 150
        return live.engine.core["breakers"][0][c.BK_TOXIC]["state"] == c.BREAKER_OPEN

    async with stack.session() as live:
        await live.enter()
        await live.until(push, "toxic flow")
        live.wish = -1.0
        await live.until(lambda: live.lots == stack.lots == 0, "the exit")
        await live.until(lambda: live.engine.safety.refusals[c.R_TOXIC_FLOW] > 0, "a refusal")
        assert stack.lots == 0 and stack.open_orders() == []
    assert stack.told(f"breaker toxic_flow of {stack.symbol} is OPEN", "critical")
    [toxic] = [b for b in breakers(stack)["breakers"] if b["breaker"] == "toxic_flow"]
    assert (toxic["state"], toxic["scope"], toxic["limit"]) == ("open", stack.symbol, 0.6)
    assert c.R_TOXIC_FLOW in refused(stack)
    rows = JournalReader(stack.folder).gather(port.DECISIONS)
    at = int(rows["ts"][rows["reason"] == c.R_TOXIC_FLOW][0])
    found = explain_at(bootstrap.refold_of(stack.folder, None), at)["breakers"]
    [one] = found["refused_the_last_decision"]
    assert (one["breaker"], one["level"], one["reason"]) == ("toxic_flow", "position", "toxic_flow")
    assert one["value"] >= one["tried_again_at"] and one["since"] <= one["not_before"]
    show(what="breakers", journal=stack.folder, as_json=False)
    out = capsys.readouterr().out
    assert f"toxic_flow (position level, {stack.symbol}): open since" in out and "limit 0.6" in out
    assert "system (system level, all): open" in out and "because of manual" in out
    assert stack.verified()
