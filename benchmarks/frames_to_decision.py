"""(b) Raw frame bytes to decision, single core: bot4's parser and step against msgspec decoding alone.

    python benchmarks/frames_to_decision.py [--save]

The recorded file's lines lie in memory. One repeat takes them one frame at a time, as they would come from
a socket: parse (strict, exact integers), quality and sequence checks, book, order-book features, 1-second
bars, all bar features, votes, fusion, sizing, risk, gate, protection timer; orders go to the simulated
venue, whose work is inside the time too. Strategy: hybrid. A frame's time ends when everything
it caused has been decided.

Throughput is taken without a clock inside; the latency distribution in further repeats, with the system's
monotonic clock read before and after each frame from compiled code (its own cost is stated and included).

msgspec decodes the same frames one by one into typed structs (prices stay text), nothing more.
Parity: every price, quantity and id of every frame is equal in both.
"""

from __future__ import annotations

import ctypes
import gzip
import statistics
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numba import njit

from bot4.app import config
from bot4.engine import layout_nb as lay
from bot4.engine import loop_nb as loop
from bot4.engine.build import Plan, new_engine, new_simulator
from bot4.kernels.records import records
from bot4.market import binance_nb as parser
from bot4.model.events import EVENT_DTYPE, INPUT_DTYPE
from bot4.model.feature_layout_nb import N_BOOK, N_FEATURES
from bot4.model.instrument import Instrument
from bot4.research.session import no_strategy
from bot4.signals.ml.trees_nb import empty_model
from common import TICKS, Here, figures, finish, interleave, options, ratio

SHIFT = 1_273_156_851  # the recorder's clock, as the importer finds it, to a least latency of 1 ms
SETTINGS = ["strategy.name=hybrid", "bars.interval=1s", "fees.maker=2 bp", "fees.taker=5 bp"]

_gettime = ctypes.CDLL(None).clock_gettime
_gettime.argtypes = [ctypes.c_int, ctypes.c_void_p]
_gettime.restype = ctypes.c_int
_MONOTONIC = 1


@njit(nogil=True, error_model="numpy", _nrt=False)
def fold_frames(ctx, buf, starts, core, model, sim, scratch, cur, native, desk, took, watch):  # type: ignore[no-untyped-def]
    """Parse and fold every line of `buf` (frame k is buf[starts[k]:starts[k + 1]]); the number of frames.

    scratch: (events of a frame, item numbers, item times, no inputs, no outside events, one reply, two
    words for the clock). With `watch` took[k] is the time of frame k in ns.
    """
    out, items, stamps, inputs, outside, reply, ts = scratch
    s = core[0]
    count = starts.shape[0] - 1
    for k in range(count):
        begin = 0
        if watch:
            _gettime(_MONOTONIC, ts.ctypes)
            begin = ts[0] * 1_000_000_000 + ts[1]
        _, n = parser.parse_frames_nb(ctx, buf, starts[k], starts[k + 1], out, 0)
        for i in range(n):
            out[i]["ts_local"] += SHIFT
            stamps[i] = out[i]["ts_venue"]
        if n > 0:
            cur[loop.CU_LOCAL] = 0
            cur[loop.CU_EXCHANGE] = 0
            limit = out[n - 1]["ts_local"]
            while (
                loop.run_nb(
                    core,
                    model,
                    sim,
                    out,
                    n,
                    items[:n],
                    stamps[:n],
                    inputs,
                    outside,
                    limit,
                    cur,
                    reply,
                    native,
                    desk,
                )
                != loop.DONE
            ):
                for slot in (lay.N_RECORDED, lay.N_DECISIONS, lay.N_ORDERS, lay.N_EQUITY):
                    s["n"][slot] = 0
                cur[loop.CU_SENT] = 0
        if watch:
            _gettime(_MONOTONIC, ts.ctypes)
            took[k] = ts[0] * 1_000_000_000 + ts[1] - begin
    return count


@njit(nogil=True, error_model="numpy", _nrt=False)
def clock_cost(ts, n):  # type: ignore[no-untyped-def]
    """n pairs of clock readings; ns between the first and the last."""
    _gettime(_MONOTONIC, ts.ctypes)
    begin = ts[0] * 1_000_000_000 + ts[1]
    for _ in range(2 * n):
        _gettime(_MONOTONIC, ts.ctypes)
    return ts[0] * 1_000_000_000 + ts[1] - begin


class Frames:
    """The file's lines in memory."""

    def __init__(self, path: Path, limit: int | None = None) -> None:
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = text.split(b"\n")[:-1][:limit]
        self.buf = np.frombuffer(b"\n".join(lines) + b"\n", np.uint8).copy()
        self.starts = np.concatenate([[0], np.flatnonzero(self.buf == 10) + 1]).astype(np.int64)
        self.count = len(lines)
        self.json = [line.partition(b" ")[2] for line in lines]
        self.first = int(lines[0].partition(b" ")[0]) + SHIFT


def instrument() -> Instrument:
    """The recorded perpetual."""
    return Instrument(
        symbol="BTC-USDT-PERP",
        venue="binance-usdm",
        base="BTC",
        quote="USDT",
        kind="perp",
        tick=Decimal("0.1"),
        lot=Decimal("0.001"),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(1000),
        min_notional=Decimal(0),
        inferred=False,
    )


def fresh(frames: Frames) -> tuple[Any, ...]:
    """A new parser, engine and venue, and the arguments of `fold_frames` up to `took`."""
    settings = config.load(None, SETTINGS)
    plan = Plan((instrument(),), "hybrid", 10**9, False, 10**9, 10**9, frames.first - 1, 7)
    engine = new_engine(settings.values, plan, empty_model())
    sim = new_simulator(settings.values, plan)
    room = 4096
    scratch = (
        records(room, EVENT_DTYPE),
        2 * np.arange(room),
        np.zeros(room, np.int64),
        np.empty(0, INPUT_DTYPE),
        np.empty(0, EVENT_DTYPE),
        np.zeros(1, EVENT_DTYPE),
        np.zeros(2, np.int64),
    )
    cur = np.zeros(loop.N_CURSOR, np.int64)
    cur[loop.CU_SIM] = cur[loop.CU_TIMERS] = 1
    desk = tuple(np.zeros(size) for size in (N_FEATURES, N_BOOK, lay.N_CONTEXT, lay.N_MEMORY))
    context = parser.new_parser("BTCUSDT", 0, (1, 1), (3, 1))
    return (
        context,
        frames.buf,
        frames.starts,
        engine.core,
        engine.model,
        sim,
        scratch,
        cur,
        no_strategy(),
        desk,
    ), engine


class Ticker(msgspec.Struct, gc=False):
    """bookTicker."""

    u: int
    b: str
    B: str
    a: str
    A: str
    T: int


class Trade(msgspec.Struct, gc=False):
    """trade."""

    T: int
    t: int
    p: str
    q: str
    X: str
    m: bool


class Depth(msgspec.Struct, gc=False):
    """depthUpdate."""

    T: int
    U: int
    u: int
    pu: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


class Snapshot(msgspec.Struct, gc=False):
    """REST depth."""

    lastUpdateId: int  # noqa: N815 - the venue's name
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


def _wrapped(kind: type) -> Any:
    return msgspec.json.Decoder(msgspec.defstruct(f"Of{kind.__name__}", [("data", kind)], gc=False))


_TICKER, _TRADE, _DEPTH = _wrapped(Ticker), _wrapped(Trade), _wrapped(Depth)
_SNAPSHOT = msgspec.json.Decoder(Snapshot)


def decode_all(lines: list[bytes]) -> int:
    """Decode each line into its struct; the stream's name tells which."""
    ticker, trade, depth = _TICKER.decode, _TRADE.decode, _DEPTH.decode
    for line in lines:
        kind = line[19]
        if kind == 98:  # {"stream":"btcusdt@b...
            ticker(line)
        elif kind == 116:
            trade(line)
        elif kind == 100:
            depth(line)
        else:
            _SNAPSHOT.decode(line)
    return len(lines)


def _steps(text: str, step: str) -> int:
    return int(Decimal(text) / Decimal(step))


def plain_rows(lines: list[bytes]) -> list[tuple[int, ...]]:
    """(kind, id, price, qty, x, y) rows as msgspec reads them."""
    rows: list[tuple[int, ...]] = []
    for line in lines:
        kind = line[19]
        if kind == 98:
            d = _TICKER.decode(line).data
            row = (7, d.u, _steps(d.b, "0.1"), _steps(d.B, "0.001"))
            rows.append((*row, _steps(d.a, "0.1"), _steps(d.A, "0.001")))
        elif kind == 116:
            d = _TRADE.decode(line).data
            if d.X == "MARKET" and float(d.q) > 0:
                rows.append((5, d.t, _steps(d.p, "0.1"), _steps(d.q, "0.001"), int(d.m), 0))
        else:
            if kind == 100:
                d = _DEPTH.decode(line).data
                rows.append((1, d.u, 0, 0, d.U, d.pu))
                last, bids, asks = d.u, d.b, d.a
            else:
                found = _SNAPSHOT.decode(line)
                rows.append((2, found.lastUpdateId, 0, 0, 0, 0))
                last, bids, asks = found.lastUpdateId, found.bids, found.asks
            for side, levels in ((1, bids), (0, asks)):
                rows += [(3, last, _steps(p, "0.1"), _steps(q, "0.001"), side, 0) for p, q in levels]
    return rows


def parity(frames: Frames) -> dict[str, Any]:
    """Every number of every frame, as bot4's parser and as msgspec read it."""
    out = records(len(frames.buf) // 8 + 1, EVENT_DTYPE)
    context = parser.new_parser("BTCUSDT", 0, (1, 1), (3, 1))
    _, n = parser.parse_frames_nb(context, frames.buf, 0, len(frames.buf), out, 0)
    rows = out[:n]
    names = {1: 1, 2: 2, 3: 3, 5: 5}  # EV_DEPTH_HEAD, EV_SNAPSHOT_HEAD, EV_DEPTH, EV_TRADE
    kind = np.array([names.get(int(k), 7) for k in rows["kind"]])
    levels = (kind == 3) | (kind == 5)
    x = np.where(
        levels,
        (rows["flags"] & np.where(kind == 3, parser.c.FLAG_BID, parser.c.FLAG_BUYER_MAKER)) != 0,
        rows["x"],
    )
    ours = np.column_stack([kind, rows["seq"], rows["price"], rows["qty"], x, np.where(levels, 0, rows["y"])])
    theirs = np.array(plain_rows(frames.json), np.int64)
    equal = ours.shape == theirs.shape and bool(np.array_equal(ours, theirs))
    return {
        "ok": equal and int(context.counts[parser.s.P_FIRST_REJECT :].sum()) == 0,
        "rows": len(theirs),
        "rows_bot4": len(ours),
        "different": -1 if ours.shape != theirs.shape else int((ours != theirs).any(axis=1).sum()),
    }


def distribution(frames: Frames, repeats: int) -> dict[str, Any]:
    """Latency of a frame in microseconds: each percentile's median over the repeats."""
    shares = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}
    found: dict[str, list[float]] = {name: [] for name in shares}
    took = np.zeros(frames.count, np.int64)
    for _ in range(repeats):
        arguments, _ = fresh(frames)
        fold_frames(*arguments, took, True)
        for name, share in shares.items():
            found[name].append(float(np.percentile(took, share)) / 1e3)
    pairs = 200_000
    cost = clock_cost(np.zeros(2, np.int64), pairs) / pairs / 2
    middle = {name: round(statistics.median(values), 3) for name, values in found.items()}
    return {**middle, "p99_least": round(min(found["p99"]), 3), "clock_reading_ns": round(cost, 1)}


def main() -> int:
    """Run the benchmark."""
    options_of = options(__doc__ or "")
    options_of.add_argument("--frames", type=Path, default=TICKS)
    a = options_of.parse_args()
    frames = Frames(a.frames)
    equal = parity(frames)
    none = np.zeros(1, np.int64)
    out = records(len(frames.buf) // 8 + 1, EVENT_DTYPE)

    def parse(context: Any) -> int:
        return int(parser.parse_frames_nb(context, frames.buf, 0, len(frames.buf), out, 0)[1])

    def state(made: Any) -> dict[str, Any]:
        clock = made.clock
        return {
            "events": int(clock[lay.CK_POS]),
            "decisions": int(clock[lay.CK_DECISIONS]),
            "orders": int(clock[lay.CK_ORDERS]),
            "fills": int(clock[lay.CK_FILLS]),
        }

    def whole(made: tuple[Any, Any]) -> Any:
        fold_frames(*made[0], none, False)
        return made[1]

    ours = Here("bot4, frame to decision", lambda: fresh(frames), whole, state)
    parsing = Here("bot4, parser alone", lambda: parser.new_parser("BTCUSDT", 0, (1, 1), (3, 1)), parse)
    decoding = Here("msgspec, typed structs alone", lambda: frames.json, decode_all)
    decoding.version = msgspec.__version__
    rounds = interleave([ours, parsing, decoding], a.repeats)
    table = [figures(one, rounds[one.name], frames.count) for one in (ours, parsing, decoding)]
    table[0]["result"] = rounds[ours.name][-1]["result"]
    return finish(
        "frames_to_decision",
        {
            "title": "(b) Raw frame to decision, single core",
            "unit": "frame",
            "rows": table,
            "ratios_cpu": {
                f"bot4, frame to decision / {decoding.name}": ratio(table, ours.name, decoding.name),
                f"bot4, parser alone / {decoding.name}": ratio(table, parsing.name, decoding.name),
            },
            "latency_us": distribution(frames, a.repeats),
            "goals": {"frames a second": 1_000_000, "p99 us": 10},
            "parity": equal,
            "missing": [],
        },
        save=a.save,
    )


if __name__ == "__main__":
    sys.exit(main())
