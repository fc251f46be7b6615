"""From the raised flag to the refusal, in the hot plane: two compiled loops on two processors, one word between.

    python benchmarks/flag_to_refusal.py [--raises 20000] [--save]

One thread runs orders through every check and the gate, one after another (as `gate.py` does: equity, exposure,
heat, all verdicts, gate); the other raises the kill latch at an unforeseen instant, with `kill_nb`, as the engine
does. Both are compiled, neither holds the interpreter's lock. The raiser reads the monotonic clock before it
raises, the gate's loop reads it after the first refusal: the difference holds the clock itself, the way of the
word from one processor to the other, and whatever was left of the order that was being judged.

Parity comes first: every order before the raise is approved, every refusal is the gate's own, counted in its state,
and the order after it is refused as `killed`. The first refusal says `killed` too, except where the raise fell
between two looks of the same judgement: `kill_nb` also ends Normal and Enabled, and the gate names what it saw.

Both loops spin. Where other work runs on these processors, the scheduler takes one of them away for milliseconds
now and then: that is in the first figures. The second are those of the raises during which neither thread was
switched off (by the kernel's own count of each thread); interrupts and a busy host are still in them.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import threading
from typing import Any

import numpy as np
from numba import njit

from bot4.engine.decide_nb import intent_nb
from bot4.engine.parts_nb import safety_of
from bot4.model import codes_nb as c
from bot4.model import names
from bot4.safety.modes_nb import kill_nb
from common import finish, options
from gate import PRICE, QTY, START, decide_order, engine_with

GOAL_US = 10.0
LIMIT_NS = 60 * 10**9
CLOCK_MONOTONIC = 1
READY, RAISED, GIVEN_UP = 0, 8, 16
"""Words of the board, a cache line apart."""

_gettime = ctypes.CDLL(None).clock_gettime
_gettime.argtypes = (ctypes.c_int, ctypes.c_void_p)
_gettime.restype = ctypes.c_int
_getrusage = ctypes.CDLL(None).getrusage
_getrusage.argtypes = (ctypes.c_int, ctypes.c_void_p)
_getrusage.restype = ctypes.c_int
NIVCSW = 17
"""Word of `struct rusage`: two time values, then fourteen counters, this one the last (Linux, 64 bits)."""


@njit(nogil=True, error_model="numpy")
def clock_ns(room):  # type: ignore[no-untyped-def]
    """The monotonic clock; also a call that the compiler must take to change any memory."""
    _gettime(CLOCK_MONOTONIC, room.ctypes.data)
    return room[0] * 1_000_000_000 + room[1]


@njit(nogil=True, error_model="numpy")
def taken_away(room):  # type: ignore[no-untyped-def]
    """How often the scheduler has taken the processor from this thread."""
    _getrusage(resource.RUSAGE_THREAD, room.ctypes.data)
    return room[NIVCSW]


@njit(nogil=True, error_model="numpy")
def raise_many(core, board, stamps, lost, room):  # type: ignore[no-untyped-def]
    """Raise the latch once for each time the gate's loop is ready, after a wait that it cannot foresee."""
    s = core[0]
    draw = np.int64(12345)
    begin = clock_ns(room)
    for k in range(len(stamps)):
        while board[READY] != k + 1:
            if clock_ns(room) - begin > LIMIT_NS:
                board[GIVEN_UP] = 1
                return
        draw = (draw * 1103515245 + 12345) % 2147483648
        until = clock_ns(room) + 500 + draw % 3000
        while clock_ns(room) < until:
            pass
        switched = taken_away(room)
        stamps[k] = clock_ns(room)
        kill_nb(safety_of(s), c.R_OPERATOR, 1)
        lost[k] = taken_away(room) - switched
        board[RAISED] = k + 1


@njit(nogil=True, error_model="numpy")
def judge_many(core, board, stamps, found, room, now):  # type: ignore[no-untyped-def]
    """Judge orders until one is refused, for each raise; found: [stamp, reason, next reason, refusals, processor lost]."""
    s = core[0]
    control = s["control"][0]
    for k in range(len(found)):
        control["killed"], control["enabled"], control["mode"] = 0, 1, c.MODE_NORMAL
        before, reason = control["refused"], np.int64(c.R_OK)
        switched = taken_away(room)
        board[READY] = k + 1
        while reason == c.R_OK and board[GIVEN_UP] == 0:
            now += 2_000
            reason = np.int64(decide_order(s, now))
            found[k, 0] = clock_ns(room)
        found[k, 1], found[k, 4] = reason, taken_away(room) - switched
        while board[RAISED] != k + 1 and board[GIVEN_UP] == 0:
            clock_ns(room)
        found[k, 2] = decide_order(s, now)
        found[k, 3] = control["refused"] - before


def pinned(processor: int, run: Any) -> threading.Thread:
    """A thread that does `run` on one processor."""

    def work() -> None:
        os.sched_setaffinity(0, {processor})
        run()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def measure(raises: int) -> dict[str, Any]:
    """Delays in ns, what the gate said, and how often each loop lost its processor."""
    engine = engine_with([])
    intent_nb(engine.core["intents"][0], 0, 0, c.BUY, QTY, c.FOR_ENTRY, 0, 0)
    assert engine.inst[0]["mark"] == PRICE
    board, lost = np.zeros(64, np.int64), np.zeros(raises, np.int64)
    stamps, found = np.zeros(raises, np.int64), np.zeros((raises, 5), np.int64)
    rooms = np.zeros((2, 64), np.int64)
    here = sorted(os.sched_getaffinity(0))
    loops = (
        lambda: judge_many(engine.core, board, stamps, found, rooms[0], START),
        lambda: raise_many(engine.core, board, stamps, lost, rooms[1]),
    )
    threads = [pinned(here[k % len(here)], loops[k]) for k in range(2)]
    for thread in threads:
        thread.join()
    said = {names.reason(int(r)): int((found[:, 1] == r).sum()) for r in np.unique(found[:, 1])}
    control = engine.safety.control[0]
    return {
        "delay": found[:, 0] - stamps,
        "refused": bool(
            set(said) <= {names.reason(r) for r in (c.R_KILLED, c.R_NOT_ENABLED, c.R_MODE)}
            and (found[:, 2] == c.R_KILLED).all()
            and (found[:, 3] == 2).all()
        ),
        "said": said,
        "approved": int(control["approved"]),
        "raised": int(board[RAISED]),
        "lost": (lost > 0) | (found[:, 4] > 0),
        "processors": len(here),
    }


def shares(us: np.ndarray[Any, Any]) -> dict[str, float]:
    """Percentiles."""
    found = {f"p{q:g}": round(float(np.percentile(us, q)), 3) for q in (50, 99, 99.9)}
    return {"min": round(float(us.min()), 3), **found, "max": round(float(us.max()), 3)}


def main() -> int:
    """Run the benchmark."""
    parser = options(__doc__ or "")
    parser.add_argument("--raises", type=int, default=20_000)
    a = parser.parse_args()
    measure(200)  # compiled
    seen = measure(a.raises)
    delay = seen["delay"] / 1e3
    return finish(
        "flag_to_refusal",
        {
            "title": "(h) Flag to refusal, in the hot plane",
            "raises": a.raises,
            "flag_to_refusal_us": shares(delay),
            "flag_to_refusal_us_while_both_kept_their_processors": shares(delay[~seen["lost"]]),
            "above_the_goal": int((delay > GOAL_US).sum()),
            "raises_in_which_a_processor_was_lost": int(seen["lost"].sum()),
            "first_refusal_says": seen["said"],
            "orders_approved_between_raises": round(seen["approved"] / a.raises, 1),
            "goals": {"p99.9_us": GOAL_US},
            "parity": {
                "ok": seen["refused"]
                and seen["raised"] == a.raises
                and seen["processors"] >= 2
                and bool((delay > 0).all())
                and seen["approved"] > a.raises,
                "every_order_after_a_raise_is_refused": seen["refused"],
            },
        },
        save=a.save,
    )


if __name__ == "__main__":
    sys.exit(main())
