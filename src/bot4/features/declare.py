"""What a streaming feature is: one declaration, from which registry, plan, batch, docs and tests come.

A feature is a step kernel `step(params, state, x, out) -> None` on four contiguous float64 vectors:
`params` are its constants, `state` its memory (zeros at first, unless `init` fills it), `x` the input row
and `out` its outputs, written at every step and NaN until warm. It costs O(1) or O(log n) a step.

A module of `bot4.features.catalogue` that holds a tuple FEATURES of declarations is found by itself.
"""

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

INF: Final = math.inf
Params = tuple[float, ...]
Size = Callable[[Params], int]


class Row(NamedTuple):
    """One kind of input row: its name and its fields in order."""

    name: str
    fields: tuple[str, ...]


BAR: Final = Row("bar", ("open", "high", "low", "close", "volume", "ts_close_s", "buy_volume", "trades"))
"""A closed bar: prices, volume in base units, close time in s since 1970 UTC; buy volume and number of
trades are NaN where unknown."""


class Param(NamedTuple):
    """One parameter: name, default and bounds (both inclusive); whole numbers unless `whole` is false."""

    name: str
    default: float
    low: float = 1.0
    high: float = 4096.0
    whole: bool = True


class Output(NamedTuple):
    """One output. The name "" means that it bears the feature's own name."""

    name: str = ""
    unit: str = "1"  # price, percent, ratio, volume, log, bars, flag, 1 (a pure number)
    low: float = -INF
    high: float = INF


class Declaration(NamedTuple):
    """One feature. `state` and `warmup` follow from the parameters.

    `warmup` is the number of rows needed for the first value: outputs are NaN for warmup - 1 rows. A
    `sparse` feature may be NaN afterwards too (`text` says when). `init(params, state)` fills the zeroed
    memory. `constants(params)` are precomputed numbers that the kernel finds behind the parameters.
    `check(params)` returns what is wrong with a combination of parameters, "" if nothing.
    """

    name: str
    group: str
    step: Any
    text: str
    source: str
    state: Size
    warmup: Size
    params: tuple[Param, ...] = ()
    outputs: tuple[Output, ...] = (Output(),)
    inputs: Row = BAR
    oracle: str = ""
    sparse: bool = False
    init: Callable[[Params, np.ndarray[Any, Any]], None] | None = None
    constants: Callable[[Params], Params] | None = None
    check: Callable[[Params], str] | None = None

    @property
    def defaults(self) -> Params:
        """The parameters' defaults."""
        return tuple(float(p.default) for p in self.params)


def number(value: float) -> str:
    """A parameter as it stands in a name: 14, 0.02."""
    return f"{value:.10g}"


class Feature(NamedTuple):
    """A declaration with its parameters fixed."""

    declaration: Declaration
    params: Params

    @property
    def name(self) -> str:
        """Base name and all parameters: `macd_12_26_9`."""
        return "_".join((self.declaration.name, *map(number, self.params)))

    @property
    def columns(self) -> tuple[str, ...]:
        """Full name of each output: `macd_12_26_9`, `macd_signal_12_26_9`, `macd_hist_12_26_9`."""
        tail = tuple(map(number, self.params))
        base = self.declaration.name
        return tuple("_".join((base, *([o.name] if o.name else []), *tail)) for o in self.declaration.outputs)

    @property
    def warmup(self) -> int:
        """Rows needed for the first value."""
        return int(self.declaration.warmup(self.params))

    @property
    def state_size(self) -> int:
        """Numbers of memory."""
        return int(self.declaration.state(self.params))

    @property
    def constants(self) -> np.ndarray[Any, Any]:
        """What the kernel gets as `params`: the parameters, then the precomputed numbers."""
        more = self.declaration.constants
        return np.array(self.params + (more(self.params) if more else ()), dtype=np.float64)

    def new_state(self) -> np.ndarray[Any, Any]:
        """The memory before the first row."""
        state = np.zeros(self.state_size)
        if self.declaration.init is not None:
            self.declaration.init(self.params, state)
        return state


def bind(declaration: Declaration, params: Params = ()) -> Feature:
    """Fix the parameters (the rest take their defaults); a ValueError names a wrong one and its bounds."""
    wanted = declaration.params
    if len(params) > len(wanted):
        names = ", ".join(p.name for p in wanted) or "none"
        raise ValueError(f"{declaration.name} takes {len(wanted)} parameters ({names}), not {len(params)}")
    full = params + declaration.defaults[len(params) :]
    for p, value in zip(wanted, full, strict=True):
        if not p.low <= value <= p.high:
            bounds = f"{number(p.low)} to {number(p.high)}"
            raise ValueError(f"{declaration.name}: {p.name} is {number(value)}; it must be {bounds}")
        if p.whole and value != int(value):
            raise ValueError(f"{declaration.name}: {p.name} is {number(value)}; it must be a whole number")
    wrong = declaration.check(full) if declaration.check else ""
    if wrong:
        raise ValueError(f"{declaration.name}: {wrong}")
    return Feature(declaration, full)
