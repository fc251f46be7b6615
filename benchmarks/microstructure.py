"""Do the measures find what was put in? Bias and spread from simulated data with known parameters.

    python benchmarks/microstructure.py [--runs N] [--save] [--docs]

Each row simulates N markets with a known parameter and gives the estimates' mean, bias and spread (both
over the true value). The second table times the features of the book and of trades, an event, compiled,
after the tests' parity. --docs writes the table into docs/microstructure.md between its markers.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from functools import cache

import numpy as np

from bot4.features.declare import Feature
from bot4.features.games.models import glosten_milgrom
from bot4.features.library import defaults, get
from bot4.features.micro import pin
from bot4.features.micro.queue_nb import fill_chance_nb
from bot4.features.plan import run_feature
from common import HERE, finish, options

sys.path.insert(0, str(HERE.parent / "tests"))
from helpers.feature_rows import MAKERS

DOCS = HERE.parent / "docs" / "microstructure.md"
START, END = "<!-- recovery: written by benchmarks/microstructure.py --docs -->", "<!-- end of recovery -->"
Draw = Callable[[np.random.Generator], float]


def bar_rows(
    open_: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    volume: np.ndarray,
    buy: np.ndarray,
) -> np.ndarray:
    n = len(close)
    return np.column_stack((open_, high, low, close, volume, 60.0 * np.arange(n), buy, np.ones(n)))


def trade_rows(
    price: np.ndarray, qty: np.ndarray, side: np.ndarray, mid: np.ndarray, half: float
) -> np.ndarray:
    return np.column_stack((1.0 * np.arange(len(price)), price, qty, side, mid - half, mid + half))


@cache
def pin_fitted(days: int, theta: tuple[float, ...], seed: int) -> pin.Pin:
    alpha, delta, mu, eb, es = theta
    rng = np.random.default_rng(seed)
    news, bad = rng.random(days) < alpha, rng.random(days) < delta
    return pin.fit(rng.poisson(eb + mu * (news & ~bad)), rng.poisson(es + mu * (news & bad)))


def pin_of(days: int, theta: tuple[float, ...], what: Callable[[pin.Pin], float]) -> Draw:
    return lambda rng: what(pin_fitted(days, theta, int(rng.integers(2**31))))


def roll_of(trades: int, spread: float, sigma: float) -> Draw:
    def draw(rng: np.random.Generator) -> float:
        mid = 1000.0 + np.cumsum(rng.normal(0, sigma, trades))
        side = rng.choice([-1.0, 1.0], trades)
        rows = trade_rows(mid + side * spread / 2, np.ones(trades), side, mid, spread / 2)
        name = f"roll_trades_{4000}"
        estimates = run_feature(get(name), rows)[4001::4000, 0]
        return float(math.sqrt((estimates**2).mean()))

    return draw


def corwin_schultz_of(spread: float, daily: float, ticks: int, floor: int, days: int = 240) -> Draw:
    """Their own simulation: a random walk within the day, bid or ask at each tick, high and low of what is seen."""

    def draw(rng: np.random.Generator) -> float:
        steps = rng.normal(0, daily / math.sqrt(ticks), (days, ticks))
        walk = np.exp(np.cumsum(steps.ravel()).reshape(days, ticks))
        seen = walk * (1 + rng.choice([-0.5, 0.5], walk.shape) * spread)
        rows = bar_rows(seen[:, 0], seen.max(1), seen.min(1), seen[:, -1], np.ones(days), np.ones(days))
        return float(run_feature(get(f"corwin_schultz_{days - 1}_0_{floor}"), rows)[-1, 0])

    return draw


def kyle_of(lam: float, noise: float, bars: int = 1441) -> Draw:
    def draw(rng: np.random.Generator) -> float:
        volume = rng.lognormal(2.0, 0.7, bars)
        buy = volume * rng.beta(2, 2, bars)
        close = 10_000.0 + np.cumsum(lam * (2 * buy - volume) + rng.normal(0, noise, bars))
        rows = bar_rows(close, close, close, close, volume, buy)
        return float(run_feature(get("kyle_lambda_1440_1000"), rows)[-1, 0])

    return draw


def vpin_of(informed: float, trades_a_bucket: int, size: str = "vpin") -> tuple[Draw, float]:
    """Trades of one unit, a part `informed` of each bucket on one drawn side, the rest by coins; the exact mean."""
    buckets = 400
    planted = round(informed * trades_a_bucket)
    rest = trades_a_bucket - planted
    k = np.arange(rest + 1)
    weight = np.array([math.comb(rest, int(i)) for i in k], dtype=float) / 2.0**rest
    exact = float((weight * np.abs(planted + 2 * k - rest)).sum() / trades_a_bucket)

    def draw(rng: np.random.Generator) -> float:
        side = rng.choice([-1.0, 1.0], (buckets, trades_a_bucket))
        side[:, :planted] = rng.choice([-1.0, 1.0], (buckets, 1))
        n = side.size
        rows = trade_rows(np.full(n, 100.0), np.ones(n), side.ravel(), np.full(n, 100.0), 0.01)
        got = run_feature(get(f"vpin_{trades_a_bucket}_{buckets}"), rows)
        return float(got[-1, 0])

    return draw, exact


def belief_spread(rng: np.random.Generator) -> float:
    """The half-spread of a Glosten-Milgrom maker at even odds; exact, no chance."""
    q = glosten_milgrom(0.5, 0.3, 90, 110)
    return q.ask - q.bid


def effective_of(half: float, impact: float) -> Draw:
    """Trades at half the spread from a mid that moves by `impact` in the trade's direction: the realised spread."""

    def draw(rng: np.random.Generator) -> float:
        n = 3000
        side = rng.choice([-1.0, 1.0], n)
        mid = 1000.0 + np.concatenate(([0.0], np.cumsum(impact * side + rng.normal(0, 0.02, n))[:-1]))
        rows = trade_rows(mid + side * half, np.ones(n), side, mid, half)
        return float(run_feature(get("trade_cost_2500_5_64"), rows)[-1, 1] * 1000)

    return draw


def fill_of(ahead: float, rate: float, size: float, horizon: float) -> tuple[Draw, float]:
    """Chance of a fill: the formula is the estimate, a simulated queue the truth."""
    rng = np.random.default_rng(0)
    n = rng.poisson(rate * horizon / (size / 2), 100_000)
    gone = rng.gamma(np.maximum(n, 1e-9), size / 2)
    return (lambda _: fill_chance_nb(ahead, rate, size, horizon)), float((gone >= ahead).mean())


def cases() -> list[tuple[str, str, float, Draw]]:
    """Measure, setting, true value, one estimate from a market drawn by chance."""
    found: list[tuple[str, str, float, Draw]] = []
    for days, scale in ((60, 1), (250, 1), (250, 1000)):
        theta = (0.4, 0.5, 40.0 * scale, 50.0 * scale, 50.0 * scale)
        about = f"{days} days, about {116 * scale:,} trades a day"
        found += [
            ("PIN", about, 16 / 116, pin_of(days, theta, lambda p: p.pin)),
            ("PIN: alpha", about, 0.4, pin_of(days, theta, lambda p: p.alpha)),
            ("PIN: mu", about, theta[2], pin_of(days, theta, lambda p: p.mu)),
            ("PIN: uninformed buys", about, theta[3], pin_of(days, theta, lambda p: p.buys)),
        ]
    found.append(("Roll", "100,000 trades, spread 1, noise 0.2 a trade", 1.0, roll_of(100_000, 1.0, 0.2)))
    found.append(("Roll", "100,000 trades, spread 1, noise 1 a trade", 1.0, roll_of(100_000, 1.0, 1.0)))
    for spread, ticks, floor in ((0.01, 390, 1), (0.01, 390, 0), (0.01, 5_000, 0), (0.002, 5_000, 0)):
        counted = "negatives as 0" if floor else "negatives as they are"
        about = f"spread {100 * spread:g} %, 3 % a day, {ticks:,} ticks a bar, {counted}"
        found.append(("Corwin-Schultz", about, spread, corwin_schultz_of(spread, 0.03, ticks, floor)))
    for noise in (5.0, 50.0):
        found.append(
            ("Kyle's lambda", f"0.5 a unit, noise {noise:g} a bar, 1,440 bars", 0.5, kyle_of(0.5, noise))
        )
    for informed in (0.0, 0.5):
        draw, exact = vpin_of(informed, 50)
        found.append(("VPIN", f"{informed:.0%} of each bucket on one side, 50 trades a bucket", exact, draw))
    found.append(
        (
            "realised spread",
            "half-spread 0.5, impact 0.04 a trade, seen 5 trades later",
            0.92,
            effective_of(0.5, 0.04),
        )
    )
    found.append(("Glosten-Milgrom spread", "prior 0.5, informed 0.3, value 90 or 110", 6.0, belief_spread))
    for ahead, rate, size, horizon in ((10.0, 2.0, 1.0, 6.0), (30.0, 4.0, 2.0, 8.0)):
        draw, exact = fill_of(ahead, rate, size, horizon)
        found.append(
            (
                "chance of a fill",
                f"{ahead:g} ahead, {rate:g} a s in lumps of {size:g}, {horizon:g} s",
                exact,
                draw,
            )
        )
    return found


def recovery(runs: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for measure, about, true, draw in cases():
        got = np.array([draw(np.random.default_rng(i)) for i in range(runs)])
        rows.append(
            {
                "measure": measure,
                "setting": about,
                "true": round(true, 6),
                "mean": round(float(got.mean()), 6),
                "bias": round(float(got.mean() / true - 1), 4),
                "spread": round(float(got.std() / true), 4),
                "runs": runs,
            }
        )
        print(f"{measure}, {about}: {rows[-1]['mean']} for {rows[-1]['true']}", file=sys.stderr)
    return rows


def once(feature: Feature, rows: np.ndarray) -> float:
    start = time.process_time_ns()
    run_feature(feature, rows)
    return (time.process_time_ns() - start) / len(rows)


def timings(repeats: int) -> list[dict[str, object]]:
    """CPU time an event of each feature of books and trades, compiled."""
    rows: list[dict[str, object]] = []
    for kind in ("book", "trade"):
        data = np.ascontiguousarray(np.tile(MAKERS[kind](4000, 1), (12, 1)))
        data[:, 0] = np.maximum.accumulate(data[:4000, 0].repeat(12)) if kind == "trade" else data[:, 0]
        for feature in defaults():
            if feature.declaration.inputs.name == kind:
                run_feature(feature, data[:100])
                best = min(once(feature, data) for _ in range(repeats))
                rows.append({"kind": kind, "feature": feature.name, "ns_an_event": round(best, 1)})
    return rows


def table(rows: list[dict[str, object]]) -> str:
    lines = [
        "| measure | setting | true | mean | bias | spread |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        bias, spread = f"{100 * float(r['bias']):+.1f} %", f"{100 * float(r['spread']):.1f} %"  # type: ignore[arg-type]
        lines.append(
            f"| {r['measure']} | {r['setting']} | {r['true']:g} | {r['mean']:.4g} | {bias} | {spread} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = options(__doc__ or "", repeats=5)
    parser.add_argument("--runs", type=int, default=40, help="simulated markets a row")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/microstructure.md")
    args = parser.parse_args()
    rows = recovery(args.runs)
    events = timings(args.repeats)
    slow = [r["feature"] for r in events if float(r["ns_an_event"]) >= 200]  # type: ignore[arg-type]
    if args.docs:
        text = DOCS.read_text()
        head, rest = text.split(START)
        DOCS.write_text(f"{head}{START}\n\n{table(rows)}\n\n{END}{rest.split(END)[1]}")
    document = {
        "title": "Microstructure: recovery of known parameters, time an event",
        "recovery": rows,
        "events": events,
        "goals": {"ns_an_event": 200, "reached": not slow, "slower": slow},
    }
    return finish("microstructure", document, save=args.save)


if __name__ == "__main__":
    sys.exit(main())
