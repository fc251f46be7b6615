"""Partial kills in the engine: what is stopped, what goes on, that the latch holds and what releases it."""

import itertools

import numpy as np
import pytest
from tests.helpers.engine_scene import BARS_TWO, START, S, Scene, book, event, instrument, pair_bars

from bot4.engine.state import state_hash
from bot4.model import codes_nb as c
from bot4.model.events import INPUT_DTYPE
from bot4.ports import journal as port
from bot4.safety import modes_nb as m
from bot4.safety.state import gate_params, new_halts, new_safety

LIVE = (c.ST_PENDING, c.ST_WORKING, c.ST_PARTIAL, c.ST_CANCELING)
WIDE = ("risk.stop_atr=1000", "risk.emergency_stop=90 %", "risk.target_r=100", "strategy.fixed_size=0.1")
SCOPES = [c.SCOPE_INSTRUMENT, c.SCOPE_STRATEGY, c.SCOPE_VENUE]
WORD = {
    c.SCOPE_INSTRUMENT: c.R_KILLED_INSTRUMENT,
    c.SCOPE_STRATEGY: c.R_KILLED_STRATEGY,
    c.SCOPE_VENUE: c.R_KILLED_VENUE,
}


def two(*sets, **kw):
    """Long both instruments, protected."""
    pair = [instrument("BTC-USDT"), instrument("ETH-USDT")]
    scene = Scene(*WIDE, *sets, instruments=pair, **kw)
    scene.scores.update({20: 0.9, (1, 20): 0.9})
    bars(scene, 1, BARS_TWO)
    assert scene.position(0) == scene.position(1) == 100
    return scene


def bars(scene, first, last):
    for k in range(first, last + 1):
        scene.push(pair_bars(k))


def live(scene, inst):
    rows = scene.orders(*LIVE)
    return rows[rows["instrument"] == inst]


def refused(scene, inst):
    rows = scene.blocks(port.DECISIONS)
    rows = rows[(rows["instrument"] == inst) & (rows["outcome"] == c.D_REFUSED)]
    return {int(r["reason"]) for r in rows}


@pytest.mark.parametrize("scope", SCOPES)
def test_what_is_under_it_is_cancelled_closed_and_refused_and_the_rest_goes_on(scope):
    scene = two()
    whole = scope != c.SCOPE_INSTRUMENT
    scene.scores.update({BARS_TWO + 6: 0.9, (1, BARS_TWO + 4): -0.9, (1, BARS_TWO + 6): 0.9})
    scene.driver.halt(scope, c.R_COMMAND, instrument=0)
    made = scene.blocks(port.ORDERS)
    closing = made[(made["action"] == c.ACT_NEW) & (made["purpose"] == c.FOR_FLATTEN)]
    assert closing["instrument"].tolist() == ([0, 1] if whole else [0])
    assert (closing["flags"] == c.OF_REDUCE_ONLY).all()
    cancels = made[(made["action"] == c.ACT_CANCEL) & (made["reason"] == WORD[scope])]
    assert set(cancels["instrument"].tolist()) == ({0, 1} if whole else {0})
    bars(scene, BARS_TWO + 1, BARS_TWO + 8)
    assert scene.position(0) == 0
    assert len(live(scene, 0)) == 0
    assert WORD[scope] in refused(scene, 0)
    assert scene.mode == c.MODE_NORMAL
    if whole:
        assert scene.position(1) == 0
        assert WORD[scope] in refused(scene, 1)
    else:
        assert scene.position(1) == 100  # left and entered again meanwhile
        assert len(live(scene, 1)) == 2
        assert refused(scene, 1) == set()


def test_quotes_of_the_stopped_instrument_are_withdrawn_and_the_others_stand():
    pair = [instrument("BTC-USDT"), instrument("ETH-USDT")]
    scene = Scene("quoter.size=0.1", bars=False, strategy="quoter", instruments=pair)

    def books(k):
        at = START + k * 20 * S
        rows = [book(at, 500_000, 500_001, k, inst=i) for i in (0, 1)]
        scene.push(np.concatenate(rows), until=at + 3 * S)

    books(1)
    assert [len(live(scene, i)) for i in (0, 1)] == [2, 2]
    scene.driver.halt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=1)
    books(2)
    books(3)
    assert [len(live(scene, i)) for i in (0, 1)] == [2, 0]
    assert scene.outcome(1) == (c.D_REFUSED, c.R_KILLED_INSTRUMENT)


def test_the_gate_itself_refuses_whatever_the_strategy_thinks():
    """The verdict stands in the gate's row, not only in the strategy's way to it."""
    scene = two(cold=None)
    scene.driver.halt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0)
    bars(scene, BARS_TWO + 1, BARS_TWO + 2)
    from bot4.engine.decide_nb import intent_nb
    from bot4.engine.dispatch_nb import dispatch_nb
    from bot4.engine.layout_nb import N_INTENTS, N_LAST_REASON

    core = scene.engine.core[0]
    for inst, want in ((0, c.R_KILLED_INSTRUMENT), (1, c.R_OK)):
        core["n"][N_INTENTS] = intent_nb(core["intents"], 0, inst, c.BUY, 10, c.FOR_ENTRY, 0, 0)
        dispatch_nb(core)
        assert core["n"][N_LAST_REASON] == want


def test_pressed_again_it_changes_nothing_and_keeps_its_first_reason():
    scene = two()
    scene.driver.halt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0)
    bars(scene, BARS_TWO + 1, BARS_TWO + 3)
    orders, halts = len(scene.blocks(port.ORDERS)), scene.engine.halts.tobytes()
    for _ in range(3):
        scene.driver.halt(c.SCOPE_INSTRUMENT, c.R_FILE, instrument=0)
    assert len(scene.blocks(port.ORDERS)) == orders
    assert scene.engine.halts.tobytes() == halts
    assert scene.engine.halts[0]["reason"] == c.R_COMMAND


def test_a_full_kill_stays_full_whatever_is_stopped_or_released_in_part():
    scene = two()
    scene.driver.halt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0)
    scene.driver.kill(c.R_OPERATOR)
    control = scene.engine.safety.control[0]
    fields = ("killed", "enabled", "mode", "kill_reason", "kill_ts", "mode_since")
    before = [int(control[name]) for name in fields]
    scene.push(pair_bars(BARS_TWO + 1))
    scene.driver.halt(c.SCOPE_VENUE, c.R_COMMAND)
    scene.driver.unhalt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0, authorised=True)
    assert control["killed"] == 1
    assert [int(control[name]) for name in fields] == before
    assert scene.engine.halts[0]["on"] == 1  # under a kill nothing is released
    bars(scene, BARS_TWO + 2, BARS_TWO + 4)
    assert scene.position(0) == scene.position(1) == 0


def test_a_release_needs_authority_and_the_cooldown_and_then_it_trades_and_protects_again():
    scene = two("safety.cooldown=5m")
    scene.driver.halt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0)
    bars(scene, BARS_TWO + 1, BARS_TWO + 3)
    scene.driver.unhalt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0, authorised=True)
    assert scene.engine.halts[0]["on"] == 1
    bars(scene, BARS_TWO + 4, BARS_TWO + 6)
    scene.driver.unhalt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0, authorised=False)
    scene.driver.mode(c.MODE_NORMAL, c.R_COMMAND, authorised=True)  # another release: not this one's
    assert scene.engine.halts[0]["on"] == 1
    scene.driver.unhalt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0, authorised=True)
    assert scene.engine.halts[0]["on"] == 0
    scene.scores[BARS_TWO + 7] = 0.9
    bars(scene, BARS_TWO + 7, BARS_TWO + 9)
    assert scene.position(0) == 100
    assert sorted(live(scene, 0)["purpose"].tolist()) == [c.FOR_STOP, c.FOR_TARGET]


def test_each_latch_is_released_by_itself():
    scene = two()
    scene.driver.halt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0)
    scene.driver.halt(c.SCOPE_STRATEGY, c.R_COMMAND)
    bars(scene, BARS_TWO + 1, BARS_TWO + 1)
    scene.driver.unhalt(c.SCOPE_STRATEGY, c.R_COMMAND, authorised=True)
    assert m.halted_nb(scene.engine.halts, 0) == c.R_KILLED_INSTRUMENT
    assert m.halted_nb(scene.engine.halts, 1) == c.R_OK


def test_an_order_of_unknown_outcome_that_turns_out_to_stand_is_cancelled():
    scene = two(inputs=None)
    made = Scene(*WIDE, instruments=[instrument("BTC-USDT"), instrument("ETH-USDT")],
                 inputs=np.empty(0, INPUT_DTYPE), timers=False)  # fmt: skip
    made.scores[20] = 0.9
    for k in range(1, 21):
        made.push(pair_bars(k))
    order = int(made.orders(c.ST_PENDING)["id"][0])
    made.driver.fold(event(c.EV_UNKNOWN, made.driver.now, x=order, y=c.R_TIMEOUT))
    made.driver.halt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0)
    made.driver.fold(event(c.EV_ACK, made.driver.now, x=order))
    assert made.orders()[0]["status"] == c.ST_CANCELING
    assert scene.mode == c.MODE_NORMAL


def test_a_position_larger_than_the_largest_order_is_closed_in_parts():
    small = instrument("BTC-USDT")
    small = small.__class__(
        **{**{f: getattr(small, f) for f in small.__dataclass_fields__}, "max_qty": small.lot * 100}
    )
    pair = [small, instrument("ETH-USDT")]
    scene = Scene(*WIDE, instruments=pair, inputs=np.empty(0, INPUT_DTYPE), timers=False)
    scene.push(pair_bars(1))
    scene.driver.fold(event(c.EV_ADOPT, scene.driver.now, x=250, price=500_000, y=c.R_ADOPTED))
    scene.driver.halt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0)
    for leg in scene.orders(c.ST_CANCELING)["id"].tolist():
        scene.driver.fold(event(c.EV_CANCELED, scene.driver.now, x=leg, y=c.R_KILLED_INSTRUMENT))
    for n, lots in enumerate((100, 100, 50)):
        rows = scene.orders(c.ST_PENDING)
        row = rows[rows["purpose"] == c.FOR_FLATTEN][-1]
        assert int(row["qty"]) == lots
        fill = {"x": int(row["id"]), "price": 500_000, "qty": lots, "seq": n + 1}
        scene.driver.fold(event(c.EV_FILL, scene.driver.now, **fill))
        # what is being closed gets no new stop, which would lock it or race with it
        assert set(live(scene, 0)["purpose"].tolist()) <= {c.FOR_FLATTEN}
        scene.driver.fold(event(c.EV_TIMER, scene.driver.now))
        assert set(live(scene, 0)["purpose"].tolist()) <= {c.FOR_FLATTEN}
    assert scene.position(0) == 0


def test_a_fold_of_what_was_recorded_gives_the_same_state():
    scene = two()
    scene.driver.halt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0)
    bars(scene, BARS_TWO + 1, BARS_TWO + 4)
    scene.driver.unhalt(c.SCOPE_INSTRUMENT, c.R_COMMAND, instrument=0, authorised=True)
    scene.driver.mode(c.MODE_REDUCE, c.R_COMMAND)
    bars(scene, BARS_TWO + 5, BARS_TWO + 12)
    pair = [instrument("BTC-USDT"), instrument("ETH-USDT")]
    again = Scene(*WIDE, instruments=pair, inputs=scene.blocks(port.INPUTS))
    again.driver._cold = None  # a replay asks no strategy: its views are inputs
    for k in range(1, BARS_TWO + 13):
        again.push(pair_bars(k))
    assert state_hash(again.engine) == state_hash(scene.engine)
    assert again.blocks(port.ORDERS).tobytes() == scene.blocks(port.ORDERS).tobytes()


# --- the latch kernels ---------------------------------------------------------------------------------------


class Plain:
    """What the kernels must do, in words: a dictionary of parts that are stopped."""

    def __init__(self, n, cooldown):
        self.n, self.cooldown, self.on, self.killed = n, cooldown, {}, False

    def part(self, scope, inst):
        if scope == c.SCOPE_INSTRUMENT and 0 <= inst < self.n:
            return ("instrument", inst)
        return {c.SCOPE_STRATEGY: "strategy", c.SCOPE_VENUE: "venue"}.get(scope)

    def halt(self, scope, inst, now):
        part = self.part(scope, inst) or "venue"
        fresh = part not in self.on
        self.on.setdefault(part, now)
        return int(fresh)

    def unhalt(self, scope, inst, now, authorised):
        part = self.part(scope, inst)
        falls = authorised and not self.killed and part in self.on and now - self.on[part] >= self.cooldown
        if falls:
            del self.on[part]
        return int(falls)

    def halted(self, inst):
        for part, word in ((("instrument", inst), c.R_KILLED_INSTRUMENT), ("strategy", c.R_KILLED_STRATEGY),
                           ("venue", c.R_KILLED_VENUE)):  # fmt: skip
            if part in self.on:
                return word
        return c.R_OK


@pytest.mark.parametrize("side", ["compiled", "plain"])
@pytest.mark.parametrize("seed", range(3))
def test_latches_behave_as_in_words(side, seed):
    def kernel(name):
        made = getattr(m, name)
        return getattr(made, "py_func", made) if side == "plain" else made

    chance = np.random.default_rng(seed)
    n, cooldown = 3, 50
    halts, s, words = new_halts(n), new_safety(gate_params(1, cooldown_ns=cooldown)), Plain(n, cooldown)
    now = 100
    for step in range(2000):
        now += int(chance.integers(0, 30))
        scope, inst = int(chance.integers(0, 5)), int(chance.integers(-1, n + 1))
        if chance.random() < 0.5:
            assert kernel("halt_nb")(halts, scope, inst, 7, now) == words.halt(scope, inst, now)
        else:
            ok = bool(chance.random() < 0.8)
            assert kernel("unhalt_nb")(s, halts, scope, inst, now, ok) == words.unhalt(scope, inst, now, ok)
        if step == 1900:
            m.kill_nb(s, c.R_FILE, now)
            words.killed = True
        for k in range(n):
            assert kernel("halted_nb")(halts, k) == words.halted(k)
    assert len(list(itertools.chain(words.on))) == int(halts["on"].sum())
