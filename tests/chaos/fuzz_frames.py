"""Mutated frames through the compiled parser, by the million: no crash, no accepted nonsense.

    python tests/chaos/fuzz_frames.py --frames 10_000_000 --seed 1

A block of good frames is damaged at random (bytes changed, removed, put in, lines cut and glued), parsed, and
what came out is held against invariants. Of the lines that the parser accepted, a sample is read again with
Python's `json` and `Decimal`: a record may say only what is written in its line. Prints one JSON document; a
finding stops the run, with the seed and the block that show it.
"""

import argparse
import json
import sys
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from frame_samples import rows, session

from bot4.market import scan_nb as s
from bot4.market.binance_nb import new_parser, parse_frames_nb
from bot4.model import codes_nb as c

NEWLINE = 10
KINDS = {c.EV_DEPTH_HEAD, c.EV_SNAPSHOT_HEAD, c.EV_DEPTH, c.EV_BOOK_TICKER, c.EV_TRADE}


class Finding(Exception):
    """The parser broke an invariant."""


def damaged(clean, rng, rate):
    """`clean` (u1) with about `rate` of its bytes changed, removed or put in; ends with a newline."""
    n = max(1, rng.poisson(len(clean) * rate))
    data = clean.copy()
    places = rng.integers(0, len(data), n)
    # changed: any byte, or one that means something to the parser
    telling = np.frombuffer(b'0123456789.-+eE"{}[],: \n\\tfNaN', np.uint8)
    values = np.where(rng.random(n) < 0.5, rng.integers(0, 256, n), rng.choice(telling, n)).astype(np.uint8)
    data[places] = values
    data = np.delete(data, rng.integers(0, len(data), max(1, n // 3)))
    at = np.sort(rng.integers(0, len(data), max(1, n // 3)))
    data = np.insert(data, at, rng.choice(telling, len(at)))
    for _ in range(max(1, n // 200)):  # a stretch is lost, as when a buffer is overwritten
        start = int(rng.integers(0, len(data)))
        data = np.delete(data, np.arange(start, min(len(data), start + int(rng.integers(1, 400)))))
    return np.append(data, np.uint8(NEWLINE))


def check_events(events):
    """What holds for every record, whatever the input."""
    if not set(np.unique(events["kind"]).tolist()) <= KINDS:
        raise Finding(f"kinds {np.unique(events['kind'])}")
    for name in ("ts_venue", "ts_local"):
        if (events[name] <= 0).any():
            raise Finding(f"{name} not positive")
    for name in ("price", "qty"):
        if (events[name] < 0).any():
            raise Finding(f"{name} negative")
    priced = events[np.isin(events["kind"], (c.EV_DEPTH, c.EV_TRADE))]
    if (priced["price"] == 0).any():
        raise Finding("a level or a trade at price 0")
    trades = events[events["kind"] == c.EV_TRADE]
    if (trades["qty"] == 0).any():
        raise Finding("a trade of nothing")
    if (events["instrument"] != 3).any() or (events["venue"] != 2).any():
        raise Finding("another instrument or venue")
    heads = np.isin(events["kind"], (c.EV_DEPTH_HEAD, c.EV_SNAPSHOT_HEAD))
    levels = events["kind"] == c.EV_DEPTH
    last = (events["flags"] & c.FLAG_LAST) != 0
    # a frame's last record closes it, so a level never follows a closed frame
    after = np.r_[False, last[:-1]]
    if (levels & after).any():
        raise Finding("a level outside a frame")
    if (heads & np.r_[False, (levels & ~last)[:-1]]).any():
        raise Finding("a frame begins before the last has ended")


def numbers_of(line):
    """Every number that is written in a line, as Decimal; strings that are numbers too."""
    found = set()
    for word in "".join(ch if ch in "0123456789." else " " for ch in line).split():
        try:
            found.add(Decimal(word))
        except InvalidOperation:
            continue
    return found


def check_line(raw):
    """An accepted line alone: each price and quantity stands in it, digit for digit."""
    parser = new_parser("BTCUSDT", 3, (1, 1), (3, 1), venue=2)
    out = rows(4096)
    buf = np.frombuffer(raw + b"\n", np.uint8)
    _, n = parse_frames_nb(parser, buf, 0, len(buf), out, 0)
    if parser.counts[s.P_OK] != 1:
        return False
    written = numbers_of(raw.decode("latin-1"))
    for event in out[:n]:
        kind = int(event["kind"])
        values = []
        if kind in (c.EV_DEPTH, c.EV_TRADE, c.EV_BOOK_TICKER):
            values += [Decimal(int(event["price"])) / 10, Decimal(int(event["qty"])) / 1000]
        if kind == c.EV_BOOK_TICKER:
            values += [Decimal(int(event["x"])) / 10, Decimal(int(event["y"])) / 1000]
        for value in values:
            if value not in written:
                raise Finding(f"{value} is not written in {raw!r}")
    return True


def fuzz(frames, seed, *, block=2000, rate=0.004, sample=0.002, progress=None):
    """Run until `frames` lines were parsed; what was found, as a dict."""
    rng = np.random.default_rng(seed)
    clean = np.frombuffer(session(block, seed=int(rng.integers(1 << 30)))[0], np.uint8)
    out = rows(len(clean) // 8 + 4096)
    counts = np.zeros(s.N_P, np.int64)
    done = checked = accepted = blocks = 0
    begin = time.perf_counter()
    while done < frames:
        blocks += 1
        data = damaged(clean, rng, float(rate * 4 ** rng.uniform(-1.5, 1)))
        parser = new_parser("BTCUSDT", 3, (1, 1), (3, 1), venue=2)
        try:
            pos, n = parse_frames_nb(parser, data, 0, len(data), out, 0)
            if pos != len(data):
                raise Finding(f"stopped at {pos} of {len(data)}")
            lines = int((data == NEWLINE).sum())
            if int(parser.counts.sum()) != lines:
                raise Finding(f"{lines} lines, {int(parser.counts.sum())} outcomes")
            check_events(out[:n])
            texts = data.tobytes().split(b"\n")[:-1]
            for k in np.flatnonzero(rng.random(len(texts)) < sample):
                accepted += check_line(texts[int(k)])
                checked += 1
        except Finding as finding:
            raise Finding(f"seed {seed}, block {blocks}: {finding}") from None
        counts += parser.counts
        done += lines
        if progress is not None:
            progress(done, frames, time.perf_counter() - begin)
    words = {
        k[2:].lower(): v
        for k, v in vars(s).items()
        if k.startswith("P_") and isinstance(v, int) and v < s.P_FULL
    }
    words.pop("first_reject", None)
    return {
        "frames": done,
        "seed": seed,
        "accepted": int(counts[s.P_OK]),
        "outcomes": {name: int(counts[v]) for name, v in words.items() if counts[v]},
        "lines_read_again": checked,
        "of_them_accepted": accepted,
        "findings": 0,
    }


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    def progress(done, total, seconds):
        left = seconds / done * max(0, total - done)
        print(f"\r{done:,} of {total:,} frames, {left:.0f} s left ", end="", file=sys.stderr, flush=True)

    found = fuzz(arguments.frames, arguments.seed, progress=progress)
    print(file=sys.stderr)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
