"""Pattern features: parity, time a bar, what they find where it is planted, what they find in noise.

python benchmarks/patterns.py [--walks 100000] [--planted 1000] [--save]

Parity first: every candlestick rule equals TA-Lib on all bars, Ichimoku's lines equal whole windows; then
CPU time a bar over 100,000 bars of a random walk. Detection: figures planted by tests/helpers/planted.py.
Noise: random walks, one fresh memory each, so that a rate is a chance for one walk. Real bars: hourly
bars of one coin beside a random walk of as many bars with the same volatility. `--save` writes
results/patterns.json and the tables between the marks in docs/patterns.md.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from common import HERE, SHARED, finish, options

sys.path.insert(0, str(HERE.parent / "tests"))

from bot4.features.candles import RULES
from bot4.features.chart_patterns import SHAPES
from bot4.features.declare import Feature
from bot4.features.elliott import KIND_NAMES, past_counts
from bot4.features.elliott_rules_nb import N_KINDS, figure_nb
from bot4.features.harmonic import PATTERNS, names_of
from bot4.features.library import get
from bot4.features.pivots_nb import COUNT, ZIGZAG, newest_side_nb, zigzag_nb
from bot4.features.plan import run_feature
from bot4.kernels.jit_nb import kernel
from helpers import planted

TIMED = ("zigzag", "fractal_pivot", "market_structure", "levels", "ichimoku", "elliott", "harmonic", "candle",
         "chart", "volume_profile")  # fmt: skip
GOALS_NS = {"ichimoku": 1000, "elliott": 5000, "harmonic": 3000}
WALK_BARS = 300
PAGE = HERE.parent / "docs/patterns.md"
Table = dict[str, dict[str, float]]


def column(feature: Feature, name: str) -> int:
    return [o.name for o in feature.declaration.outputs].index(name)


def parity(rows: np.ndarray) -> dict[str, Any]:
    """Rules that differ from TA-Lib, and whether Ichimoku's lines differ from whole windows."""
    import talib

    out = run_feature(get("candle"), rows)
    prices = [np.ascontiguousarray(rows[:, k]) for k in range(4)]
    wrong = [
        rule.name
        for k, rule in enumerate(RULES)
        if (getattr(talib, rule.talib)(*prices)[rule.first :] != out[rule.first :, k]).any()
    ]
    lines = run_feature(get("ichimoku"), rows)
    for k, n in ((0, 9), (1, 26), (6, 52)):
        view = np.lib.stride_tricks.sliding_window_view
        middle = (view(rows[:, 1], n).max(axis=1) + view(rows[:, 2], n).min(axis=1)) / 2.0
        if not np.array_equal(lines[n - 1 :, k], middle):
            wrong.append(f"ichimoku {n}")
    return {"ok": not wrong, "wrong": wrong, "bars": len(rows)}


def times(rows: np.ndarray, repeats: int) -> dict[str, float]:
    """Least CPU nanoseconds a bar of each feature."""
    found = {}
    for name in TIMED:
        feature = get(name)
        run_feature(feature, rows[:100])
        best = float("inf")
        for _ in range(repeats):
            start = time.process_time_ns()
            run_feature(feature, rows)
            best = min(best, time.process_time_ns() - start)
        found[name] = round(best / len(rows), 1)
    return found


def harmonic_detection(n: int) -> Table:
    feature = get("harmonic_14_1")
    confirmed, fits, point = (column(feature, c) for c in ("confirmed", "fits", "point_d"))
    table: Table = {}
    for name in PATTERNS:
        seen = alone = right = 0
        for side in (1, -1):
            rng = np.random.default_rng(100 + side)
            for _ in range(n):
                rows, at = planted.harmonic_rows(name, side, rng)
                out = run_feature(feature, rows)
                hits = out[(out[:, confirmed] == 1.0) & (out[:, point] == rows[at[-1], 3])]
                names = names_of(int(hits[0, fits])) if len(hits) else ()
                seen += name in names
                if names == (name,):
                    alone += 1
                    right += PATTERNS[int(hits[0, 0]) - 1] == name
        table[name] = {"detected": seen / (2 * n), "alone": alone / (2 * n), "named": right / max(alone, 1)}
    return table


def elliott_detection(n: int) -> dict[str, Any]:
    feature = get("elliott")
    found: dict[str, Any] = {}
    for side in (1, -1):
        rng = np.random.default_rng(200 + side)
        right = 0
        for _ in range(n):
            rows, at = planted.elliott_rows(planted.impulse_points(rng), side, rng)
            state = feature.new_state()
            run_feature(feature, rows, state)
            right += any(
                (p.kind, p.side, p.first_bar, p.last_bar) == ("impulse", side, at[0], at[-1])
                for p in past_counts(state)
            )
        found["up" if side > 0 else "down"] = right / n
    rng = np.random.default_rng(203)
    accepted = 0
    for k in range(n):
        points, _ = planted.broken_impulse(rng)
        rows, _ = planted.elliott_rows(points, 1 - 2 * (k % 2), rng)
        state = feature.new_state()
        run_feature(feature, rows, state)
        accepted += any(p.kind == "impulse" for p in past_counts(state))
    found["broken_accepted"] = accepted
    return found


def chart_detection(n: int, noise: float) -> Table:
    """Recall of each shape, and its precision over all shapes planted."""
    feature = get("chart")
    told: Counter[str] = Counter()
    right: Counter[str] = Counter()
    recall: dict[str, float] = {}
    for name in planted.CHART_NAMES:
        for side in (1, -1):
            wanted = planted.mirrored(name, side)
            rng = np.random.default_rng(300)
            hits = 0
            for _ in range(n):
                rows, _ = planted.chart_rows(name, side, rng, noise)
                out = run_feature(feature, rows)
                names = [SHAPES[int(v)] for v in out[:, 0] if v > 0.0]
                told.update(names)
                right[wanted] += names.count(wanted)
                hits += wanted in names
            recall[wanted] = min(recall.get(wanted, 1.0), hits / n)
    return {k: {"recall": recall[k], "precision": right[k] / max(told[k], 1)} for k in recall}


@kernel
def _elliott_on_pivots_nb(rows: np.ndarray, s: np.ndarray, hits: np.ndarray, good: np.ndarray) -> int:
    pivots = 0
    for i in range(rows.shape[0]):
        if zigzag_nb(s, 0, float(i), rows[i], 0.005, 0.0) and s[COUNT] >= 12.0:
            pivots += 1
            for kind in range(1, N_KINDS + 1):
                score = figure_nb(s, 0, kind, newest_side_nb(s, 0), 0.03)
                hits[kind] += score >= 0.0
                good[kind] += score >= 0.8
    return pivots


def elliott_noise(rows: np.ndarray) -> Table:
    """Share of pivots at which the rules of each figure hold, and at which it scores 0.8 or more."""
    hits = np.zeros(N_KINDS + 1)
    good = np.zeros(N_KINDS + 1)
    pivots = _elliott_on_pivots_nb(rows, np.zeros(ZIGZAG), hits, good)
    return {
        name: {
            "rules": hits[k] / pivots,
            "bits": float(-np.log2(max(hits[k], 0.5) / pivots)),
            "score 0.8": good[k] / pivots,
        }
        for k, name in enumerate(KIND_NAMES)
        if k
    }


def walks_noise(walks: int) -> tuple[Table, Table, dict[str, float]]:
    """Chance that a random walk of WALK_BARS bars shows each pattern; harmonic, chart, and the sizes."""
    harmonic, chart = get("harmonic"), get("chart")
    confirmed, fits = column(harmonic, "confirmed"), column(harmonic, "fits")
    any_fit: Counter[str] = Counter()
    told: Counter[str] = Counter()
    shapes: Counter[str] = Counter()
    pivots = 0
    swings = get("zigzag")
    for seed in range(walks):
        rows = planted.walk(WALK_BARS, seed + 1_000_000, steps=4)
        out = run_feature(harmonic, rows)
        hits = out[out[:, confirmed] == 1.0]
        any_fit.update({n for mask in hits[:, fits] for n in names_of(int(mask))})
        told.update({PATTERNS[int(v) - 1] for v in hits[:, 0]})
        shapes.update({SHAPES[int(v)] for v in run_feature(chart, rows)[:, 0] if v > 0.0})
        if seed < 1000:
            pivots += int((run_feature(swings, rows)[:, 3] == 1.0).sum())
    first = {n: {"fits": any_fit[n] / walks, "told": told[n] / walks} for n in PATTERNS}
    second = {n: {"walk": shapes[n] / walks} for n in SHAPES[1:]}
    return first, second, {"walks": walks, "bars": WALK_BARS, "pivots": pivots / min(walks, 1000)}


def real_rates() -> dict[str, Any]:
    """Events per 1000 bars on hourly bars and on a random walk as long and as volatile."""
    path = SHARED / "data/ohlcv/binance_spot_1h/BTC_USDT.parquet"
    if not path.exists():
        return {}
    import polars

    frame = polars.read_parquet(path)
    rows = np.zeros((len(frame), 8))
    for k, name in enumerate(("open", "high", "low", "close", "volume")):
        rows[:, k] = frame[name].cast(polars.Float64).to_numpy()
    sigma = float(np.std(np.diff(np.log(rows[:, 3]))))
    sets = {"BTC, 1 h": rows, "random walk": planted.walk(len(rows), 77, sigma)}
    found: dict[str, Any] = {"bars": len(rows)}
    harmonic, chart = get("harmonic"), get("chart")
    for name, bars in sets.items():
        out = run_feature(harmonic, bars)
        codes = out[out[:, column(harmonic, "confirmed")] == 1.0, 0]
        events: dict[str, float] = {
            n: 1e3 * float((codes == k + 1).sum()) / len(bars) for k, n in enumerate(PATTERNS)
        }
        shapes = run_feature(chart, bars)[:, 0]
        events |= {n: 1e3 * float((shapes == k).sum()) / len(bars) for k, n in enumerate(SHAPES) if k}
        found[name] = events
        found[f"{name}, elliott"] = {k: v["rules"] for k, v in elliott_noise(bars).items()}
    return found


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if value >= 0.001 or value == 0 else f"{100 * value:.3f} %"


def tables(d: dict[str, Any]) -> str:
    """The tables of docs/patterns.md."""
    real = d["real"]
    ours, walk = real.get("BTC, 1 h", {}), real.get("random walk", {})

    def rate(source: dict[str, float], name: str) -> str:
        return f"{source[name]:.2f}" if name in source else "-"

    lines = ["### Time a bar", "", "| feature | ns | goal |", "| --- | ---: | ---: |"]
    lines += [f"| `{k}` | {v:,.0f} | {GOALS_NS.get(k, '')} |" for k, v in d["ns_a_bar"].items()]
    n = d["planted"]
    lines += ["", f"### Harmonic: {n} planted a pattern and side; {d['sizes']['walks']:,} random walks of "
              f"{WALK_BARS} bars", "",
              "| pattern | detected | only fit | then named right | walks that fit | walks told | BTC 1 h, per 1000 bars | walk |",
              "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for k, v in d["harmonic"].items():
        noise = d["harmonic_noise"][k]
        lines.append(
            f"| {k} | {_percent(v['detected'])} | {_percent(v['alone'])} | {_percent(v['named'])} | "
            f"{_percent(noise['fits'])} | {_percent(noise['told'])} | {rate(ours, k)} | {rate(walk, k)} |"
        )
    e = d["elliott"]
    lines += ["", f"### Elliott: {n} planted impulses a side: {_percent(e['up'])} up, {_percent(e['down'])} down; "
              f"of {n} with a broken rule {e['broken_accepted']} accepted", "",
              "| figure | rules hold at a random pivot | bits | with score 0.8 | BTC 1 h | walk as volatile |",
              "| --- | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for k, v in d["elliott_noise"].items():
        there, here = real.get("BTC, 1 h, elliott", {}), real.get("random walk, elliott", {})
        lines.append(
            f"| {k} | {_percent(v['rules'])} | {v['bits']:.1f} | {_percent(v['score 0.8'])} | "
            f"{_percent(there[k]) if there else '-'} | {_percent(here[k]) if here else '-'} |"
        )
    lines += ["", f"### Chart patterns: {n // 2} planted a shape and side, 10 % noise and 20 % noise", "",
              "| shape | recall | precision | recall, 20 % | precision, 20 % | random walks told | BTC 1 h, per 1000 bars | walk |",
              "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for k, v in d["chart"].items():
        rough = d["chart_20"][k]
        lines.append(
            f"| {k} | {_percent(v['recall'])} | {_percent(v['precision'])} | {_percent(rough['recall'])} | "
            f"{_percent(rough['precision'])} | {_percent(d['chart_noise'][k]['walk'])} | {rate(ours, k)} | {rate(walk, k)} |"
        )
    return "\n".join(lines) + "\n"


def write_page(text: str, page: Path) -> None:
    """Put the tables between the marks of the page."""
    head, _, rest = page.read_text().partition("<!-- rates -->\n")
    _, _, tail = rest.partition("<!-- end of rates -->\n")
    page.write_text(f"{head}<!-- rates -->\n\n{text}\n<!-- end of rates -->\n{tail}")


def main() -> int:
    parser = options(__doc__ or "")
    parser.add_argument("--walks", type=int, default=100_000)
    parser.add_argument("--planted", type=int, default=1000)
    chosen = parser.parse_args()
    rows = planted.walk(100_000, 5)
    same = parity(np.round(rows, 2))
    if not same["ok"]:
        return finish("patterns", {"title": "(g) patterns", "parity": same}, save=False)
    document: dict[str, Any] = {
        "title": "(g) pattern features: time a bar, detection, false positives",
        "parity": same,
        "planted": chosen.planted,
        "ns_a_bar": times(rows, chosen.repeats),
        "goals_ns": GOALS_NS,
        "harmonic": harmonic_detection(chosen.planted),
        "elliott": elliott_detection(chosen.planted),
        "chart": chart_detection(chosen.planted // 2, 0.1),
        "chart_20": chart_detection(chosen.planted // 2, 0.2),
        "elliott_noise": elliott_noise(planted.walk(1_000_000, 6)),
        "real": real_rates(),
    }
    document["harmonic_noise"], document["chart_noise"], document["sizes"] = walks_noise(chosen.walks)
    status = finish("patterns", document, save=chosen.save)
    if chosen.save and PAGE.exists():
        write_page(tables(document), PAGE)
    return status


if __name__ == "__main__":
    sys.exit(main())
