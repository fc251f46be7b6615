"""The loop around the step: who comes next, by time.

Two sides meet here. Exchange side: market events at the venue's time, and our orders when they
arrive there. Our side: market events and the venue's answers when they reach us, and timers. At
equal times the exchange goes first, then answers, timers, market events; the order is part of the
format, because a replay must find the same one.
"""

from typing import Any

import numpy as np

from bot4.engine.layout_nb import (
    CK_NOW,
    CK_POS,
    CK_TIMER,
    N_DECISIONS,
    N_EQUITY,
    N_ORDERS,
    N_RECORDED,
    N_WAKE,
)
from bot4.engine.step_nb import step_nb
from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import ACT_CANCEL, EV_BAR, EV_TIMER
from bot4.venues.simulator.sim_nb import (
    sim_arrive_nb,
    sim_bar_open_nb,
    sim_cancel_nb,
    sim_market_nb,
    sim_next_arrival_nb,
    sim_next_reply_nb,
    sim_pop_reply_nb,
    sim_submit_nb,
)
from bot4.venues.simulator.state_nb import SimState

FOREVER = 9223372036854775807

# why the loop came back
DONE = 0  # nothing left up to the limit
WAKE = 1  # a cold strategy must look at a bar
FULL = 2  # a ring must be emptied

# cursor (int64)
CU_LOCAL = 0  # next market event for us
CU_EXCHANGE = 1  # next exchange item
CU_INPUT = 2  # next recorded input (replay)
CU_SENT = 3  # outgoing orders already handed to the simulator
CU_SIM = 4  # 1: the simulator takes the orders; 0: replay
CU_TIMERS = 5  # 1: timers are due by the clock
CU_OUTSIDE = 6  # next of `outside`
CU_N_OUTSIDE = 7  # how many there are
N_CURSOR = 8

MARGIN = 96  # free places a ring must have before an event is folded


@kernel
def no_strategy_nb(features: np.ndarray, book: np.ndarray, context: np.ndarray, memory: np.ndarray) -> float:
    """The compiled strategy's place when there is none: no opinion, ever."""
    return np.nan


@kernel
def rings_full_nb(n: np.ndarray, orders: int, decisions: int, equity: int, recorded: int) -> bool:
    """Whether any outgoing ring could overflow in the next step."""
    return bool(
        n[N_ORDERS] > orders - MARGIN
        or n[N_DECISIONS] > decisions - MARGIN
        or n[N_EQUITY] > equity - MARGIN
        or n[N_RECORDED] > recorded - MARGIN
    )


@kernel
def hand_over_nb(s: Any, sim: SimState, cur: np.ndarray, now: int) -> None:
    """Give the simulator the orders that the gate has approved since the last call."""
    for k in range(cur[CU_SENT], s["n"][N_ORDERS]):
        order = s["sent"][k]
        if int(np.int64(order["action"])) == ACT_CANCEL:
            sim_cancel_nb(sim, order["id"], int(np.int64(order["instrument"])), now)
        else:
            sim_submit_nb(sim, s["spec"], s["sent"], k, now)
    cur[CU_SENT] = s["n"][N_ORDERS]


@kernel
def put_timer_nb(scratch: np.ndarray, ts: int) -> None:
    """Write a timer event into the one-row scratch array."""
    t = scratch[0]
    t["kind"] = EV_TIMER
    t["ts_local"] = ts
    t["ts_venue"] = ts


@kernel
def record_input_nb(s: Any, events: np.ndarray, i: int) -> None:
    """Put an input into the ring for the journal, with its position in the fold."""
    n = s["n"][N_RECORDED]
    s["recorded"][n]["pos"] = s["clock"][CK_POS]
    s["recorded"][n]["event"] = events[i]
    s["n"][N_RECORDED] = n + 1


@kernel
def exchange_item_nb(s: Any, sim: SimState, events: np.ndarray, item: int) -> None:
    """Let the simulated exchange see one market event, or a bar's opening print."""
    if item & 1:
        sim_bar_open_nb(sim, s["spec"], events, item >> 1)
    else:
        sim_market_nb(sim, s["spec"], events, item >> 1)


@kernel
def run_nb(
    core: np.ndarray,
    model: Any,
    sim: SimState,
    events: np.ndarray,
    n_events: int,
    order: np.ndarray,
    order_ts: np.ndarray,
    inputs: np.ndarray,
    outside: np.ndarray,
    limit: int,
    cur: np.ndarray,
    scratch: np.ndarray,
    user: Any,
    desk: Any,
) -> int:
    """Fold everything up to local time `limit`; DONE, WAKE or FULL.

    `events` in local order; `order` lists the exchange items by time (event index x 2, +1 for the
    opening print of a bar) at `order_ts`. `outside` holds what the cold plane says now (a kill, a mode, a
    view): it is folded first, and recorded. With cur[CU_SIM] = 0 the venue's answers and all other
    inputs come from `inputs` (a journal) at their recorded positions instead. `cur` is kept by the
    caller, so that a call continues where the last one stopped.
    """
    s = core[0]
    n_items = order.shape[0]
    n_inputs = inputs.shape[0]
    simulated = cur[CU_SIM] == 1
    room = (s["sent"].shape[0], s["decisions"].shape[0], s["curve"].shape[0], s["recorded"].shape[0])
    while True:
        if s["n"][N_WAKE] > 0:
            return WAKE
        if rings_full_nb(s["n"], room[0], room[1], room[2], room[3]):
            return FULL
        i = cur[CU_LOCAL]
        market = events[i]["ts_local"] if i < n_events else FOREVER
        timer = s["clock"][CK_TIMER] if cur[CU_TIMERS] == 1 else FOREVER
        source = events
        at = i
        if cur[CU_OUTSIDE] < cur[CU_N_OUTSIDE]:
            source = outside
            at = cur[CU_OUTSIDE]
            cur[CU_OUTSIDE] = at + 1
            record_input_nb(s, source, at)
        elif simulated:
            reply = sim_next_reply_nb(sim)
            local = min(reply, timer, market)
            k = cur[CU_EXCHANGE]
            item = order_ts[k] if k < n_items else FOREVER
            arrival = sim_next_arrival_nb(sim)
            if min(local, item, arrival) > limit:
                return DONE
            if min(item, arrival) <= local:
                if item <= arrival:
                    cur[CU_EXCHANGE] = k + 1
                    exchange_item_nb(s, sim, events, order[k])
                else:
                    sim_arrive_nb(sim, s["spec"])
                continue
            if reply == local:
                sim_pop_reply_nb(sim, scratch, 0)
                source = scratch
                at = 0
                record_input_nb(s, source, at)
            elif timer == local:
                put_timer_nb(scratch, timer)
                source = scratch
                at = 0
            else:
                cur[CU_LOCAL] = i + 1
        elif cur[CU_INPUT] < n_inputs and inputs[cur[CU_INPUT]]["pos"] == s["clock"][CK_POS]:
            scratch[0] = inputs[cur[CU_INPUT]]["event"]
            source = scratch
            at = 0
            cur[CU_INPUT] += 1
        elif min(timer, market) > limit:
            return DONE
        elif timer <= market:
            put_timer_nb(scratch, timer)
            source = scratch
            at = 0
        else:
            cur[CU_LOCAL] = i + 1
        step_nb(s, model, source, at, user, desk)
        if simulated:
            hand_over_nb(s, sim, cur, s["clock"][CK_NOW])


@kernel
def exchange_items_nb(events: np.ndarray, items: np.ndarray, stamps: np.ndarray) -> int:
    """List the exchange-side items of `events` (unsorted): a bar has two, anything else one."""
    n = 0
    for i in range(events.shape[0]):
        if int(np.int64(events[i]["kind"])) == EV_BAR:
            items[n] = 2 * i + 1
            stamps[n] = events[i]["ts_venue"]
            n += 1
            items[n] = 2 * i
            stamps[n] = events[i]["ts_local"]
        else:
            items[n] = 2 * i
            stamps[n] = events[i]["ts_venue"]
        n += 1
    return n
