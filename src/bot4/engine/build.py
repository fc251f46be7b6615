"""Assemble an engine and its simulated venue from settings, instruments and a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from bot4.engine import layout_nb as lay
from bot4.engine.records import BREAKERS_CONTROL_DTYPE, INST_DTYPE, PARAMS_DTYPE
from bot4.engine.state import Engine, engine_of, record_of
from bot4.execution.state import new_orders
from bot4.features.micro.toxicity_nb import FLOW_DTYPE
from bot4.features.registry import by_name
from bot4.features.state import full_mask, mask_for, new_book_features, new_features
from bot4.features.update_nb import start_nb
from bot4.ledger.state import new_ledger
from bot4.market.bars import new_bars
from bot4.market.book import new_book
from bot4.model.codes_nb import BK_LOSS, BK_STRATEGY, BK_TOXIC, BK_VOLUME
from bot4.model.errors import ConfigError, InstrumentError
from bot4.model.events import (
    DECISION_DTYPE,
    EQUITY_DTYPE,
    INPUT_DTYPE,
    INTENT_DTYPE,
    ORDER_DTYPE,
    RATE_SCALE,
    TRIP_DTYPE,
)
from bot4.model.explain_nb import N_EXPLAIN
from bot4.model.instrument import Instrument
from bot4.model.times import NS
from bot4.model.values import Rate, steps_down, unit_of
from bot4.quality.checks import new_quality
from bot4.risk.state import default_params, new_risk
from bot4.safety.breaker_nb import BREAKER_DTYPE
from bot4.safety.state import gate_params, new_halts, new_safety
from bot4.signals.ml.trees_nb import TreeModel
from bot4.signals.ta.votes_nb import N_VOTES
from bot4.venues.simulator.make import SimParams, new_sim
from bot4.venues.simulator.state_nb import MARGIN_CROSS, MARGIN_ISOLATED, SimState

Settings = Mapping[str, Any]
STRATEGIES = {
    "hybrid": lay.S_HYBRID,
    "trend_cross": lay.S_TREND_CROSS,
    "quoter": lay.S_QUOTER,
    "compiled": lay.S_COMPILED,
    "cold": lay.S_COLD,
}
RING = 4096
NEVER = 2**62
YEAR_NS = 365 * 86_400 * 10**9
MIN_MONEY_EXP = 8


@dataclass(frozen=True)
class Plan:
    """What a run is made of, besides the settings: all of it stands in the journal."""

    instruments: tuple[Instrument, ...]
    strategy: str  # a key of STRATEGIES
    bar_ns: int  # decision bar
    bars_recorded: bool  # the data holds bars, not frames
    timer_ns: int
    equity_ns: int
    start_ns: int
    seed: int

    @property
    def money_exp(self) -> int:
        """Decimal places of the account's money: fine enough for every instrument, exactly."""
        return max(MIN_MONEY_EXP, *(i.money_exp() for i in self.instruments))

    @property
    def currency(self) -> str:
        """The account's currency; ConfigError when the instruments disagree."""
        quotes = {i.quote for i in self.instruments}
        if len(quotes) != 1:
            raise ConfigError(
                f"one account holds one currency, the instruments are quoted in {sorted(quotes)}"
            )
        return quotes.pop()

    def to_json(self) -> dict[str, Any]:
        """A form that `from_json` reads back."""
        data = dict(vars(self))
        data["instruments"] = [i.to_json() for i in self.instruments]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote."""
        fields = dict(data)
        fields["instruments"] = tuple(Instrument.from_json(i) for i in fields["instruments"])
        return cls(**fields)


def money_units(amount: Decimal, exp: int, what: str) -> int:
    """`amount` in units of 10**-exp; ConfigError if it does not fit the account's arithmetic."""
    try:
        units = steps_down(amount, unit_of(exp), what)
    except InstrumentError:
        units = 2**61
    if abs(units) >= 2**61:
        raise ConfigError(f"{what} of {amount} is too large for instruments this fine (10^-{exp} per unit)")
    return units


def lots(amount: Decimal, instrument: Instrument) -> int:
    """`amount` of base currency in lots, rounded down."""
    return instrument.round_qty_down(amount).lots


def _params(settings: Settings, plan: Plan) -> np.ndarray[Any, Any]:
    row = np.zeros(1, PARAMS_DTYPE)
    p = row[0]
    first = plan.instruments[0]
    p["strategy"] = STRATEGIES[plan.strategy]
    p["threshold"] = settings["strategy.threshold"]
    p["exit_threshold"] = settings["strategy.exit_threshold"]
    p["time_stop"] = settings["strategy.time_stop"]
    p["fixed_size"] = lots(settings["strategy.fixed_size"], first)
    p["timer_ns"] = plan.timer_ns
    p["equity_ns"] = plan.equity_ns
    p["stale_ns"] = 0 if plan.bars_recorded else settings["quality.stale_after"]
    spread = 2 * settings["venue.half_spread"] if plan.bars_recorded else 0.0
    p["cost"] = 2 * settings["fees.taker"] + spread
    p["money"] = 10.0**-plan.money_exp
    p["impact"] = settings["venue.impact"] if plan.bars_recorded else 0.0
    p["bars_per_year"] = YEAR_NS / plan.bar_ns
    p["quote_ns"] = settings["quoter.interval"]
    p["quote_qty"] = lots(settings["quoter.size"], first)
    p["quote_max"] = lots(settings["quoter.max_position"], first)
    p["quote_skew"] = lots(settings["quoter.skew_step"], first)
    directional = plan.strategy in ("hybrid", "compiled", "cold")
    p["use_book"] = int(directional and not plan.bars_recorded)
    p["needs_book"] = int(not plan.bars_recorded)
    p["quality_stale_ns"] = NEVER if plan.bars_recorded else settings["quality.stale_after"]
    p["quality_sigmas"] = settings["quality.outlier_sigmas"]
    p["quality_jump"] = settings["quality.outlier_move"]
    p["quality_confirm"] = 3
    # a tariff that was set on purpose is no surprise
    p["max_fee_e8"] = round(max(settings["safety.max_fill_fee"], 2 * settings["fees.taker"]) * 1e8)
    p["gate_move"] = settings["quality.confirm_move"]
    p["gate_ns"] = settings["quality.confirm_time"]
    p["unknown_ns"] = 0 if plan.bars_recorded else settings["safety.unknown_after"]
    p["all_decisions"] = int(settings["journal.decisions"] == "all")
    p["escalate"] = settings["breaker.escalate"]
    p["reduce_share"] = max(1, round(settings["safety.reduce_share"] * 1e4))
    p["reduce_floor"] = round(settings["safety.reduce_floor"] * 1e4)
    p["reduce_ns"] = settings["safety.reduce_interval"]
    for column, key in (("fast", "strategy.fast"), ("slow", "strategy.slow")):
        if plan.strategy == "trend_cross":
            name = f"sma_{settings[key]}"
            if name not in by_name:
                known = ", ".join(sorted(n[4:] for n in by_name if n.startswith("sma_")))
                raise ConfigError(f"{key} = {settings[key]}: moving averages are kept over {known} bars")
            p[column] = by_name[name].index
    return row


def _mask(settings: Settings, plan: Plan) -> np.ndarray[Any, Any]:
    """The feature groups that the strategy needs; the directional ones vote with all of them."""
    if plan.strategy == "quoter":
        return mask_for("atr_14")
    if plan.strategy == "trend_cross":
        return mask_for(f"sma_{settings['strategy.fast']}", f"sma_{settings['strategy.slow']}", "atr_14")
    return full_mask()


def _risk_params(settings: Settings, exp: int) -> np.ndarray[Any, Any]:
    row = default_params()
    pairs = {
        "kelly_fraction": "risk.kelly_fraction",
        "edge_haircut": "risk.edge_haircut",
        "min_edge_r": "risk.min_edge_r",
        "prob_slope": "risk.probability_slope",
        "max_order": "risk.max_order",
        "max_position": "risk.max_position",
        "max_asset": "risk.max_asset",
        "max_heat": "risk.max_heat",
        "max_open_risk": "risk.max_open_risk",
        "max_leverage": "risk.max_leverage",
        "dd_soft": "risk.drawdown_soft",
        "dd_hard": "risk.drawdown_hard",
        "dd_day": "risk.drawdown_day",
        "daily_loss": "risk.daily_loss",
        "vol_target": "risk.volatility_target",
        "stop_atr": "risk.stop_atr",
        "target_r": "risk.target_r",
        "emergency_stop": "risk.emergency_stop",
        "min_distance": "risk.liquidation_distance",
        "leverage": "live.leverage",
    }
    for field, name in pairs.items():
        row[0][field] = float(settings[name])
    row[0]["isolated"] = float(settings["live.margin"] == "isolated")
    row[0]["prob_base"] = 1.0 / (1.0 + float(settings["risk.target_r"]))
    return row


def specs(settings: Settings, plan: Plan) -> np.ndarray[Any, Any]:
    """INSTRUMENT_DTYPE rows of the plan's instruments."""
    maker = Rate.of_float(settings["fees.maker"])
    taker = Rate.of_float(settings["fees.taker"])
    bar_ns = 0 if plan.bars_recorded else plan.bar_ns
    rows = [i.record(plan.money_exp, maker, taker, bar_ns) for i in plan.instruments]
    for row, instrument in zip(rows, plan.instruments):
        stated = instrument.maintenance
        row["maintenance"] = round((settings["risk.maintenance"] if stated is None else stated) * RATE_SCALE)
    return np.concatenate(rows)


def _breakers(settings: Settings, n: int) -> np.ndarray[Any, Any]:
    """The engine's breakers at rest: three an instrument, then the strategy's (see `breakers_nb`).

    A value that opened one lets it be tried again from four fifths of the threshold on, a loss from half.
    """
    rows = np.zeros(n * BK_STRATEGY + 1, BREAKER_DTYPE)
    rows["timeout"] = settings["breaker.timeout"]
    rows["probes"] = settings["breaker.probes"]
    rows["needed"] = 3
    rows["value"] = -np.inf
    for kind, key, part in (
        (BK_TOXIC, "breaker.toxicity", 0.8),
        (BK_VOLUME, "breaker.volume", 0.8),
        (BK_LOSS, "breaker.loss", 0.5),
    ):
        rows["high"][kind:-1:BK_STRATEGY] = settings[key]
        rows["low"][kind:-1:BK_STRATEGY] = part * settings[key]
    rows["high"][-1] = settings["breaker.losing_streak"]
    rows["value"][-1] = 0.0
    rows["low"][-1] = 0.0
    rows["needed"][-1] = 1  # one won trade
    return rows


def new_engine(settings: Settings, plan: Plan, model: TreeModel) -> Engine:
    """An engine at its start: trading enabled, flat, nothing folded."""
    n = len(plan.instruments)
    exp = plan.money_exp
    capital = money_units(settings["account.capital"], exp, "account.capital")
    spec = specs(settings, plan)
    params = _params(settings, plan)
    safety = new_safety(
        gate_params(
            money_units(settings["safety.max_order_value"], exp, "safety.max_order_value"),
            settings["safety.max_open_orders"],
            settings["safety.max_orders_per_second"],
            NS["s"],
            round(settings["safety.price_band"] * 1e4),
            max(1, settings["safety.cooldown"]),
        )
    )
    safety.control["enabled"] = 1
    safety.control["reconciled"] = 1  # a live session says first that it is not
    clock = np.zeros(lay.N_CLOCK, np.int64)
    clock[lay.CK_NOW] = plan.start_ns
    clock[lay.CK_TIMER] = (plan.start_ns // plan.timer_ns + 1) * plan.timer_ns
    kinds = {"time": 0, "tick": 1, "volume": 2}
    size = {
        "time": plan.bar_ns,
        "tick": settings["bars.ticks"],
        "volume": max(1, lots(settings["bars.volume"], plan.instruments[0])),
    }[settings["bars.kind"]]
    risk = new_risk(n, _risk_params(settings, exp), capital)
    risk.instr["sigma_year"] = settings["risk.assumed_volatility"]  # until it has been measured
    features = new_features(n)
    mask = _mask(settings, plan)
    for inst in range(n):
        start_nb(features.state[inst], mask)
    book, bars, quality = new_book(n), new_bars(n, kinds[settings["bars.kind"]], size), new_quality(n)
    flow, ledger, orders = new_book_features(n), new_ledger(n, capital), new_orders(n)
    core = record_of(
        {
            "clock": clock,
            "params": params,
            "spec": spec,
            "inst": np.zeros(n, INST_DTYPE),
            "sides": book.ladder.sides,
            "top": book.top,
            "pending": book.pending,
            "bars_rule": bars.rule,
            "bars_current": bars.current,
            "bars_closed": bars.closed,
            "quality_rows": quality.rows,
            "quality_levels": quality.levels,
            "quality_counts": quality.counts,
            "features": features.state,
            "book_state": flow.state,
            "book_values": flow.values,
            "votes": np.zeros((n, N_VOTES, 2)),
            "weights": np.ones(N_VOTES),
            "fused": np.full((n, lay.N_FUSED), np.nan),
            "explain": np.full((n, N_EXPLAIN), np.nan),
            "context": np.zeros((n, lay.N_CONTEXT)),
            "memory": np.zeros((n, lay.N_MEMORY)),
            "account": ledger.account,
            "positions": ledger.positions,
            "risk_params": risk.params,
            "risk_state": risk.state,
            "risk_instr": risk.instr,
            "risk_ring": risk.ring,
            "control": safety.control,
            "gate": safety.params,
            "refusals": safety.refusals,
            "halts": new_halts(n),
            "table": orders.table,
            "counts": orders.counts,
            "legs": orders.legs,
            "brackets": orders.brackets,
            "seen_id": orders.seen_id,
            "seen_seq": orders.seen_seq,
            "meta": orders.meta,
            "anomalies": orders.anomalies,
            "n": np.zeros(lay.N_OUT, np.int64),
            "intents": np.zeros(256, INTENT_DTYPE),
            "sent": np.zeros(RING, ORDER_DTYPE),
            "decisions": np.zeros(RING, DECISION_DTYPE),
            "curve": np.zeros(RING, EQUITY_DTYPE),
            "recorded": np.zeros(RING, INPUT_DTYPE),
            "due": np.zeros(n + 1, np.int64),
            "wake": np.zeros(n + 1, np.int64),
            "verdicts": np.zeros(32, np.int64),
            "flow": np.zeros(n, FLOW_DTYPE),
            "breakers": _breakers(settings, n),
            "breakers_control": np.zeros(1, BREAKERS_CONTROL_DTYPE),
            "trips": np.zeros(RING, TRIP_DTYPE),
            "ints": np.zeros(8, np.int64),
            "floats": np.zeros(8, np.float64),
            "levels": np.zeros((4, 5), np.int64),
        }
    )
    return engine_of(core, model)


def new_simulator(settings: Settings, plan: Plan) -> SimState:
    """The simulated venue for a plan."""
    return new_sim(
        len(plan.instruments),
        specs(settings, plan),
        SimParams(
            bars=plan.bars_recorded,
            entry_ns=settings["venue.entry_latency"],
            response_ns=settings["venue.response_latency"],
            latency_sigma=settings["venue.latency_sigma"]
            if settings["venue.latency"] == "lognormal"
            else 0.0,
            prob_queue=settings["venue.queue"] == "probabilistic",
            partial_fill=settings["venue.partial_fills"],
            half_spread_e8=Rate.of_float(settings["venue.half_spread"]).e8,
            impact=settings["venue.impact"],
            volume_share=settings["venue.volume_share"],
            margin=MARGIN_ISOLATED if settings["live.margin"] == "isolated" else MARGIN_CROSS,
            cash=money_units(settings["account.capital"], plan.money_exp, "account.capital"),
            leverage=settings["live.leverage"],
        ),
        plan.seed,
    )
