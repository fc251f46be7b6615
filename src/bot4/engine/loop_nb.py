"""The loop around the step: who comes next, by time.

Two sides meet here. Exchange side: market events at the venue's time, and our orders when they
arrive there. Our side: market events and the venue's answers when they reach us, and timers. At
equal times the exchange goes first, then answers, timers, market events; the order is part of the
format, because a replay must find the same one.
"""

from typing import Any

import numpy as np

from bot4.engine.ingest_nb import levels_nb
from bot4.engine.layout_nb import (
    CK_NOW,
    CK_POS,
    CK_TIMER,
    N_DECISIONS,
    N_EQUITY,
    N_ORDERS,
    N_RECORDED,
    N_TRIPS,
    N_WAKE,
)
from bot4.engine.step_nb import step_nb
from bot4.kernels.jit_nb import kernel
from bot4.model.codes_nb import ACT_CANCEL, EV_BAR, EV_DEPTH, EV_TIMER, FLAG_LAST
from bot4.venues.simulator.sim_nb import (
    sim_arrive_nb,
    sim_cancel_nb,
    sim_items_nb,
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
def rings_full_nb(n: np.ndarray, orders: int, decisions: int, equity: int, recorded: int, trips: int) -> bool:
    """Whether any outgoing ring could overflow in the next step."""
    return bool(
        n[N_ORDERS] > orders - MARGIN
        or n[N_DECISIONS] > decisions - MARGIN
        or n[N_EQUITY] > equity - MARGIN
        or n[N_RECORDED] > recorded - MARGIN
        or n[N_TRIPS] > trips - MARGIN
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
def plain_level_nb(events: np.ndarray, i: int) -> bool:
    """Whether event `i` is a depth level inside a frame."""
    return int(np.int64(events[i]["kind"])) == EV_DEPTH and not int(np.int64(events[i]["flags"])) & FLAG_LAST


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
    room = (
        s["sent"].shape[0],
        s["decisions"].shape[0],
        s["curve"].shape[0],
        s["recorded"].shape[0],
        s["trips"].shape[0],
    )
    while True:
        if s["n"][N_WAKE] > 0:
            return WAKE
        if rings_full_nb(s["n"], room[0], room[1], room[2], room[3], room[4]):
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
                    cur[CU_EXCHANGE] = sim_items_nb(sim, s["spec"], events, order, order_ts, k)
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
                if plain_level_nb(events, i):
                    done = levels_nb(s, events, i, n_events)
                    if done > 0:
                        cur[CU_LOCAL] = i + done
                        continue
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
            if plain_level_nb(events, i):
                end = n_events
                if cur[CU_INPUT] < n_inputs:
                    end = min(end, i + inputs[cur[CU_INPUT]]["pos"] - s["clock"][CK_POS])
                done = levels_nb(s, events, i, end)
                if done > 0:
                    cur[CU_LOCAL] = i + done
                    continue
            cur[CU_LOCAL] = i + 1
        step_nb(s, model, source, at, user, desk)
        if simulated and s["n"][N_ORDERS] > cur[CU_SENT]:
            hand_over_nb(s, sim, cur, s["clock"][CK_NOW])


@kernel
def first_after_nb(events: np.ndarray, ts: int) -> int:
    """The first event (in local order) whose local time is after `ts`."""
    low = 0
    high = events.shape[0]
    while low < high:
        mid = (low + high) >> 1
        if events[mid]["ts_local"] <= ts:
            low = mid + 1
        else:
            high = mid
    return low


@kernel
def exchange_items_nb(
    events: np.ndarray, kept: int, after: int, items: np.ndarray, stamps: np.ndarray
) -> int:
    """List the exchange-side items of `events`: a bar has two, anything else one.

    The first `kept` rows were here before: only their items later than `after` are still to be shown.

    In order of time, items of one time in order of events. The lists come nearly in order, in runs of one
    time (the levels of a frame), so each run is moved to its place; -1 when that would take too long.
    """
    n = 0
    total = events.shape[0]
    moves = 64 * total + 1024
    i = 0
    phase = 0
    while i < total:
        bar = int(np.int64(events[i]["kind"])) == EV_BAR
        ts = events[i]["ts_local"] if phase == 1 else events[i]["ts_venue"]
        count = 1
        if not bar:
            while i + count < total and events[i + count]["ts_venue"] == ts:
                if int(np.int64(events[i + count]["kind"])) == EV_BAR or i + count == kept:
                    break
                count += 1
        if i >= kept or ts > after:
            place = n
            while place > 0 and stamps[place - 1] > ts:
                place -= 1
            moves -= n - place
            if moves < 0:
                return -1
            for k in range(n - 1, place - 1, -1):
                stamps[k + count] = stamps[k]
                items[k + count] = items[k]
            for k in range(count):
                stamps[place + k] = ts
                items[place + k] = 2 * (i + k) + (1 if bar and phase == 0 else 0)
            n += count
        if bar and phase == 0:
            phase = 1
        else:
            phase = 0
            i += count
    return n


@kernel
def unsorted_items_nb(
    events: np.ndarray, kept: int, after: int, items: np.ndarray, stamps: np.ndarray
) -> int:
    """The list of `exchange_items_nb` in order of events, for whoever sorts it."""
    n = 0
    for i in range(events.shape[0]):
        bar = int(np.int64(events[i]["kind"])) == EV_BAR
        if i >= kept or events[i]["ts_venue"] > after:
            items[n] = 2 * i + 1 if bar else 2 * i
            stamps[n] = events[i]["ts_venue"]
            n += 1
        if bar and (i >= kept or events[i]["ts_local"] > after):
            items[n] = 2 * i
            stamps[n] = events[i]["ts_local"]
            n += 1
    return n
