"""Bars in which a figure is planted: turning points joined by straight or bent runs of bars.

Every maker returns bars as BAR rows (n, 8) and the bar numbers of the turning points. Without noise the
turning points are the exact extremes of the bars.
"""

import numpy as np

Rng = np.random.Generator


def rows_of_closes(closes: np.ndarray, volume: float = 10.0) -> np.ndarray:
    """BAR rows whose opens are the closes before and which have no shadows."""
    opens = np.concatenate((closes[:1], closes[:-1]))
    n = len(closes)
    rows = np.empty((n, 8))
    rows[:, 0] = opens
    rows[:, 1] = np.maximum(opens, closes)
    rows[:, 2] = np.minimum(opens, closes)
    rows[:, 3] = closes
    rows[:, 4] = volume
    rows[:, 5] = 1_700_000_000.0 + 60.0 * np.arange(n)
    rows[:, 6] = 0.5 * volume
    rows[:, 7] = 5.0
    return rows


def joined(prices: list[float], bars: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Closes through the turning points, `bars[i]` bars from price i to i + 1; and the turning points' bars."""
    closes = [np.array(prices[:1])]
    for a, b, n in zip(prices[:-1], prices[1:], bars, strict=True):
        closes.append(a + (b - a) * np.arange(1, n + 1) / n)
    return np.concatenate(closes), np.concatenate(([0], np.cumsum(bars)))


def walk(n: int, seed: int, sigma: float = 0.002, steps: int = 8) -> np.ndarray:
    """A geometric random walk; each bar is made of `steps` moves, so it has shadows."""
    rng = np.random.default_rng(seed)
    fine = np.exp(np.cumsum(rng.normal(0.0, sigma / steps**0.5, n * steps))).reshape(n, steps) * 100.0
    rows = rows_of_closes(fine[:, -1], 10.0)
    rows[:, 1] = np.maximum(rows[:, 0], fine.max(axis=1))
    rows[:, 2] = np.minimum(rows[:, 0], fine.min(axis=1))
    rows[:, 4] = rng.lognormal(2.0, 1.0, n)
    return rows


# --- harmonic ------------------------------------------------------------------------------------------

BOXES = {
    "gartley": ((0.618, 0.618), (0.382, 0.886), (1.13, 1.618), (0.786, 0.786)),
    "butterfly": ((0.786, 0.786), (0.382, 0.886), (1.618, 2.618), (1.27, 1.27)),
    "bat": ((0.382, 0.5), (0.382, 0.886), (1.618, 2.618), (0.886, 0.886)),
    "crab": ((0.382, 0.618), (0.382, 0.886), (2.24, 3.618), (1.618, 1.618)),
    "deep_crab": ((0.886, 0.886), (0.382, 0.886), (2.0, 3.618), (1.618, 1.618)),
    "alternate_bat": ((0.382, 0.382), (0.382, 0.886), (2.0, 3.618), (1.13, 1.13)),
    "shark": ((0.382, 0.618), (1.13, 1.618), (1.618, 2.24), (0.886, 1.13)),
    "nen_star": ((0.382, 0.618), (1.414, 2.14), (1.128, 2.0), (1.272, 1.272)),
    "leonardo": ((0.5, 0.5), (0.382, 0.886), (1.128, 2.618), (0.786, 0.786)),
    "sea_pony": ((0.128, 3.618), (0.382, 0.5), (1.618, 2.618), (0.618, 3.618)),
    "white_swan": ((0.382, 0.724), (2.0, 4.237), (0.5, 0.886), (0.382, 0.886)),
}


def _five(name: str, rng: Rng) -> list[float]:
    """X, A, B, C, D of a bullish figure in units of XA with A - X = 1: drawn until all four ratios hold."""
    ab_box, bc_box, cd_box, ad_box = BOXES[name]
    while True:
        ab, bc, ad = rng.uniform(*ab_box), rng.uniform(*bc_box), rng.uniform(*ad_box)
        c = -ab + ab * bc
        cd = (ad + c) / (ab * bc)
        if cd_box[0] <= cd <= cd_box[1]:
            return [-1.0, 0.0, -ab, c, -ad]


def harmonic_points(name: str, rng: Rng) -> list[float]:
    """Turning points of a bullish figure (its last is a low), in units of its first leg."""
    if name == "cypher":
        ab, xc = rng.uniform(0.382, 0.618), rng.uniform(1.272, 1.414)
        return [-1.0, 0.0, -ab, xc - 1.0, xc - 1.0 - 0.786 * xc]
    if name == "abcd":
        while True:
            bc = rng.uniform(0.382, 0.886)
            k = rng.choice([1.0, 1.27, 1.618])
            if 1.13 <= k / bc <= 2.618:
                return [0.0, -1.0, bc - 1.0, bc - 1.0 - k]
    if name == "three_drives":
        a, b = rng.uniform(0.618, 0.786, 2)
        k1, k2 = rng.choice([1.27, 1.618], 2)
        d2 = k1 * a
        d3 = k2 * b * d2
        points = np.cumsum([0.0, -1.0, a, -d2, b * d2, -d3])
        return points.tolist()
    return _five(name, rng)


def harmonic_rows(name: str, side: int, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """A figure of legs of 8 to 20 bars between a leg that leads to it and the reversal that confirms it."""
    points = harmonic_points(name, rng)
    legs = np.abs(np.diff(points))
    size = 8.0 / legs.min()
    prices = [200.0 + side * size * p for p in points]
    lead = prices[0] + side * size * 2.0 * np.sign(points[1] - points[0]) * legs.max()
    back = prices[-1] + side * size * legs.max() * 0.9
    n = len(prices)
    bars = [40, *([12] * (n - 1) if name == "three_drives" else rng.integers(8, 20, n - 1).tolist()), 25]
    closes, at = joined([lead, *prices, back], bars)
    scale = 100.0 + abs(min(closes.min(), 0.0)) * 1.5
    return rows_of_closes(closes + scale), at[1:-1]


# --- Elliott -------------------------------------------------------------------------------------------


def impulse_points(rng: Rng, tolerance: float = 0.03) -> np.ndarray:
    """0 to 5 of an upward impulse in units of wave 1, at the guidelines' ratios give or take the tolerance."""

    def about(value: float) -> float:
        return value * rng.uniform(1.0 - tolerance, 1.0 + tolerance)

    w2 = about(rng.choice([0.5, 0.618]))
    w3 = about(1.618)
    w4 = about(0.382) * w3
    whole = 1.0 - w2 + w3
    w5 = about(1.0) if rng.random() < 0.5 else about(0.618) * whole
    return np.cumsum([0.0, 1.0, -w2, w3, -w4, w5])


def broken_impulse(rng: Rng) -> tuple[np.ndarray, str]:
    """An impulse with one hard rule broken, and which."""
    p = impulse_points(rng)
    rule = str(rng.choice(["second", "third", "fourth"]))
    if rule == "second":
        w3 = p[3] - p[2]
        p[2] = p[0] - rng.uniform(0.02, 0.3)
        p[3:] += p[2] + max(w3, 1.4) + 0.6 - p[3]
    elif rule == "third":
        w3 = rng.uniform(0.75, 0.95)
        p[2] = p[1] - rng.uniform(0.3, 0.4)
        p[3] = p[2] + w3
        p[4] = max(p[1] + 0.02, p[3] - 0.382 * w3)
        p[5] = p[4] + w3 * rng.uniform(1.1, 1.6)
    else:
        p[4] = p[1] - rng.uniform(0.02, 0.2)
        p[5] = p[4] + p[5] - p[3] + 0.6
    return p, rule


def elliott_rows(
    points: np.ndarray, side: int, rng: Rng, unit: float = 0.08
) -> tuple[np.ndarray, np.ndarray]:
    """The points (in units of wave 1, `unit` of price 100) with a lead and the reversal that confirms the last."""
    prices = (100.0 + side * 100.0 * unit * (points - points[0])).tolist()
    whole = abs(prices[-1] - prices[0])
    lead = prices[0] + side * 0.6 * whole
    back = prices[-1] - side * 0.4 * whole
    bars = [20, *rng.integers(6, 20, len(prices) - 1).tolist(), 20]
    closes, at = joined([lead, *prices, back], bars)
    return rows_of_closes(closes), at[1:-1]


# --- chart patterns ------------------------------------------------------------------------------------

CHARTS: dict[str, tuple[list[float], float]] = {
    # turning points in heights of the figure (a top's side), then where the break leads
    "head_and_shoulders": ([-1.0, 0.6, 0.0, 1.0, 0.0, 0.6], -1.0),
    "double_top": ([-1.2, 1.0, 0.0, 1.0], -1.0),
    "triple_top": ([-1.2, 1.0, 0.0, 1.0, 0.0, 1.0], -1.0),
    "ascending_triangle": ([-1.0, 1.0, 0.0, 1.0, 0.35, 1.0, 0.65], 2.0),
    "symmetric_triangle": ([-1.0, 1.0, 0.0, 0.85, 0.15, 0.7, 0.3], 1.6),
    "rising_wedge": ([-1.2, 0.5, -0.5, 0.75, 0.1, 1.0, 0.7], -0.8),
    "flag": ([-3.0, 1.0, 0.0, 0.8, -0.2], 2.5),
    "pennant": ([-3.0, 1.0, 0.0, 0.8, 0.25], 2.5),
    "rectangle": ([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0], 2.2),
    "channel": ([-0.5, 0.8, 0.3, 1.3, 0.8, 1.8, 1.3], -0.2),
    "broadening": ([0.2, 0.6, 0.3, 0.85, 0.0, 1.1, -0.25], 2.0),
}
MIRRORED = {
    "head_and_shoulders": "inverse_head_and_shoulders",
    "double_top": "double_bottom",
    "triple_top": "triple_bottom",
    "ascending_triangle": "descending_triangle",
    "rising_wedge": "falling_wedge",
    "cup_and_handle": "inverse_cup_and_handle",
    "rounding_bottom": "rounding_top",
}
BENT = ("cup_and_handle", "rounding_bottom")
CHART_NAMES = (*CHARTS, *BENT)


def _bent(name: str, rng: Rng, noise: float) -> np.ndarray:
    """Closes of a cup with its handle, or of a rounding bottom: a parabola between two rims."""
    n = int(rng.integers(50, 90))
    u = np.linspace(-1.0, 1.0, n)
    rim2 = 1.0 + rng.uniform(-noise, noise)
    bowl = u**2 + np.where(u > 0.0, (rim2 - 1.0) * u**2, 0.0)
    lead, _ = joined([-0.6, 1.0], [20])
    if name == "rounding_bottom":
        tail, _ = joined([rim2, 1.9], [int(rng.integers(10, 16))])
        return np.concatenate((lead, bowl[1:], tail[1:]))
    dip = rim2 - rng.uniform(0.35, 0.45)
    tail, _ = joined([rim2, dip, 2.2], [int(rng.integers(6, 9)), 16])
    return np.concatenate((lead, bowl[1:], tail[1:]))


def chart_rows(name: str, side: int, rng: Rng, noise: float = 0.1) -> tuple[np.ndarray, int]:
    """A planted chart pattern and the bar after which its break may be told.

    Noise: every turning point moves by up to noise / 2 of the height either way (`noise` from end to end),
    the legs take 9 to 15 bars, and every close between them moves by up to a quarter of that. `side` -1
    mirrors the figure. 40 bars of a small oscillation lead to it, so that the average range is known.
    """
    height = 12.0
    if name in BENT:
        body = _bent(name, rng, noise / 2)
        begin = 0
    else:
        points, end = CHARTS[name]
        moved = [p + rng.uniform(-noise / 2, noise / 2) for p in points]
        legs = rng.integers(9, 16, len(points)).tolist()
        if name in ("flag", "pennant"):
            legs = [12, *rng.integers(5, 8, len(points) - 2).tolist(), 14]
        else:
            legs[-1] = 18
        body, at = joined([*moved, end], legs)
        begin = int(at[-2])
    size = noise / 8 * (0.4 if name in ("flag", "pennant") else 1.0)
    body = body + rng.uniform(-size, size, len(body))
    lead = body[0] + 0.03 * np.sin(np.arange(40) * 1.3)
    closes = 200.0 + side * height * np.concatenate((lead, body))
    return rows_of_closes(closes), 40 + begin


def mirrored(name: str, side: int) -> str:
    """The name of a figure planted with this side."""
    return MIRRORED.get(name, name) if side < 0 else name
