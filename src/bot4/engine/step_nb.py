"""The one step: fold one event into the state, in five phases.

Backtest, paper and replay run this same compiled function; they differ in who supplies the
events and who takes the orders.
"""

from typing import Any

import numpy as np

from bot4.engine.account_nb import account_event_nb
from bot4.engine.answers_nb import answer_nb
from bot4.engine.breakers_nb import exhausted_nb, note_mode_nb, watch_all_nb
from bot4.engine.decide_nb import act_nb, bar_closed_nb
from bot4.engine.dispatch_nb import dispatch_nb
from bot4.engine.ingest_nb import bars_clock_nb, doubts_nb, market_event_nb
from bot4.engine.layout_nb import (
    CK_NOW,
    CK_POS,
    CK_QUOTE,
    CK_TIMER,
    N_BARS_DUE,
    N_INTENTS,
    N_ORDERS,
    S_QUOTER,
)
from bot4.engine.protect_nb import bracket_nb, change_mode_nb, halt_event_nb, kill_event_nb, timer_nb
from bot4.engine.quoter_nb import adopt_quotes_nb, quoter_nb
from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import (
    EV_ACK,
    EV_HALT,
    EV_KILL,
    EV_LIQUIDATED,
    EV_MODE,
    EV_TIMER,
    EV_UNKNOWN,
    EV_VIEW,
    MODE_PAUSE,
    R_BREAKER,
)


@kernel
def control_event_nb(s: Any, events: np.ndarray, i: int) -> None:
    """Fold a mode change, a kill, a partial kill, or a cold strategy's view."""
    e = events[i]
    kind = int(np.int64(e["kind"]))
    if kind == EV_MODE:
        change_mode_nb(s, e["x"], e["y"], int(np.int64(e["flags"])) != 0)
    elif kind == EV_KILL:
        kill_event_nb(s, e["y"])
    elif kind == EV_HALT:
        halt_event_nb(s, events, i)
    elif kind == EV_VIEW:
        act_nb(s, int(np.int64(e["instrument"])), e["x"] * (e["y"] * 1e-9))


@kernel
def timers_nb(s: Any) -> None:
    """Everything that happens by the clock alone."""
    now = s["clock"][CK_NOW]
    bars_clock_nb(s, now)
    doubts_nb(s, now)
    timer_nb(s)
    watch_all_nb(s)
    if exhausted_nb(s):
        change_mode_nb(s, MODE_PAUSE, R_BREAKER, False)
    p = s["params"][0]
    if p["strategy"] == S_QUOTER and now >= s["clock"][CK_QUOTE]:
        for inst in range(s["spec"].shape[0]):
            quoter_nb(s, inst)
        s["clock"][CK_QUOTE] = now + p["quote_ns"]
    s["clock"][CK_TIMER] = now + p["timer_ns"]


@kernel
def fold_nb(s: Any, events: np.ndarray, i: int) -> bool:
    """The first phase: fold event `i` into books, bars, orders, ledger; whether more phases are due."""
    e = events[i]
    kind = int(np.int64(e["kind"]))
    s["clock"][CK_POS] += 1
    if e["ts_local"] > s["clock"][CK_NOW]:
        s["clock"][CK_NOW] = e["ts_local"]
    if kind < EV_ACK:
        market_event_nb(s, events, i)
        return bool(s["n"][N_BARS_DUE] > 0 or s["n"][N_INTENTS] > 0)
    if kind <= EV_UNKNOWN:
        answer_nb(s, events, i)
    elif kind <= EV_LIQUIDATED:
        account_event_nb(s, events, i)
    elif kind == EV_TIMER:
        timers_nb(s)
    else:
        control_event_nb(s, events, i)
    note_mode_nb(s)
    return True


@kernel
def decide_nb(s: Any, model: Any, user: Any, desk: Any) -> None:
    """The second phase: decisions for the bars that have just closed."""
    due = s["n"][N_BARS_DUE]
    s["n"][N_BARS_DUE] = 0
    for k in range(due):
        bar_closed_nb(s, model, s["due"][k], user, desk)


@kernel
def protect_and_send_nb(s: Any, kind: int) -> None:
    """The last phases: protection after anything but market data, then the gate."""
    if kind >= EV_ACK:
        for inst in range(s["spec"].shape[0]):
            if s["inst"][inst]["protect"] != 0:
                bracket_nb(s, inst)
    if s["n"][N_INTENTS] > 0:
        first = s["n"][N_ORDERS]
        dispatch_nb(s)
        adopt_quotes_nb(s, first, s["n"][N_ORDERS])


@kernel
def step_nb(s: Any, model: Any, events: np.ndarray, i: int, user: Any, desk: Any) -> None:
    """Fold event `i`: ingest, bars and decisions, protection, gate.

    The model and the strategy's desk are many words: they are passed on only where a bar closed.
    """
    if not fold_nb(s, events, i):
        return
    if s["n"][N_BARS_DUE] > 0:
        decide_nb(s, model, user, desk)
    protect_and_send_nb(s, int(np.int64(events[i]["kind"])))
