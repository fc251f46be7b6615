"""Every setting once: name, unit, safe default, bounds, meaning.

The table is the schema of the TOML file, the source of `bot4 config show` and of the docs page.
Values carry their unit in the file ("2 %", "5 bp", "250ms", "100000 USDT").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from bot4.model.errors import ConfigError
from bot4.model.times import duration_ns, duration_text
from bot4.model.values import decimal_of, plain

Value = bool | int | float | str | Decimal


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `low` and `high` bound the parsed value (inclusive)."""

    name: str
    unit: str
    default: str
    about: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def parse(self, raw: object) -> Value:
        """Turn the file's value into a number; ConfigError names the setting, the value and the rule."""
        try:
            value = _PARSERS[self.unit](raw)
        except (ValueError, TypeError, ArithmeticError, ConfigError) as error:
            raise ConfigError(f"{self.name} = {raw!r}: {error}; write for example {self.default!r}") from None
        if self.choices and value not in self.choices:
            raise ConfigError(f"{self.name} = {raw!r}: choose one of {', '.join(self.choices)}")
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            if self.low is not None and value < self.low:
                raise ConfigError(f"{self.name} = {raw!r} is below the least allowed, {self.show(self.low)}")
            if self.high is not None and value > self.high:
                raise ConfigError(f"{self.name} = {raw!r} is above the most allowed, {self.show(self.high)}")
        return value

    def show(self, value: Value) -> str:
        """The value with its unit, as a person would write it."""
        if self.unit == "fraction":
            return f"{float(value) * 100:g} %"
        if self.unit == "rate":
            return f"{float(value) * 1e4:g} bp"
        if self.unit == "duration":
            return duration_text(int(value))
        if self.unit == "money":
            return f"{plain(Decimal(value))} (quote currency)"
        if self.unit == "size":
            return f"{plain(Decimal(value))} (base currency)"
        if self.unit == "flag":
            return "true" if value else "false"
        return f"{value:g}" if isinstance(value, float) else str(value) or "(empty)"


def _number(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise ValueError("need a number")
    value = float(raw)
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("need a finite number")
    return value


def _scaled(raw: object, units: dict[str, float], what: str) -> float:
    if isinstance(raw, str):
        text = raw.strip()
        for suffix, scale in units.items():
            if text.endswith(suffix):
                return _number(text[: -len(suffix)].strip()) * scale
        raise ValueError(f"need {what} with its unit")
    raise ValueError(f"need text with a unit ({', '.join(units)})")


def _fraction(raw: object) -> float:
    return _scaled(raw, {"%": 1e-2, "bp": 1e-4}, "a share")


def _money(raw: object) -> Decimal:
    if isinstance(raw, float):
        raise ValueError("need text or a whole number, exact")
    text = raw.strip().split(" ")[0].replace("_", "") if isinstance(raw, str) else raw
    return decimal_of(text, "money")


def _whole(raw: object) -> int:
    value = _number(raw)
    if value != int(value):
        raise ValueError("need a whole number")
    return int(value)


def _flag(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise ValueError("need true or false")
    return raw


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError("need text")
    return raw


def _duration(raw: object) -> int:
    return duration_ns(_text(raw))


_PARSERS: dict[str, Callable[[object], Value]] = {
    "number": _number,
    "whole": _whole,
    "fraction": _fraction,
    "rate": _fraction,
    "money": _money,
    "size": _money,
    "duration": _duration,
    "flag": _flag,
    "text": _text,
}

_S = Setting

SETTINGS: tuple[Setting, ...] = (
    _S("account.capital", "money", "100000 USDT", "equity at the start, in the quote currency", 100, 5e8),
    _S("strategy.name", "text", "hybrid", "hybrid, trend_cross, quoter, or FILE.py:Name"),
    _S("strategy.threshold", "fraction", "20 %", "least |fused score| that opens a position", 0.01, 1),
    _S("strategy.exit_threshold", "fraction", "10 %", "least opposite score that closes one", 0.0, 1),
    _S("strategy.time_stop", "whole", "240", "bars after which a position is closed", 1, 10**9),
    _S("strategy.fixed_size", "size", "0", "order size in base currency; 0: size by Kelly", 0, 1e9),
    _S("strategy.fast", "whole", "20", "trend_cross: bars of the fast mean", choices=()),
    _S("strategy.slow", "whole", "50", "trend_cross: bars of the slow mean"),
    _S(
        "bars.kind", "text", "time", "what closes a bar built from trades", choices=("time", "tick", "volume")
    ),
    _S(
        "bars.interval",
        "duration",
        "0s",
        "length of a time bar built from trades; 0s: by the data's span",
        0,
        86400 * 10**9,
    ),
    _S("bars.ticks", "whole", "100", "trades a tick bar", 1, 10**9),
    _S("bars.volume", "size", "10", "base currency a volume bar", 0, 1e12),
    _S("quoter.interval", "duration", "100ms", "time between two looks at the quotes", 10**6, 3600 * 10**9),
    _S("quoter.size", "size", "0.01", "base currency quoted on each side", 0, 1e9),
    _S("quoter.max_position", "size", "0.2", "inventory at which a side stops quoting", 0, 1e9),
    _S("quoter.skew_step", "size", "0.05", "inventory that moves a quote by one tick", 0, 1e9),
    _S("risk.kelly_fraction", "number", "0.25", "share of full Kelly (R1)", 0.0, 0.5),
    _S("risk.edge_haircut", "number", "0.5", "share of the estimated edge that is believed (R1)", 0.0, 1.0),
    _S("risk.min_edge_r", "number", "0.02", "least expected R-multiple after costs (R1)", 0.0, 10),
    _S(
        "risk.probability_slope",
        "number",
        "0.5",
        "win probability = 1 / (1 + target_r), what a driftless price gives, + slope x |score|",
        0.0,
        0.5,
    ),
    _S("risk.max_order", "fraction", "2 %", "order notional, of equity", 0.0, 1),
    _S("risk.max_position", "fraction", "2 %", "position notional, of equity (R1)", 0.0, 1),
    _S("risk.max_asset", "fraction", "5 %", "exposure to one asset, of equity (R4)", 0.0, 1),
    _S("risk.max_heat", "fraction", "25 %", "portfolio heat (R4)", 0.0, 10),
    _S("risk.max_open_risk", "fraction", "25 %", "equity at risk to the stops (R4)", 0.0, 1),
    _S("risk.max_leverage", "number", "1", "gross exposure over equity", 0.0, 3),
    _S(
        "risk.liquidation_distance",
        "fraction",
        "10 %",
        "an order that brings a position nearer to its liquidation, as a share of the mark, is refused (R6)",
        0.0,
        1,
    ),
    _S(
        "risk.maintenance",
        "fraction",
        "1 %",
        "maintenance margin of a perpetual, of notional, where the venue does not tell it",
        0.0001,
        0.5,
    ),
    _S("risk.drawdown_soft", "fraction", "15 %", "drawdown that halves sizes and reduces (R5)", 0.001, 1),
    _S("risk.drawdown_hard", "fraction", "20 %", "drawdown that flattens and stops (R5)", 0.001, 1),
    _S("risk.drawdown_day", "fraction", "10 %", "loss within 24 h that pauses (R5)", 0.001, 1),
    _S("risk.daily_loss", "fraction", "3 %", "loss since 00:00 UTC that pauses until the next day", 0.001, 1),
    _S(
        "risk.volatility_target",
        "fraction",
        "15 %",
        "annual volatility aimed at; scales sizes down (R8)",
        0.001,
        100,
    ),
    _S(
        "risk.assumed_volatility",
        "fraction",
        "100 %",
        "annual volatility assumed until it is measured",
        0.01,
        10,
    ),
    _S("risk.stop_atr", "number", "2", "stop distance in ATR (X8)", 0.1, 1e6),
    _S("risk.target_r", "number", "1.5", "target distance in multiples of the stop distance (X8)", 0.1, 1e6),
    _S("risk.emergency_stop", "fraction", "5 %", "stop distance is never larger than this (X8)", 0.001, 0.99),
    _S(
        "safety.max_order_value",
        "money",
        "10000 USDT",
        "absolute cap of one order, whatever else says",
        0,
        1e9,
    ),
    _S("safety.max_open_orders", "whole", "50", "working orders at once", 1, 1000),
    _S("safety.max_orders_per_second", "whole", "100", "new entry orders a second", 1, 10**6),
    _S(
        "safety.price_band", "fraction", "5 %", "largest distance of a limit price from the market", 0.0001, 1
    ),
    _S(
        "safety.max_fill_fee",
        "fraction",
        "0.5 %",
        "largest fee of a fill, of its notional; at least twice fees.taker is allowed; beyond it: pause (R7)",
        0.0001,
        1,
    ),
    _S("safety.cooldown", "duration", "5m", "least time before a mode may be lowered (S2)", 0, 86400 * 10**9),
    _S(
        "safety.reduce_share", "fraction", "25 %", "mode reduce: share of the position closed a step", 0.01, 1
    ),
    _S(
        "safety.reduce_interval",
        "duration",
        "5m",
        "mode reduce: time between two steps",
        10**9,
        86400 * 10**9,
    ),
    _S("safety.reduce_floor", "fraction", "50 %", "mode reduce: share of the position that stays", 0, 0.9),
    _S(
        "safety.unknown_after",
        "duration",
        "1m",
        "the result of an open position is not known for so long: mode Reduce, without selling",
        10**6,
        3600 * 10**9,
    ),
    _S("safety.protection_interval", "duration", "1s", "period of the protection timer", 10**6, 3600 * 10**9),
    _S(
        "safety.watchdog",
        "duration",
        "30s",
        "a loop that shows no life for so long raises the kill switch; more than safety.protection_interval",
        10**8,
        600 * 10**9,
    ),
    _S(
        "safety.memory_soft",
        "whole",
        "2048",
        "MiB of memory of a live run above which no new risk is taken (mode pause)",
        64,
        10**6,
    ),
    _S(
        "safety.memory_hard",
        "whole",
        "4096",
        "MiB of memory above which a live run ends in order; stops stay at the venue (S7)",
        64,
        10**6,
    ),
    _S(
        "safety.disk_floor",
        "whole",
        "256",
        "MiB free on the journal's disk below which a live run takes no new risk (mode pause)",
        0,
        10**9,
    ),
    _S("breaker.toxicity", "fraction", "60 %", "toxicity of the flow that stops new risk (S4)", 0.3, 0.99),
    _S("breaker.volume", "number", "20", "volume of 10 s, in multiples of the usual, that does", 3, 1000),
    _S("breaker.loss", "fraction", "5 %", "loss of one position, of equity, that does", 0.001, 0.5),
    _S("breaker.losing_streak", "whole", "20", "trades lost in a row that stop the strategy", 2, 1000),
    _S("breaker.escalate", "whole", "3", "openings in a day that open the breaker above", 1, 20),
    _S("breaker.timeout", "duration", "5m", "an open breaker is not tried before", 10**9, 86400 * 10**9),
    _S("breaker.probes", "whole", "1", "orders that a half-open breaker lets through", 1, 10),
    _S("breaker.latency", "duration", "800ms", "median round trip that stops new risk", 10**6, 60 * 10**9),
    _S(
        "breaker.error_rate", "fraction", "50 %", "rate of failed calls that does; tuned downwards", 0.05, 0.5
    ),
    _S(
        "quality.stale_after",
        "duration",
        "5s",
        "data older than this is not traded on (D3)",
        10**6,
        3600 * 10**9,
    ),
    _S("quality.outlier_sigmas", "number", "8", "robust sigmas that make a price an outlier (D3)", 1, 1e6),
    _S("quality.outlier_move", "fraction", "2 %", "and the least move that does", 0.0, 1),
    _S(
        "quality.confirm_move",
        "fraction",
        "20 %",
        "a jump of the price beyond this is acted upon only when a second source confirms it, or it stands",
        0.01,
        100,
    ),
    _S(
        "quality.confirm_time",
        "duration",
        "5s",
        "how old the second source may be; without one a price that stands for so long is taken as real",
        10**6,
        3600 * 10**9,
    ),
    _S("fees.maker", "rate", "2 bp", "maker fee, of notional; negative is a rebate", -0.01, 0.01),
    _S("fees.taker", "rate", "5 bp", "taker fee, of notional", 0.0, 0.05),
    _S(
        "fees.funding_substitute",
        "rate",
        "3 bp",
        "charged each period for which funding data is missing",
        0.0,
        0.05,
    ),
    _S(
        "fees.funding_interval", "duration", "8h", "funding period of perpetuals", 3600 * 10**9, 86400 * 10**9
    ),
    _S(
        "venue.latency",
        "text",
        "lognormal",
        "latency model of the simulated venue",
        choices=("constant", "lognormal"),
    ),
    _S("venue.entry_latency", "duration", "10ms", "median time from us to the venue", 0, 60 * 10**9),
    _S("venue.response_latency", "duration", "10ms", "median time from the venue to us", 0, 60 * 10**9),
    _S("venue.latency_sigma", "number", "0.5", "sigma of the log-normal latency", 0.0, 3),
    _S("venue.queue", "text", "risk_averse", "queue model", choices=("risk_averse", "probabilistic")),
    _S("venue.partial_fills", "flag", "true", "resting orders fill only with what trades beyond the queue"),
    _S("venue.half_spread", "rate", "1 bp", "bars: half the spread paid by a market order", 0.0, 0.05),
    _S("venue.impact", "rate", "10 bp", "bars: impact x sqrt(order / bar volume)", 0.0, 0.5),
    _S("venue.volume_share", "fraction", "10 %", "bars: share of a bar's volume that may fill us", 0.0001, 1),
    _S(
        "journal.fsync",
        "text",
        "commit",
        "when the journal is made durable",
        choices=("commit", "close", "never"),
    ),
    _S("journal.decisions", "text", "changes", "which decisions are journalled", choices=("changes", "all")),
    _S(
        "panel.profile",
        "text",
        "off",
        "stop button and lamps on GPIO pins (S1)",
        choices=("off", "rgb", "discrete"),
    ),
    _S(
        "alarm.channels",
        "text",
        "",
        "file with the addresses of alarm channels, one a line (apprise); empty: stderr only",
    ),
    _S("alarm.quiet", "duration", "1m", "the same alarm is sent once in this time", 0, 86400 * 10**9),
    _S(
        "alarm.escalate_after",
        "duration",
        "5m",
        "a critical alarm that nobody acknowledged goes to the second tier",
        10**9,
        86400 * 10**9,
    ),
    _S("alarm.heartbeat_url", "text", "", "asked regularly while a run is well; empty: no heartbeat"),
    _S("alarm.heartbeat", "duration", "1m", "period of the heartbeat", 10**9, 86400 * 10**9),
    _S(
        "api.listen",
        "text",
        "",
        "ADDRESS:PORT of the control API; empty: off; off this machine only with TLS (also --api)",
    ),
    _S("api.tls_cert", "text", "", "file with the certificate of the control API (PEM)"),
    _S("api.tls_key", "text", "", "file with its key (PEM, without pass phrase, readable by bot4 only)"),
    _S("api.hosts", "text", "", "further names by which the control API may be called, by commas"),
    _S(
        "egress.allow",
        "text",
        "",
        "what a live run may reach besides its venue and its alarm channels: HOST or HOST:PORT, by commas",
    ),
    _S("run.speed", "number", "180", "market seconds a second on paper (0: as fast as possible)", 0, 1e6),
    _S(
        "run.warmup",
        "duration",
        "3h",
        "synthetic market folded at once at the start, so that indicators are warm",
        0,
        86400 * 10**9,
    ),
    _S("live.owner", "text", "main", "whose orders these are: up to 8 letters and digits, in each client id"),
    _S(
        "live.reconcile_interval",
        "duration",
        "60s",
        "ledger and venue are compared this often, and after each lost stream",
        10**9,
        3600 * 10**9,
    ),
    _S(
        "live.snapshot_interval",
        "duration",
        "30s",
        "the state is written beside the journal this often, so that a restart is quick",
        10**8,
        3600 * 10**9,
    ),
    _S(
        "live.not_found_time",
        "duration",
        "30s",
        "for so long the venue must say that it has no such order before a lost one counts as never arrived",
        10**7,
        600 * 10**9,
    ),
    _S(
        "live.unknown_alarm",
        "duration",
        "30s",
        "an order of unknown outcome is told after so long",
        10**8,
        600 * 10**9,
    ),
    _S(
        "live.order_cap",
        "money",
        "100000 USDT",
        "no order of new risk is larger, whatever else is set; looked at again before the wire",
        1,
        1e9,
    ),
    _S(
        "live.funding_threshold",
        "rate",
        "1 bp",
        "an entry that would pay more funding than this waits until after the payment (E8)",
        0.000001,
        0.05,
    ),
    _S("live.turnover_cap", "money", "1000000 USDT", "new risk sent within live.turnover_time", 1, 1e12),
    _S("live.turnover_time", "duration", "1h", "window of live.turnover_cap", 10**9, 86400 * 10**9),
    _S(
        "live.leverage",
        "whole",
        "1",
        "leverage of each instrument at the venue: set, and read back; a backtest liquidates by it",
        1,
        125,
    ),
    _S(
        "live.margin",
        "text",
        "cross",
        "margin mode of each instrument at the venue: set, and read back; a backtest liquidates by it",
        choices=("cross", "isolated"),
    ),
    _S(
        "live.settle_time",
        "duration",
        "30s",
        "how long a restart waits for orders of unknown outcome before it goes on without entries there",
        10**9,
        600 * 10**9,
    ),
    _S(
        "live.wind_down",
        "duration",
        "15s",
        "how long an end waits for cancels and, after a kill, for the position to be closed",
        10**9,
        600 * 10**9,
    ),
    _S(
        "live.check_interval",
        "duration",
        "5s",
        "live orders, stops among them, are looked for at the venue this often",
        10**7,
        600 * 10**9,
    ),
    _S(
        "live.rules_interval",
        "duration",
        "5m",
        "the venue's filters are read anew this often; a changed contract, tick or lot stops new risk there",
        10**8,
        86400 * 10**9,
    ),
    _S(
        "live.dead_man",
        "duration",
        "0s",
        "the venue cancels the orders in its book when it hears nothing for so long; 0s: not used",
        0,
        3600 * 10**9,
    ),
    _S(
        "panic.slippage",
        "fraction",
        "3 %",
        "a fill so much worse than its decision trips the switch",
        1e-4,
        1,
    ),
    _S(
        "panic.stale_after",
        "duration",
        "500ms",
        "so long without anything from a market that is being quoted trips the switch",
        10**7,
        3600 * 10**9,
    ),
    _S("panic.spread_times", "number", "3", "a spread of so many times its median pauses the symbol", 1, 1e6),
    _S("panic.error_rate", "fraction", "10 %", "failed calls within 60 s that trip the switch", 0.001, 1),
    _S(
        "panic.latency",
        "duration",
        "1s",
        "median round trip within 10 s that trips the switch",
        10**6,
        3600 * 10**9,
    ),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}
