"""Strategies that whole-run tests name by file: honest ones, cheats and broken ones."""

import math

import polars as pl

from bot4.model.feature_layout_nb import F_RSI_14
from bot4.strategies.api import Strategy, compiled_strategy


class Momentum(Strategy):
    """Honest: follows the last ten closes, and the last closed hour."""

    def on_bar(self, bar):
        closes = [b.close for b in bar.bars()[-10:]]
        if len(closes) < 10:
            return None
        hours = bar.bars("1h")
        lean = 0.1 if hours and hours[-1].close > hours[-1].open else -0.1
        return max(-1.0, min(1.0, 200 * (closes[-1] / closes[0] - 1) + lean))


@compiled_strategy
def reversal(features, book, context, memory):
    """Honest and compiled: against the RSI; counts its calls in its memory."""
    memory[0] += 1.0
    rsi = features[F_RSI_14]
    if math.isnan(rsi):
        return math.nan
    return (50.0 - rsi) / 50.0


class AlwaysLong(Strategy):
    """Honest and stubborn: long at every bar."""

    def on_bar(self, bar):
        return 1.0


class Declared(Strategy):
    """Honest: asks for declared features, with parameters of its own, and trades on them."""

    features = ("supertrend_7_2", "hma_16", "bb_20_2.5", "rsi_9")

    def on_bar(self, bar):
        side, mean = bar.feature("supertrend_dir_7_2"), bar.feature("hma_16")
        if math.isnan(side) or math.isnan(bar.feature("bb_upper_20_2.5")):
            return None
        lean = (50.0 - bar.feature("rsi_9")) / 200.0
        return max(-1.0, min(1.0, lean + 0.7 * (side if (bar.bar.close > mean) == (side > 0) else -side)))


class WholeSeries(Strategy):
    """A cheat: normalises by the least and the greatest close of the whole series."""

    def on_start(self, data_dir):
        closes = pl.read_parquet(f"{data_dir}/parts/*.parquet").filter(pl.col("kind") == 6)["price"]
        self.low, self.high = closes.min() * 0.1, closes.max() * 0.1

    def on_bar(self, bar):
        return max(-1.0, min(1.0, 1 - 2 * (bar.bar.close - self.low) / (self.high - self.low)))


class PeekHour(Strategy):
    """A cheat: asks for the hour that is not over."""

    def on_bar(self, bar):
        return 0.5 if bar.bar_at("1h", bar.now).close > 0 else None


class PeekNext(Strategy):
    """A cheat: asks for the next bar of its own time frame."""

    def on_bar(self, bar):
        return 0.5 if bar.bar_at("15m", bar.now).close > bar.bar.close else -0.5


class Raises(Strategy):
    """Broken: divides by zero at the twentieth bar."""

    def on_bar(self, bar):
        return 1.0 / max(0, 20 - len(bar.bars()))


class Seven(Strategy):
    """Broken: answers 7."""

    def on_bar(self, bar):
        return 7


class Word(Strategy):
    """Broken: answers a word."""

    def on_bar(self, bar):
        return "buy"


class NotANumber(Strategy):
    """Answers NaN, which is no opinion."""

    def on_bar(self, bar):
        return math.nan


class BreaksAtStart(Strategy):
    """Broken: fails before the first bar."""

    def on_start(self, data_dir):
        raise RuntimeError("no licence")


@compiled_strategy
def does_not_compile(features, book, context, memory):
    """Broken: calls what is not there."""
    return no_such_name(features)  # noqa: F821


NOT_A_STRATEGY = 3
