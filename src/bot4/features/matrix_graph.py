"""What stands in a feature matrix: columns made of bars, of slower bars, and of other columns.

Columns come in this order: features beside a reference and of funding, external series, features of bars,
features of slower bars, columns of columns, features of bars over longer windows. A column whose unit is a
price is written over the close; one in volume or value is written as a z-score: what was learnt at 10 000
holds at 100 000.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from bot4.features.cross_nb import CARRY_FIELDS, PAIR_FIELDS
from bot4.features.declare import BAR, Feature, bind
from bot4.features.library import declarations, get
from bot4.features.plan import run_feature

Z_WINDOW: Final = 240  # of columns that have a scale
FRAME_PART: Final = 0.5  # slower bars fill the matrix up to this part; columns of columns take the rest
MAX_PAIRS: Final = 50  # interactions, so that they do not explode


class Op(NamedTuple):
    """One feature, the columns it reads and the columns it writes ("" for an output that is not kept)."""

    feature: Feature
    sources: tuple[str, ...]
    outputs: tuple[str, ...]


class Frame(NamedTuple):
    """Slower bars: name, length in s, features over them."""

    name: str
    seconds: float
    ops: tuple[Op, ...]


class Column(NamedTuple):
    """A column of the matrix: its name, feature, output, sources, frame and unit."""

    name: str
    feature: str
    output: int
    sources: tuple[str, ...]
    frame: str
    unit: str
    text: str


class Inputs(NamedTuple):
    """What is known beside open, high, low, close and volume."""

    bar_s: float = 60.0
    buys: bool = False  # buy volume and trades
    reference: bool = False
    funding: bool = False
    index_price: bool = False
    open_interest: bool = False
    series: tuple[str, ...] = ()  # external series, each with its age
    rank: bool = False  # ranks across instruments


class Graph(NamedTuple):
    """All columns of a matrix. `rows`: rows of a block, inputs first."""

    inputs: tuple[str, ...]
    levels: tuple[tuple[Op, ...], ...]  # those of one level need only earlier ones
    frames: tuple[Frame, ...]
    ranks: tuple[tuple[str, str], ...]  # column and what it ranks
    columns: tuple[Column, ...]
    rows: dict[str, int]


BAR_INPUTS: Final = BAR.fields
PAIR_INPUTS: Final = ("ts_close_s", "close", "volume", "ref_close", "ref_volume")
CARRY_INPUTS: Final = (
    "ts_close_s",
    "close",
    "index_price",
    "funding_rate",
    "next_funding_s",
    "period_s",
    "open_interest",
)
BUYS: Final = "buy volume and number of trades"
_FRAMES: Final = (("5m", 300.0), ("15m", 900.0), ("1h", 3600.0), ("4h", 14_400.0), ("1d", 86_400.0))
_ROUNDS: Final = (
    ("together_60", ""),  # the pairs
    ("rolling_20", "z"),
    ("lagged_1", "value"),
    ("place_60", ""),
    ("lagged_5", "change"),
    ("rolling_240", "z"),
    ("lagged_15", "change"),
    ("rolling_60", "mean"),
    ("lagged_60", "change"),
    ("rolling_60", "deviation"),
    ("place_240", ""),
    ("lagged_2", "value"),
    ("lagged_3", "value"),
    ("lagged_10", "value"),
    ("rolling_1440", "z"),
    ("place_1440", ""),
    ("lagged_30", "change"),
    ("lagged_240", "change"),
    ("rolling_240", "mean"),
    ("rolling_240", "deviation"),
)
_SCALED: Final = ("volume", "value", "price ", "log a root", "ratio a million")


def wave(n: int, buys: bool) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Bars of a plain wave, to see what a feature needs; buy volume and trades NaN unless `buys`."""
    t = np.arange(n, dtype=np.float64)
    close = 100.0 + 5.0 * np.sin(0.11 * t) + np.sin(1.7 * t) + 0.001 * t
    open_ = np.concatenate((close[:1], close[:-1]))
    volume = 10.0 + 4.0 * np.sin(0.7 * t)
    high = np.maximum(open_, close) + 0.1
    low = np.minimum(open_, close) - 0.1
    buy = volume * (0.5 + 0.3 * np.sin(0.9 * t)) if buys else np.full(n, math.nan)
    trades = np.full(n, 20.0 if buys else math.nan)
    return np.column_stack((open_, high, low, close, volume, 60.0 * t + 1.7e9, buy, trades))


@cache
def needs_buys(feature: Feature) -> tuple[bool, ...]:
    """For each output: whether it is known with buy volume and trades and never without."""
    n = 2 * feature.warmup + 400
    with_buys = run_feature(feature, wave(n, True))
    without = run_feature(feature, wave(n, False))
    return tuple(
        bool(np.isnan(a).all() and not np.isnan(b).all()) for a, b in zip(without.T, with_buys.T, strict=True)
    )


def bar_features(inputs: Inputs, longer: bool) -> Iterator[tuple[Feature, tuple[bool, ...]]]:
    """Every declared feature of bars and which outputs can be known; with `longer` also at 2 and 4 n."""
    for d in declarations().values():
        if d.inputs.name != BAR.name:
            continue
        found = [bind(d)]
        if longer and d.params and d.params[0].name == "n" and d.params[0].whole:
            for times in (2, 4):
                try:
                    found.append(bind(d, (d.params[0].default * times,)))
                except ValueError:
                    break  # beyond the feature's bounds
        for feature in found:
            known = [True] * len(feature.columns)
            if not inputs.buys:
                known = [not need for need in needs_buys(feature)]
            if any(known):
                yield feature, tuple(known)


def left_out(inputs: Inputs) -> dict[str, tuple[str, ...]]:
    """The columns that these inputs cannot give, by the input that is missing. Nothing missing: empty."""
    found: dict[str, tuple[str, ...]] = {}
    if not inputs.buys:
        whole = Inputs(buys=True)
        pairs = [(f, needs_buys(f)) for f, _ in bar_features(whole, longer=False)]
        found[BUYS] = tuple(c for f, needs in pairs for c, need in zip(f.columns, needs, strict=True) if need)
    for missing, known, names, _ in _beside(inputs):
        if not known:
            found[missing] = tuple(c for name in names for c in get(name).columns)
    return found


def _beside(given: Inputs) -> tuple[tuple[str, bool, tuple[str, ...], tuple[str, ...]], ...]:
    """Features beside bars: the input they need, whether it is known, their names, what they read."""
    return (
        (
            "a reference instrument",
            given.reference,
            ("ref_beta", "ref_beta_1440", "relative", "relative_1440"),
            PAIR_INPUTS,
        ),
        ("funding rates", given.funding, ("funding", "funding_90"), CARRY_INPUTS),
        ("index_price", given.index_price, ("basis", "basis_1440"), CARRY_INPUTS),
        ("open_interest", given.open_interest, ("open_interest", "open_interest_1440"), CARRY_INPUTS),
    )


class _Builder:
    """Collects columns until there are enough."""

    def __init__(self, inputs: Inputs, wanted: int) -> None:
        self.given = inputs
        self.wanted = wanted  # columns at the end of the stage that is being collected
        self.columns: list[Column] = []
        self.base: list[str] = []  # columns that others are made of
        self.levels: list[list[Op]] = [[], [], [], []]

    @property
    def full(self) -> bool:
        return len(self.columns) >= self.wanted

    def keep(self, op: Op, frame: str = "", units: bool = True) -> Op:
        """Keep the outputs of `op` while there is room; the op, with what is not kept left out."""
        kept = []
        for k, name in enumerate(op.outputs):
            if not name or self.full:
                kept.append("")
                continue
            d = op.feature.declaration
            unit = d.outputs[k].unit if units else "1"
            self.columns.append(Column(name, op.feature.name, k, op.sources, frame, unit, d.text))
            kept.append(name)
        return Op(op.feature, op.sources, tuple(kept))

    def add(self, level: int, op: Op) -> tuple[str, ...]:
        """Add an op all of whose named outputs are columns; the names that were kept."""
        kept = self.keep(op)
        names = tuple(n for n in kept.outputs if n)
        if names:
            self.levels[level].append(kept)
        return names

    def bars(self, longer: bool) -> None:
        """Features of bars: scale-free outputs as they are, the others through a second op."""
        done = {op.feature.name for op in self.levels[0]}
        for feature, known in bar_features(self.given, longer):
            if self.full:
                return
            if feature.name in done:
                continue
            raw, extra = _split(feature, known)
            op = self.keep(Op(feature, BAR_INPUTS, raw))
            self.base += [n for n in op.outputs if n]
            more = [self.add(1, e) for e in extra]
            self.base += [n for names in more for n in names]
            used = {e.sources[0] for e, names in zip(extra, more, strict=True) if names}
            outputs = tuple(
                n or (c if c in used else "") for n, c in zip(op.outputs, feature.columns, strict=True)
            )
            if any(outputs):
                self.levels[0].append(Op(feature, BAR_INPUTS, outputs))

    def others(self) -> None:
        """Features beside a reference and of funding, as far as their inputs are known."""
        for _, known, names, sources in _beside(self.given):
            for name in names if known else ():
                self.base += self.add(0, Op(get(name), sources, get(name).columns))

    def series(self) -> None:
        """External series: last known value, and its age in s."""
        for name in self.given.series:
            for column, unit in ((name, "as given"), (f"{name}_age_s", "s")):
                if not self.full:
                    text = "external series, joined by the time at which it was known"
                    self.columns.append(Column(column, "series", 0, (), "", unit, text))

    def frames(self) -> list[Frame]:
        """Features of slower bars. Their derived scale-free outputs are computed on the slower bars too."""
        found = []
        for name, seconds in _FRAMES:
            if self.full or seconds <= self.given.bar_s or seconds % self.given.bar_s:
                continue
            ops: list[Op] = []
            for feature, known in bar_features(self.given, longer=False):
                raw, extra = _split(feature, known)
                renamed = [_at(Op(feature, BAR_INPUTS, raw), name)]
                second = [_at(e, name) for e in extra]
                first = self.keep(renamed[0], name)
                after = [self.keep(e, name) for e in second]
                used = {e.sources[0] for e in after if any(e.outputs)}
                outputs = tuple(
                    n or (f"{c}@{name}" if f"{c}@{name}" in used else "")
                    for n, c in zip(first.outputs, feature.columns, strict=True)
                )
                if any(outputs):
                    ops += [Op(feature, BAR_INPUTS, outputs), *(e for e in after if any(e.outputs))]
            found.append(Frame(name, seconds, tuple(ops)))
        return found

    def derived(self) -> None:
        """Columns of columns, round by round: every base column gets the most useful ones first."""
        for round_, output in _ROUNDS:
            feature = get(round_)
            if round_.startswith("together"):
                for a, b in self.pairs():
                    self.add(2, Op(feature, (a, b), tuple(f"{a}__{b}__{c}" for c in feature.columns)))
                continue
            wanted = [o.name == output for o in feature.declaration.outputs]
            for source in self.base:
                if self.full:
                    return
                names = zip(feature.columns, wanted, strict=True)
                self.add(2, Op(feature, (source,), tuple(f"{source}__{c}" if w else "" for c, w in names)))

    def pairs(self) -> list[tuple[str, str]]:
        """Pairs of columns taken evenly from all kinds, at most MAX_PAIRS."""
        some = self.base[:: max(1, len(self.base) // 11)]
        return [(a, b) for i, a in enumerate(some) for b in some[i + 1 :]][:MAX_PAIRS]


def _at(op: Op, frame: str) -> Op:
    """The op with its outputs, and sources that are columns, named by the frame."""
    sources = tuple(s if s in BAR_INPUTS else f"{s}@{frame}" for s in op.sources)
    return Op(op.feature, sources, tuple(f"{n}@{frame}" if n else "" for n in op.outputs))


def _split(feature: Feature, known: tuple[bool, ...]) -> tuple[tuple[str, ...], list[Op]]:
    """Names of the outputs without scale, and the ops that take the scale from the others."""
    raw: list[str] = []
    extra: list[Op] = []
    for name, output, there in zip(feature.columns, feature.declaration.outputs, known, strict=True):
        if not there:
            raw.append("")
        elif output.unit == "price":
            raw.append("")
            extra.append(Op(get("over"), (name, "close"), (f"{name}__over_close",)))
        elif output.unit.startswith(_SCALED):
            raw.append("")
            z = get(f"rolling_{Z_WINDOW}")
            names = tuple(f"{name}__{c}" if c.startswith("rolling_z") else "" for c in z.columns)
            extra.append(Op(z, (name,), names))
        else:
            raw.append(name)
    return tuple(raw), extra


def plan_matrix(inputs: Inputs, columns: int) -> Graph:
    """The graph of a matrix with exactly `columns` columns; ValueError when so many cannot be made.

    Ranks across instruments, when asked for, take up to 16 of them.
    """
    reserved = min(16, columns // 20) if inputs.rank else 0
    build = _Builder(inputs, columns - reserved)
    build.others()
    build.series()
    build.bars(longer=False)
    build.wanted = min(columns - reserved, max(len(build.columns), int(FRAME_PART * columns)))
    frames = build.frames()
    build.wanted = columns - reserved
    build.derived()
    build.bars(longer=True)
    ranks = tuple((f"{name}__rank", name) for name in build.base[:reserved])
    for column, source in ranks:
        text = "rank of the column among the instruments known at this time, in [0, 1]"
        build.columns.append(Column(column, "rank", 0, (source,), "", "1", text))
    if len(build.columns) < columns:
        raise ValueError(f"{len(build.columns)} columns can be made of these inputs, not {columns}")
    names = _input_names(inputs)
    rows = {name: k for k, name in enumerate(names)}
    computed = [n for level in build.levels for op in level for n in op.outputs if n]
    joined = [n for f in frames for op in f.ops for n in op.outputs if n]
    for name in (*computed, *(n for n in joined), *(c for c, _ in ranks)):
        if name in rows:
            raise ValueError(f"two columns are called {name!r}")
        rows[name] = len(rows)
    levels = tuple(tuple(level) for level in build.levels if level)
    return Graph(names, levels, tuple(f for f in frames if f.ops), ranks, tuple(build.columns), rows)


def _input_names(inputs: Inputs) -> tuple[str, ...]:
    """Rows of a block that are given: bars, reference, carry, series and their ages."""
    names = [*BAR_INPUTS]
    if inputs.reference:
        names += ["ref_close", "ref_volume"]
    if inputs.funding or inputs.index_price or inputs.open_interest:
        names += ["index_price", "funding_rate", "next_funding_s", "period_s", "open_interest"]
    for name in inputs.series:
        names += [name, f"{name}_age_s"]
    return tuple(names)


assert len(PAIR_INPUTS) == len(PAIR_FIELDS)
assert len(CARRY_INPUTS) == len(CARRY_FIELDS)
