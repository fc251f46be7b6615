"""One home for conversions and for every shared calculation; no bare floats where money is counted."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "bot4"
MODULES = sorted(SRC.rglob("*.py"))
HOME = "model/values.py"


def short(path):
    return path.relative_to(SRC).as_posix()


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


# --- conversions ---------------------------------------------------------------------------------------

SCALING = {
    "quantize",
    "scaleb",
    "to_integral_value",
    "to_integral_exact",
    "to_integral",
    "as_tuple",
    "as_integer_ratio",
}
SCALING_ALLOWED = {
    HOME: "the home",
    "market/grid.py": "finds the grid of data of which nobody has told it",
    "engine/intake_bars.py": "finds the lot of data of which nobody has told it",
    "engine/intake_text.py": "rewrites the binary floats of old files as text, before they become steps",
    "storage/lake.py": "the common step of two parts of a data set",
    "venues/simulator/bank.py": "the simulated venue's own cent",
    "venues/served/candles.py": "what the served exchange writes on the wire",
    "venues/served/figures.py": "what the served exchange writes on the wire",
    "venues/served/market_data.py": "what the served exchange writes on the wire",
    "venues/served/standing.py": "what the served exchange writes on the wire",
    "venues/served/streams.py": "what the served exchange writes on the wire",
    "venues/served/usdm_account.py": "what the served exchange writes on the wire",
}


def scalings(module):
    """Calls by which a number becomes steps, or steps a number."""
    return {
        node.func.attr
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SCALING
    }


def test_numbers_become_steps_in_one_module():
    offenders = {short(p): found for p in MODULES if (found := scalings(tree(p)))}
    assert set(offenders) - set(SCALING_ALLOWED) == set()
    assert set(SCALING_ALLOWED) - set(offenders) == set()  # nothing allowed that is not needed


@pytest.mark.parametrize("text", ["x.quantize(y)", "Decimal(1).scaleb(-8)", "int(x.to_integral_value())"])
def test_the_walk_would_see_a_scaling(text):
    assert scalings(ast.parse(text))


# --- floats --------------------------------------------------------------------------------------------

EXACT = ("execution", "ledger", "venues/binance", "ports")
ALSO = ("safety/gate.py", "safety/gate_nb.py", "live/agreement.py", "engine/answers_nb.py", "model/values.py")
LENGTH_OF_TIME = {1e9, 4e9, 1e6, 1.0}
FLOATS_ALLOWED = {
    "execution/orders_nb.py": {
        "float": "a bound on a product that would not fit 64 bits, before it is formed"
    },
    "ledger/ledger_nb.py": {"float": "bounds on products and sums that would not fit 64 bits"},
    "safety/gate_nb.py": {"float": "a bound on a product that would not fit 64 bits, before it is formed"},
    HOME: {"float": "the home: the one place where a float becomes exact"},
}


def floats(module):
    """Where floats are made or reckoned with: `float`, `round`, or a float constant that is no length of time."""
    found = set()
    for node in ast.walk(module):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("float", "round")
        ):
            found.add(node.func.id)
        if isinstance(node, ast.BinOp):
            for side in (node.left, node.right):
                constant = isinstance(side, ast.Constant) and isinstance(side.value, float)
                if constant and side.value not in LENGTH_OF_TIME:
                    found.add(ast.unparse(node))
    return found


def exact_modules():
    return [p for p in MODULES if short(p).startswith(tuple(f"{e}/" for e in EXACT)) or short(p) in ALSO]


def test_money_is_never_reckoned_in_floats():
    offenders = {}
    for path in exact_modules():
        found = floats(tree(path)) - set(FLOATS_ALLOWED.get(short(path), {}))
        if found:
            offenders[short(path)] = found
    assert offenders == {}
    assert [n for n, allowed in FLOATS_ALLOWED.items() if set(allowed) - floats(tree(SRC / n))] == []


@pytest.mark.parametrize(
    "text", ["float(price) * 2", "round(qty)", "fee = 0.001 * notional", "x = price * 1.5"]
)
def test_the_walk_would_see_a_float(text):
    assert floats(ast.parse(text))


# --- shared calculations -------------------------------------------------------------------------------

SHARED = {
    "exponential average": (r"ema_nb", {"features/window_nb.py"}),
    "EWMA volatility": (r"ewma_step_nb", {"features/pace/volatility_nb.py"}),
    "GARCH": (r"garch_\w*step_nb", {"features/pace/volatility_nb.py"}),
    # the last line of one formula: from sums of a window of bars, and from a ring of pairs about their first
    "correlation": (
        r"correlation_nb",
        {"features/catalogue/statistics_nb.py", "features/micro/windows_nb.py"},
    ),
    "PIN": (r"fit_pin|pin_of|pin_counts_step_nb", {"features/micro/flow_nb.py", "research/feature_fits.py"}),
    "Nash equilibrium": (r"nash", {"features/games/solve.py"}),
    "Kelly": (r"_?kelly\w*", {"risk/sizing_nb.py"}),
    "breaker trip": (r"class Breaker", {"safety/breaker.py"}),
    "gap of a book's sequence": (r"class DepthSync", {"venues/depth_sync.py"}),
    "client order id": (r"client_order_id", {"safety/gate.py"}),
    "worst exposure": (r"worst_exposure", {"execution/tracked.py"}),
    "steps of a number": (r"steps_\w+|plain|plain_step|places|scaled", {HOME, "venues/served/figures.py"}),
    "money of a rate": (r"rate_of", {"kernels/fixed_nb.py"}),
}
"""What more than one layer needs, by how it is called, and where it may be defined."""


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_calculation_is_defined_once(name):
    pattern, homes = SHARED[name]
    found = set()
    for path in MODULES:
        for node in tree(path).body:
            told = node.name if isinstance(node, ast.FunctionDef) else f"class {getattr(node, 'name', '')}"
            if re.fullmatch(pattern, told):
                found.add(short(path))
    assert found == homes


def twins():
    """Functions with one body (names and text apart from the docstring the same), of some size."""
    seen = {}
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                if sum(1 for part in body for _ in ast.walk(part)) >= 30:
                    key = ast.dump(node.args) + ast.dump(ast.Module(body, []))
                    seen.setdefault(key, set()).add(f"{short(path)} {node.name}")
    return [sorted(places) for places in seen.values() if len(places) > 1]


TWINS_ALLOWED = [
    # a task that is cancelled and waited for; the classes share nothing else
    ["venues/binance/private_feed.py stop", "venues/simulator/venue.py close"],
]


def test_no_function_of_some_size_stands_twice():
    assert twins() == TWINS_ALLOWED
