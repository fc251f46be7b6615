"""From anywhere in the package to a venue: every path goes through the gate and the desk. Bypasses found: 0.

The walk is over call sites, so a new one is seen when it is written, not when it is run.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from bot4.venues.binance.endpoints import SPOT, USDM

SRC = Path(__file__).parents[2] / "src" / "bot4"
SENDS = {"submit", "submit_oco", "amend"}
"""The methods of the venue port that can raise risk."""
POOLS = {"pool"}
"""Receivers whose `submit` is that of a pool of threads."""


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def functions(path):
    """(qualified name, node) of every function of a module; inner ones belong to their outer ones."""
    found = []

    def walk(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found.append((prefix + child.name, child))

    walk(tree(path), "")
    return found


@cache
def calls(path):
    """(function or "", name of what is called, its receiver's node or None, line) of every call of a module."""
    home = {}
    for name, node in functions(path):
        home |= dict.fromkeys((id(n) for n in ast.walk(node) if isinstance(n, ast.Call)), name)
    found = []
    for n in ast.walk(tree(path)):
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute):
            found.append((home.get(id(n), ""), n.func.attr, n.func.value, n.lineno))
        elif isinstance(n, ast.Call) and isinstance(n.func, ast.Name):
            found.append((home.get(id(n), ""), n.func.id, None, n.lineno))
    return found


def sites(root, names, but=()):
    """{module:function} where one of `names` is called, unless on a receiver that reads as one of `but`."""
    return {
        f"{path.relative_to(root).as_posix()}:{function}"
        for path in sorted(root.rglob("*.py"))
        if any(f"{name}(" in path.read_text(encoding="utf-8") for name in names)
        for function, name, receiver, _ in calls(path)
        if name in names and (receiver is None or ast.unparse(receiver) not in but)
    }


def test_a_venue_is_asked_to_take_an_order_in_a_few_places():
    """The desk's (one, a pair, in place of another), and the guard's, which can only close.

    The drill's venue and the fake one pass on what came.
    """
    found = sites(SRC, SENDS, POOLS)
    there = {
        site for site in found if site.startswith(("venues/served/", "venues/simulator/"))
    }  # the exchange itself
    assert found - there == {
        "execution/desk.py:Desk._submit",
        "execution/desk.py:Desk._submit_list",
        "execution/desk.py:Desk._amend",
        "execution/flatten.py:Flattener.close",
        "app/drill.py:Trap.submit",
        "ports/venue_fake.py:FakeVenue.amend",
    }


def test_the_desk_submits_only_what_a_lane_asked_and_a_lane_asks_only_what_was_sealed():
    assert sites(SRC, {"_submit"}) == {"execution/desk.py:Desk._carry_out"}
    text = (SRC / "execution/lane.py").read_text(encoding="utf-8")
    assert text.count("Verb.SUBMIT, now, t.client_id, t.order") == 1 == text.count("Ask(Verb.SUBMIT")
    assert sites(SRC, {"sealed", "triggered", "approve"}) == {
        "execution/desk.py:Desk.hand_over",
        "execution/lane.py:Lane._fire",
        "execution/flatten.py:Flattener.close",
    }


ADAPTERS = ("ports/venue.py", "ports/venue_fake.py", "venues/simulator/venue.py", "venues/binance/spot.py",
            "venues/binance/usdm.py")  # fmt: skip


def test_every_venue_takes_sealed_orders_and_nothing_else():
    for name in ADAPTERS:
        found = [f for f in functions(SRC / name) if f[0].rpartition(".")[2] in SENDS]
        assert {function.rpartition(".")[2] for function, _ in found} == SENDS
        for function, node in found:
            kinds = [ast.unparse(a.annotation) for a in node.args.args[1:]]
            assert "ApprovedOrder" in kinds and set(kinds) <= {"ApprovedOrder", "str", "Decimal"}, (
                name,
                function,
            )


def test_the_endpoints_that_place_orders_are_named_only_where_a_sealed_order_comes_in():
    placing = {key for table in (SPOT, USDM) for key, point in table.items() if point.orders}
    assert {"submit", "oco", "amend", "algo_submit"} == placing
    for path in (SRC / "venues" / "binance").rglob("*.py"):
        for name, node in functions(path):
            keys = {
                n.slice.value
                for n in ast.walk(node)
                if isinstance(n, ast.Subscript)
                and isinstance(n.slice, ast.Constant)
                and "table" in ast.unparse(n.value)
            }
            if keys & placing:
                assert name.rpartition(".")[2] in SENDS, f"{path.name}:{name} names {keys & placing}"


def test_only_adapters_and_the_served_exchange_speak_http():
    """A request that is made elsewhere would know no gate."""
    speaks = re.compile(r"^\s*(?:from|import) (?:aiohttp|requests|httpx|urllib|http|websockets|ccxt)\b", re.M)
    found = {
        p.relative_to(SRC).as_posix()
        for p in SRC.rglob("*.py")
        if speaks.search(p.read_text(encoding="utf-8"))
    }
    outside = {name for name in found if not name.startswith(("venues/binance/", "venues/served/"))}
    assert outside == set(ALLOWED_HTTP)


ALLOWED_HTTP = {
    "app/api/server.py",  # answers, and asks nobody
    "app/egress.py",  # parses addresses
    "safety/marker.py",  # makes a file's name of an account's
    "app/commands/trade.py",  # parses an address
    "app/drill_books.py",  # reads the drill exchange's account
    "app/soak.py",  # sets faults at the soak's exchange
    "monitoring/alarms.py",  # asks the heartbeat's address
}


# --- the hot plane --------------------------------------------------------------------------------------


def writes(node, field):
    """Whether the function assigns to ...["field"]... ."""
    for n in ast.walk(node):
        targets = (
            n.targets if isinstance(n, ast.Assign) else [n.target] if isinstance(n, ast.AugAssign) else []
        )
        for target in targets:
            if f"['{field}']" in ast.unparse(target):
                return True
    return False


def test_order_rows_are_written_by_the_gate_and_sent_by_dispatch():
    assert sites(SRC, {"write_order_nb"}) == {
        "safety/gate_nb.py:gate_nb",
        "safety/gate_nb.py:write_cancel_nb",
    }
    assert sites(SRC, {"gate_nb"}) == {
        "engine/dispatch_nb.py:send_new_nb",
        "safety/gate.py:Gate.approve",
    }
    senders = {
        f"{path.relative_to(SRC).as_posix()}:{name}"
        for path in SRC.rglob("*_nb.py")
        for name, node in functions(path)
        if writes(node, "sent")
    }
    assert senders == {"engine/dispatch_nb.py:send_new_nb", "engine/dispatch_nb.py:send_cancel_nb"}


def test_dispatch_asks_risk_before_the_gate():
    made = [(name, line) for f, name, _, line in calls(SRC / "engine/dispatch_nb.py") if f == "send_new_nb"]
    lines = dict(made)
    assert [name for name, _ in made].count("gate_nb") == [name for name, _ in made].count("verdicts_nb") == 1
    order = ("refresh_nb", "verdicts_nb", "unknown_reason_nb", "gate_nb", "on_approved_nb")
    assert [lines[name] for name in order] == sorted(lines[name] for name in order)


# --- the walk itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "async def f(venue, order):\n    await venue.submit(order)\n",
        "class A:\n    def f(self):\n        return lambda: self._p.venue.amend(1, 2)\n",
        "import venue\nvenue.submit_oco(1, 2)\n",
        "def f(v):\n    def g():\n        v.submit(1)\n    return g\n",
    ],
)
def test_the_walk_would_see_a_door(tmp_path, text):
    (tmp_path / "door.py").write_text(text)
    assert sites(tmp_path, SENDS, POOLS)
    (tmp_path / "no_door.py").write_text("def f(pool):\n    pool.submit(1)\n")
    assert not any(site.startswith("no_door") for site in sites(tmp_path, SENDS, POOLS))
