"""The generative market shows the stylised facts of real ones, on fixed seeds with a margin.

Sources: Cont (2001), Lillo and Farmer (2004), Bouchaud, Mezard and Potters (2002). The numbers are those of
`benchmarks/stylised_facts.py`.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from bot4.venues.simulator.generative_nb import generate_nb

pytestmark = pytest.mark.skipif(
    not hasattr(generate_nb, "py_func"), reason="hours of market take too long without compilation"
)

SEEDS = (11, 12, 13)
HOURS = 2.0


@pytest.fixture(scope="module")
def table():
    path = Path(__file__).parents[2] / "benchmarks" / "stylised_facts.py"
    spec = importlib.util.spec_from_file_location("stylised_facts", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["stylised_facts"] = module
    try:
        spec.loader.exec_module(module)
        yield [module.facts(module.synthetic(HOURS, seed)) for seed in SEEDS]
    finally:
        del sys.modules["stylised_facts"]


def numbers(table, *names):
    """One row for each seed; the message of a failing assert shows them."""
    return np.array([[row[name] for name in names] for row in table])


@pytest.mark.parametrize(
    ("fact", "low", "high"),
    [
        ("annualised volatility", 0.30, 1.20),
        ("excess kurtosis 1 s", 1.0, 100.0),
        ("mean |acf r| 1 s, lags 1-20", 0.0, 0.06),
        ("mean |acf r| 5 s, lags 1-20", 0.0, 0.06),
        ("variance ratio 10 s", 0.85, 1.15),  # neither momentum nor reversal
        ("acf |r| 1 s, lag 10", 0.05, 0.6),
        ("acf |r| 1 s, lag 60", 0.02, 0.5),
        ("Hill index 1 s", 2.0, 6.0),
        ("spread mode", 1, 2),
        ("spread mean", 1.2, 4.0),
        ("spread mean, 2nd half / 1st", 0.6, 1.6),
        ("spread least", 1, 1),  # never crossed, never locked
        ("depth levels 5-10 / touch", 1.05, 5.0),
        ("depth bids / asks", 0.85, 1.15),
        ("acf trade sign, lag 1", 0.3, 0.9),
        ("acf trade sign, lag 10", 0.15, 0.8),
        ("acf trade sign, lag 100", 0.05, 0.6),
        ("corr(trade flow, same second's r)", 0.15, 0.95),
        ("corr(trade flow, next second's r)", -0.06, 0.06),  # flow is no free forecast
        ("tickers a second", 30, 400),
    ],
)
def test_the_fact_lies_in_its_range(table, fact, low, high):
    found = numbers(table, fact)[:, 0]
    assert ((found >= low) & (found <= high)).all(), f"{fact}: {found.round(4)} by seed, want [{low}, {high}]"


def test_returns_become_gaussian_with_the_horizon(table):
    found = numbers(table, "excess kurtosis 1 s", "excess kurtosis 10 s", "excess kurtosis 60 s")
    mean = found.mean(axis=0)
    long = numbers(table, "excess kurtosis 300 s")[:, 0]
    assert mean[0] > mean[1] > mean[2], f"by seed and horizon: {found.round(2)}"
    assert (long < found[:, 0] - 1.0).all(), f"300 s: {long.round(2)}, 1 s: {found[:, 0].round(2)}"


def test_memory_of_size_fades_slowly(table):
    found = numbers(table, "acf |r| 1 s, lag 1", "acf |r| 1 s, lag 10", "acf |r| 1 s, lag 60").mean(axis=0)
    assert found[0] > found[1] > found[2] > 0.25 * found[0], found.round(3)


def test_the_spread_is_skewed_to_the_right(table):
    found = numbers(table, "spread mode", "spread median", "spread mean", "spread 99 %")
    assert (found[:, 0] <= found[:, 1]).all(), found
    assert (found[:, 1] < found[:, 2]).all(), found
    assert (found[:, 3] > 2.5 * found[:, 2]).all(), found
