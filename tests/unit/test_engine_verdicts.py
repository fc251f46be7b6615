"""Verdicts of the engine as the gate gets them, and what it does when a result is unknown; also in plain Python."""

import numpy as np
from tests.helpers.engine_scene import MINUTE, Scene, flat_bars, instrument, pair_bars

from bot4.engine.decide_nb import intent_nb
from bot4.engine.dispatch_nb import dispatch_nb
from bot4.engine.layout_nb import N_INTENTS, N_LAST_REASON
from bot4.model import codes_nb as c
from bot4.model.events import INPUT_DTYPE
from bot4.ports import journal as port

PRICE = 500_000
WIDE = ("risk.stop_atr=1000", "risk.emergency_stop=90 %", "risk.target_r=100", "strategy.fixed_size=0.1")
NOTHING = np.empty(0, INPUT_DTYPE["event"])


def held(*sets):
    """A long position of 100 lots, protected."""
    scene = Scene(*WIDE, *sets)
    scene.scores[20] = 0.9
    scene.push(flat_bars(1, 30, PRICE))
    assert scene.position() == 100
    return scene


def made(scene):
    rows = scene.blocks(port.ORDERS)
    return rows[(rows["action"] == c.ACT_NEW) & (rows["purpose"] == c.FOR_FLATTEN)]


def test_an_open_breaker_refuses_in_the_gates_row_on_its_instrument_alone():
    scene = Scene(*WIDE, instruments=[instrument("BTC-USDT"), instrument("ETH-USDT")])
    for k in range(1, 4):
        scene.push(pair_bars(k))
    core = scene.engine.core[0]
    loss = core["breakers"][c.BK_LOSS]
    loss["state"], loss["reason"], loss["opened"] = c.BREAKER_OPEN, c.R_LOSS, scene.driver.now
    for inst, want in ((0, c.R_LOSS), (1, c.R_OK)):
        core["n"][N_INTENTS] = intent_nb(core["intents"], 0, inst, c.BUY, 10, c.FOR_ENTRY, 0, 0)
        dispatch_nb(core)
        assert core["n"][N_LAST_REASON] == want


def test_a_result_that_stays_unknown_is_mode_reduce_and_closes_nothing():
    scene = held("safety.cooldown=1h")
    scene.engine.core["params"][0]["unknown_ns"] = 2 * MINUTE
    scene.engine.inst[0]["doubt"] = 1
    for _ in range(6):
        scene.driver.push(NOTHING, scene.driver.now + MINUTE)
    control = scene.engine.safety.control[0]
    assert (scene.mode, int(control["mode_reason"])) == (c.MODE_REDUCE, c.R_PNL_UNKNOWN)
    scene.engine.inst[0]["doubt"] = 0  # the price is good again, the mode stands until it may be lowered
    scene.driver.push(NOTHING, scene.driver.now + MINUTE)
    assert scene.mode == c.MODE_REDUCE
    assert scene.position() == 100 and len(made(scene)) == 0


def test_at_a_price_in_doubt_a_step_of_mode_reduce_waits():
    scene = held()
    scene.engine.inst[0]["doubt"] = 1
    scene.driver.mode(c.MODE_REDUCE, c.R_OPERATOR)
    scene.driver.push(NOTHING, scene.driver.now + MINUTE)
    assert len(made(scene)) == 0
    scene.engine.inst[0]["doubt"] = 0
    scene.driver.push(NOTHING, scene.driver.now + MINUTE)
    assert [int(q) for q in made(scene)["qty"]] == [25]
