"""S2: random walks of 100 000 events in all over the whole step, beside a model of the modes in plain words.

After each event: the mode is the model's; no order that could raise exposure was made under any mode but Normal
or under a partial kill; in Reduce no position grew but by a fill of what had left before; and the journal holds
exactly one row for each transition.
"""

import random

import numpy as np
import pytest
from tests.helpers.engine_scene import S, Scene, event, instrument, pair_bars

from bot4.kernels.jit_nb import JIT_OFF
from bot4.model import codes_nb as c
from bot4.model.events import INPUT_DTYPE
from bot4.ports import journal as port
from bot4.safety.modes_nb import halted_nb

PRICE = 500_000
COOLDOWN = 60 * S
EVENTS = 2_000 if JIT_OFF else 25_000  # in each of four walks
LIVE = np.zeros(16, bool)
LIVE[[c.ST_PENDING, c.ST_WORKING, c.ST_PARTIAL, c.ST_CANCELING, c.ST_UNKNOWN]] = True
MODES = (*[0] * 9, 1, 1, 1, 2, 2, 3, 7)
KINDS = ("mode", "halt", "unhalt", "view", "answer", "time")
WEIGHTS = (0.06, 0.002, 0.04, 0.25, 0.448, 0.2)


class Model:
    """The rules of S2: severity rises at once, falls after the cooldown, out of Emergency only authorised."""

    def __init__(self, now):
        self.mode, self.since, self.changes = c.MODE_NORMAL, now - COOLDOWN, []

    def ask(self, mode, now, authorised):
        wanted = mode if c.MODE_NORMAL <= mode <= c.MODE_EMERGENCY else c.MODE_EMERGENCY
        falls = wanted < self.mode
        if wanted == self.mode or (falls and now - self.since < COOLDOWN):
            return
        if falls and self.mode == c.MODE_EMERGENCY and not authorised:
            return
        self.changes.append((self.mode, wanted))
        self.mode, self.since = wanted, now


class Walk:
    """One walk: draws what happens next, and holds what came of it against the model."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        pair = [instrument("BTC-USDT"), instrument("ETH-USDT")]
        self.scene = Scene(
            "strategy.fixed_size=0.05", "strategy.exit_threshold=50 %", "safety.cooldown=60s",
            "risk.stop_atr=1000", "risk.emergency_stop=90 %", "safety.reduce_interval=1m",
            "safety.reduce_floor=0 %", "safety.max_orders_per_second=1000000",
            instruments=pair, inputs=np.empty(0, INPUT_DTYPE), timers=False,
        )  # fmt: skip
        self.scene.driver._cold = None
        for k in range(1, 3):
            self.scene.push(pair_bars(k, PRICE))
        self.now = self.scene.driver.now
        self.model = Model(self.now)
        self.scene.engine.safety.control["mode_since"] = self.model.since
        self.seq = 0
        self.made = self.raising = 0

    def say(self, kind, inst=0, **fields):
        self.scene.journal.blocks.clear()
        self.scene.driver.fold(event(kind, self.now, inst, **fields))

    def step(self):
        """One event; returns what the journal holds of it."""
        what = self.chance.choices(KINDS, WEIGHTS)[0]
        inst = self.chance.randrange(2)
        ok = self.chance.random() < 0.7
        if what == "mode":
            mode = self.chance.choice(MODES)
            self.model.ask(mode, self.now, ok)
            self.say(c.EV_MODE, x=mode, y=c.R_OPERATOR, flags=int(ok))
        elif what in ("halt", "unhalt"):
            scope = self.chance.choice([1, 1, 1, 1, 2, 3])
            x = scope if what == "halt" else -scope
            self.say(c.EV_HALT, inst, x=x, y=c.R_COMMAND, flags=int(ok))
        elif what == "view":
            self.say(c.EV_VIEW, inst, x=self.chance.choice([-1, 1]), y=10**9)
        elif what == "answer":
            self.answer()
        else:
            self.now += self.chance.randrange(1, 40) * S
            self.say(c.EV_TIMER)

    def answer(self):
        """Something becomes of one live order, as a venue would have it."""
        table = self.scene.engine.orders.table
        slots = np.flatnonzero(LIVE[table["status"]])
        if not len(slots):
            self.say(c.EV_TIMER)
            return
        row = table[self.chance.choice(slots)]
        order, state, inst = int(row["id"]), int(row["status"]), int(row["instrument"])
        left = int(row["qty"] - row["filled"])
        held = self.scene.position(inst)
        if row["flags"]:  # the venue cuts what reduces to the position
            left = min(left, abs(held)) if held * int(row["side"]) < 0 else 0
        new = state in (c.ST_PENDING, c.ST_UNKNOWN)
        kinds = [c.EV_CANCELED, *([c.EV_ACK, c.EV_REJECT, c.EV_UNKNOWN] if new else [])]
        kind = c.EV_FILL if left and self.chance.random() < 0.6 else self.chance.choice(kinds)
        if kind == c.EV_FILL:
            self.seq += 1
            qty = self.chance.randrange(1, left + 1) if self.chance.random() < 0.3 else left
            self.say(kind, inst, x=order, price=int(row["price"]) or PRICE, qty=qty, seq=self.seq)
        else:
            self.say(kind, inst, x=order, y=c.R_VENUE)

    def check(self, before):
        """What must hold after each event; `before`: absolute positions."""
        scene, control = self.scene, self.scene.engine.safety.control[0]
        assert int(control["mode"]) == self.model.mode
        rows, filled_new = scene.journal.blocks, False
        for kind, payload in rows:
            if kind == port.ORDERS:
                for row in payload[payload["action"] == c.ACT_NEW]:
                    self.made += 1
                    if not row["flags"]:
                        self.raising += 1
                        assert self.model.mode == c.MODE_NORMAL
                        assert halted_nb(scene.engine.halts, int(row["instrument"])) == c.R_OK
            elif kind == port.INPUTS and payload["event"]["kind"][0] == c.EV_FILL:
                order = int(payload["event"]["x"][0])
                table = scene.engine.orders.table
                filled_new = not table[table["id"] == order]["flags"][0]
            elif kind == port.DECISIONS:
                for row in payload[payload["outcome"] == c.D_MODE_CHANGED]:
                    assert self.told == len(self.model.changes) - 1
                    assert (int(row["qty"]), int(row["action"])) == self.model.changes[-1]
                    self.told += 1
        assert self.told == len(self.model.changes)
        if self.model.mode != c.MODE_NORMAL and not filled_new:
            assert all(abs(scene.position(i)) <= before[i] for i in (0, 1))

    told = 0


@pytest.mark.parametrize("seed", range(4))
def test_s2_100_000_events_never_an_order_that_raises_exposure_outside_normal_and_one_row_a_transition(seed):
    walk = Walk(seed)
    modes = set()
    for _ in range(EVENTS):
        before = [abs(walk.scene.position(i)) for i in (0, 1)]
        walk.step()
        walk.check(before)
        modes.add(walk.model.mode)
    assert modes == {0, 1, 2, 3}
    assert len(walk.model.changes) > EVENTS // 500  # it has been everywhere, and has traded
    assert walk.raising > EVENTS // 400
    assert walk.made > 2 * walk.raising
