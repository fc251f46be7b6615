"""A run from its description: backtest, paper and replay are assembled here, the same way.

What a run is made of stands in the first block of its journal; a replay builds the same engine
from it and compares what comes out.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numba import cfunc

from bot4.engine import layout_nb as lay
from bot4.engine.build import Plan, Settings, new_engine, new_simulator
from bot4.engine.driver import Driver
from bot4.engine.live import LiveDriver
from bot4.engine.loop_nb import no_strategy_nb
from bot4.engine.state import Engine, state_hash
from bot4.kernels.jit_nb import JIT_OFF
from bot4.ledger.ledger_nb import conserved_nb, equity_nb, exposure_nb
from bot4.model import names
from bot4.model.codes_nb import MODE_NORMAL
from bot4.model.errors import JournalError, SafetyError, StrategyError
from bot4.model.events import EQUITY_DTYPE
from bot4.model.feature_layout_nb import FEATURE_NAMES
from bot4.model.times import instant_text
from bot4.ports import journal as port
from bot4.ports.journal import Journal
from bot4.research.bar_features import BarFeatures
from bot4.safety.scopes import Scopes
from bot4.signals.ml.artifact import load_model
from bot4.signals.ml.trees_nb import TreeModel, empty_model
from bot4.strategies.api import (
    SIGNATURE,
    Bar,
    BarContext,
    CompiledStrategy,
    History,
    Strategy,
    check_score,
    load_strategy,
)

Progress = Callable[[float, float, str], None]
BUILT_IN = ("hybrid", "trend_cross", "quoter")
FEATURE_INDEX = {name: k for k, name in enumerate(FEATURE_NAMES)}
NO_MODEL = "no model: the ML half abstains"

COSTS = ("fees.maker", "fees.taker", "fees.funding_substitute", "venue.half_spread", "venue.impact")


def nil_costs(settings: Settings) -> list[str]:
    """A warning for each cost that is set to nothing: results without it flatter."""
    return [
        f"{name} is set to 0: the results leave this cost out"
        for name in COSTS
        if float(settings[name]) == 0.0
    ]


_none: list[Any] = []


def no_strategy() -> Any:
    """The empty compiled strategy in the form that the loop takes."""
    if not _none:
        plain = getattr(no_strategy_nb, "py_func", no_strategy_nb)
        _none.append(plain if JIT_OFF else cfunc(SIGNATURE, cache=True)(plain))
    return _none[0]


@dataclass
class LoadedModel:
    """A trained model as the engine takes it, with where it came from."""

    trees: TreeModel
    sha256: str | None
    path: str | None

    @property
    def label(self) -> str:
        """One line for people."""
        return NO_MODEL if self.path is None else f"{self.path} (trees sha256 {str(self.sha256)[:12]})"


def load(path: Path | None) -> LoadedModel:
    """The model in `path`, or the empty one."""
    if path is None:
        return LoadedModel(empty_model(), None, None)
    trees, meta = load_model(path, FEATURE_INDEX)
    return LoadedModel(trees, meta.trees_sha256, str(path.resolve()))


@dataclass
class Chosen:
    """A strategy by name: built in, compiled, or a Python class."""

    spec: str
    code: str
    cold: Strategy | None
    compiled: CompiledStrategy | None
    sha256: str | None

    @property
    def native(self) -> Any:
        """What the loop calls."""
        return self.compiled.native if self.compiled is not None else no_strategy()


def choose(spec: str) -> Chosen:
    """The strategy that `spec` names: built in, or FILE.py:Name."""
    if spec in BUILT_IN:
        return Chosen(spec, spec, None, None, None)
    found = load_strategy(spec)
    file = Path(spec.rpartition(":")[0]).resolve()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    full = f"{file}:{spec.rpartition(':')[2]}"
    if isinstance(found, CompiledStrategy):
        return Chosen(full, "compiled", None, found, digest)
    return Chosen(full, "cold", found, None, digest)


@dataclass
class ColdCaller:
    """Calls a Python strategy at each bar's close with what it may know then."""

    strategy: Strategy
    engine: Engine
    plan: Plan
    data_dir: str | None
    histories: list[History] = field(default_factory=list)
    features: BarFeatures = field(init=False)

    def __post_init__(self) -> None:
        self.histories = [History() for _ in self.plan.instruments]
        self.features = BarFeatures(self.strategy.features, len(self.plan.instruments))
        self._call(lambda: self.strategy.on_start(self.data_dir))

    def _call(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except StrategyError:
            raise
        except Exception as error:
            name = type(self.strategy).__name__
            raise StrategyError(f"strategy {name} raised {type(error).__name__}: {error}") from error

    def observe(self, inst: int) -> tuple[Bar, np.ndarray[Any, Any]]:
        """Take the newest bar of `inst` into history and features, and ask nothing: (bar, features)."""
        row = self.engine.inst[inst]
        bar = Bar(
            int(row["bar_ts"]),
            float(row["open"]),
            float(row["high"]),
            float(row["low"]),
            float(row["close"]),
            float(row["volume"]),
        )
        self.histories[inst].add(bar)
        return bar, self.features.fold(inst, bar, self.engine.features.values[inst])

    def __call__(self, inst: int) -> float | None:
        """The strategy's score for the bar of `inst` that just closed."""
        e = self.engine
        row = e.inst[inst]
        bar, features = self.observe(inst)
        qty = int(e.ledger.positions[inst]["qty"])
        context = BarContext(
            instrument=self.plan.instruments[inst].symbol,
            now=int(e.clock[lay.CK_NOW]),
            bar=bar,
            position=qty * float(e.spec[inst]["lot_size"]),
            equity=equity_nb(e.ledger, e.spec) / 10.0**self.plan.money_exp,
            bars_held=int(row["bars"] - row["entry_bar"]) if qty else 0,
            data_dir=self.data_dir,
            _features=features,
            _index=self.features.index,
            _history=self.histories[inst],
        )
        return check_score(type(self.strategy).__name__, self._call(lambda: self.strategy.on_bar(context)))


def nobody(inst: int) -> None:
    """Observes nothing: a strategy that lives in the engine has seen the bar."""


@dataclass
class Session:
    """An assembled run."""

    engine: Engine
    driver: Driver
    plan: Plan
    meta: dict[str, Any]
    journal: Journal
    observe: Callable[[int], object]  # a bar that nothing is decided on, for the strategy's history

    @property
    def scopes(self) -> Scopes:
        """What of this run can be stopped by itself."""
        return Scopes.of([i.symbol for i in self.plan.instruments], self.meta)

    def money(self, units: int) -> float:
        """Money units as a number of quote currency."""
        return int(units) / 10.0**self.plan.money_exp

    def counts(self) -> dict[str, Any]:
        """What was folded and done so far."""
        e = self.engine
        account = e.ledger.account[0]
        refused = {names.reason(code): int(n) for code, n in enumerate(e.safety.refusals) if n > 0}
        return {
            "events": int(e.clock[lay.CK_POS]),
            "market_events": int(e.clock[lay.CK_MARKET]),
            "decisions": int(e.clock[lay.CK_DECISIONS]),
            "orders": int(e.safety.control[0]["approved"]),
            "fills": int(e.clock[lay.CK_FILLS]),
            "refused": refused,
            "quarantined": int(e.clock[lay.CK_QUARANTINED]),
            "liquidations": int(e.clock[lay.CK_LIQUIDATIONS]),
            "anomalies": int(e.clock[lay.CK_ANOMALIES]),
            "fees": self.money(account["fees"]),
            "funding": self.money(account["funding"]),
            "funding_substituted": int(e.clock[lay.CK_SUBSTITUTED]),
            "gap_loss": self.money(account["gap_loss"]),
            "ambiguous_bars": int(account["ambiguous"]),
            "mode": names.MODES[int(e.safety.control[0]["mode"])],
            "mode_reason": names.reason(e.safety.control[0]["mode_reason"]),
            "stopped": [str(raised.scope) for raised in self.scopes.raised(e.halts)],
        }

    def results(self) -> dict[str, Any]:
        """The counts and the money, after costs; every number from the ledger."""
        e = self.engine
        account = e.ledger.account[0]
        equity = equity_nb(e.ledger, e.spec)
        start = int(account["initial"])
        pnl = self.money(equity - start)
        return {
            **self.counts(),
            "pnl_net": pnl,
            "pnl_net_upper_bound": self.money(equity - start + int(account["ambiguous_diff"])),
            "return_net": (equity - start) / start if start else 0.0,
            "equity_start": self.money(start),
            "equity_end": self.money(equity),
            "decision_hash": f"{int(e.clock[lay.CK_HASH]):016x}",
            "state_hash": state_hash(e),
        }

    def stopped(self) -> list[str]:
        """A line for each thing that has stopped and did not resume."""
        control = self.engine.safety.control[0]
        parts = [
            f"{raised.scope} is stopped by a partial kill since {instant_text(raised.since)}"
            for raised in self.scopes.raised(self.engine.halts)
        ]
        if control["mode"] == MODE_NORMAL:
            return parts
        return [
            *parts,
            f"no new positions since {instant_text(int(control['mode_since']))}: mode "
            f"{names.MODES[int(control['mode'])]} because of {names.reason(control['mode_reason'])}",
        ]

    def liquidated(self) -> list[str]:
        """That the venue took positions over, if it did."""
        count = int(self.engine.clock[lay.CK_LIQUIDATIONS])
        if not count:
            return []
        return [f"{count} position(s) were liquidated: the margin was used up, and the loss is in the result"]

    def last_sample(self) -> np.ndarray[Any, Any]:
        """A point of the equity curve for this instant."""
        e = self.engine
        gross, net = exposure_nb(e.ledger, e.spec)
        row = np.zeros(1, EQUITY_DTYPE)
        row["ts"] = e.clock[lay.CK_NOW]
        row["equity"] = equity_nb(e.ledger, e.spec)
        row["cash"] = e.ledger.account[0]["cash"]
        row["exposure"], row["net"] = gross, net
        row["drawdown"] = e.risk.state[0]["drawdown"]
        row["price"] = e.inst[0]["mark"]
        row["mode"] = e.safety.control[0]["mode"]
        return row

    def end(self, limit: int, seconds: float, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Check the books, write the last block, close the journal; the results."""
        if not conserved_nb(self.engine.ledger):
            raise SafetyError(
                "the ledger does not balance: cash + cost + fees + funding - realised != initial"
            )
        self.journal.append(port.EQUITY, self.last_sample())
        summary = self.results()
        summary["events_per_second"] = round(summary["events"] / seconds, 1) if seconds > 0 else 0.0
        summary.update(extra)
        summary["warnings"] = [*summary.get("warnings", []), *self.liquidated(), *self.stopped()]
        self.journal.append(port.END, {"limit": limit, "summary": summary})
        self.journal.close()
        return summary


def assemble(
    meta: dict[str, Any],
    settings: Settings,
    plan: Plan,
    chosen: Chosen,
    model: LoadedModel,
    journal: Journal,
    *,
    inputs: np.ndarray[Any, Any] | None = None,
    keep_market: bool = False,
    engine: Engine | None = None,
) -> Session:
    """Engine, simulated venue and driver for a run; `inputs` makes it a replay.

    `engine` is one that was recovered; without it a new one is made, and `meta` is the journal's first block.
    """
    known = engine is not None
    if engine is None:
        engine = new_engine(settings, plan, model.trees)
    cold = None
    if chosen.cold is not None and inputs is None:
        data = meta.get("data") or {}
        cold = ColdCaller(chosen.cold, engine, plan, data.get("path"))
    recorded = meta.get("timers") == "recorded"
    sim = new_simulator(settings, plan)
    if recorded and inputs is None:
        driver: Driver = LiveDriver(engine, sim, journal, chosen.native, cold=cold)
    else:
        driver = Driver(
            engine,
            sim,
            journal,
            chosen.native,
            cold=cold,
            inputs=inputs,
            keep_market=keep_market,
            timers=not recorded,
        )
    if inputs is None and not known:
        journal.append(port.META, meta)
        journal.commit()
    return Session(engine, driver, plan, meta, journal, nobody if cold is None else cold.observe)


def describe(
    kind: str,
    settings_json: dict[str, str],
    plan: Plan,
    chosen: Chosen,
    model: LoadedModel,
    data: dict[str, Any],
) -> dict[str, Any]:
    """The first block of a journal."""
    return {
        "kind": kind,
        "settings": settings_json,
        "plan": plan.to_json(),
        "strategy": chosen.spec,
        "strategy_sha256": chosen.sha256,
        "model": {
            "path": model.path,
            "trees_sha256": model.sha256,
            "label": model.label,
        },
        "data": data,
        "pid": os.getpid(),
    }


def describe_live(meta: dict[str, Any], epoch: int, first_order: int) -> dict[str, Any]:
    """`meta` for a live run: timers are inputs of its fold, and client ids carry its epoch."""
    return {**meta, "kind": "live", "timers": "recorded", **epoch_block(epoch, first_order)}


def epoch_block(epoch: int, first_order: int) -> dict[str, Any]:
    """The block that begins an epoch: orders from number `first_order` on carry it in their client ids."""
    return {"epoch": epoch, "first_order": first_order, "pid": os.getpid()}


def strategy_of(meta: Mapping[str, Any]) -> Chosen:
    """The strategy a journal was made with; a compiled one must be unchanged, a cold one is not needed."""
    plan = meta["plan"]
    spec = str(meta["strategy"])
    if plan["strategy"] == "cold":
        return Chosen(spec, "cold", None, None, meta["strategy_sha256"])
    chosen = choose(spec)
    if chosen.sha256 != meta["strategy_sha256"]:
        raise JournalError(f"strategy {spec} has changed since the journal was written; restore it to replay")
    return chosen


def model_of(meta: Mapping[str, Any]) -> LoadedModel:
    """The model a journal was made with, unchanged."""
    stated = meta["model"]
    model = load(None if stated["path"] is None else Path(stated["path"]))
    if model.sha256 != stated["trees_sha256"]:
        raise JournalError(f"model {stated['path']} is not the one that the journal was written with")
    return model
