"""Takes each check of `bot4.app.check_list` out of a copy of the source, and shows which test notices.

    python tests/mutate_checks.py                 all of them, a table; exit code 1 when one was not noticed
    python tests/mutate_checks.py heat funds      these

Per check: the edits that switch it off, and the test files tied to it. The tests run on the copy, in plain
Python (NUMBA_DISABLE_JIT=1) so that nothing is compiled, and must be green on the unchanged copy first. An
edit that no longer fits its source is an error, so that the table cannot rot.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"


@dataclass(frozen=True)
class Answer:
    """The function of the check answers `value`, whatever it is asked."""

    value: str = "0"
    where: str = ""  # module:function; the check's own without it


@dataclass(frozen=True)
class Swap:
    """One piece of a function's source becomes another."""

    old: str
    new: str
    where: str = ""


@dataclass(frozen=True)
class Never:
    """Every `if` of the function that ends in this reason is never true."""

    reason: str
    where: str = ""


Edit = Answer | Swap | Never
GATE = ("tests/unit/test_gate.py",)
RISK = ("tests/unit/test_risk_checks.py",)
DESK = ("tests/unit/test_desk.py",)
GUARD = ("tests/unit/test_order_checks.py",)
FILLS = ("tests/unit/test_post_trade.py",)
PANIC = ("tests/unit/test_panic.py",)
VERDICTS = ("tests/unit/test_engine_verdicts.py",)
OFF = (Answer(),)

MUTANTS: dict[str, tuple[tuple[Edit, ...], tuple[str, ...]]] = {
    "kill_latch": (OFF, GATE),
    "kill_latch_at_desk": ((Swap("if self._stopped and not t.reduce_only", "if False"),), DESK),
    "kill_latch_at_wire": ((Swap("self.latch[0] and", "False and"),), DESK),
    "partial_kill": (OFF, ("tests/unit/test_partial_kill.py",)),
    "breakers": (OFF, VERDICTS),
    "session_breakers": (
        (Swap("if self._desk.pause(symbol, reason)", "if False"),),
        ("tests/unit/test_watch.py",),
    ),
    "liquidation": (OFF, ("tests/unit/test_margin.py",)),
    "result_known": ((Swap("if limit <= 0", "if True"),), VERDICTS),
    "enabled": (OFF, GATE),
    "mode": (OFF, GATE),
    "reconciled": (OFF, GATE),
    "private_stream": (OFF, GATE),
    "order_rate": (OFF, GATE),
    "open_orders": (OFF, GATE),
    "order_table": ((Swap("return best", "return max(best, 0)"),), ("tests/unit/test_orders.py",)),
    "unknown_order": (OFF, ("tests/unit/test_engine_outside.py",)),
    "instrument_paused": (OFF, DESK),
    "duplicate": ((Swap("known is not None and (", "False and ("),), ("tests/unit/test_desk_parts.py",)),
    "backlog": ((Swap("len(self._risk) >= self._settings.queue_limit", "False"),), DESK),
    "order_age": ((Swap("now - t.handed > self._settings.order_age_ns", "False"),), DESK),
    "rate_limit": ((Swap("if excess > 0", "if False"),), ("tests/property/test_rate_limits.py",)),
    "orders_breaker": (
        (
            Swap("self._breaker.shut(now)", "False"),
            Swap("(self._breaker, *self.gates)", "self.gates", "execution.lane:Lane._admit"),
        ),
        DESK,
    ),
    "venue_health": ((Answer("None"),), ("tests/unit/test_watch.py",)),
    "market_data": (OFF, ("tests/unit/test_engine_step.py",)),
    "funding": (OFF, GUARD),
    "words": (OFF, GATE),
    "grids": (OFF, ("tests/unit/test_gate_cold.py",)),
    "quantity": (OFF, GATE),
    "numbers": (OFF, GATE),
    "min_notional": (OFF, GATE),
    "price_band": (OFF, GATE),
    "spot_sale": (OFF, GATE),
    "order_value": (OFF, GATE),
    "reduce_only": (OFF, GATE),
    "risk_answers": (OFF, GATE),
    "edge": ((Never("R_EDGE"),), ("tests/unit/test_sizing.py",)),
    "size": (
        (Never("R_ZERO_SIZE"), Never("R_MIN_QTY"), Never("R_MIN_NOTIONAL")),
        ("tests/unit/test_sizing.py",),
    ),
    "reference_price": (OFF, GUARD),
    "venue_filters": (OFF, GUARD),
    "exit_filter": (OFF, GUARD),
    "order_cap": (OFF, GUARD),
    "self_trade": (OFF, GUARD),
    "turnover": (OFF, GUARD),
    "risk_inputs": ((Answer("True"),), RISK),
    "order_size": (OFF, RISK),
    "position_limit": (OFF, RISK),
    "asset_limit": (OFF, RISK),
    "heat": (OFF, RISK),
    "open_risk": (OFF, RISK),
    "drawdown": (OFF, RISK),
    "daily_loss": (OFF, RISK),
    "leverage": (OFF, RISK),
    "spot_short": (OFF, RISK),
    "funds": (OFF, RISK),
    "fill_price": (OFF, FILLS),
    "fill_quantity": (OFF, FILLS),
    "fill_fee": (OFF, FILLS),
    "trade_fits_order": (
        (Swap("booked.lots > t.left or booked.lots <= 0 or trade.side != t.side", "False"),),
        DESK,
    ),
    "first_fill": ((Answer("None"),), DESK),
    "slippage": ((Answer("None"),), PANIC),
    "books": ((Answer("Reconciliation(())"),), ("tests/unit/test_reconcile.py",)),
    "equity_levels": (OFF, ("tests/unit/test_drawdown.py",)),
    "staleness": ((Answer("[]"),), PANIC),
    "spread": ((Answer("None"),), PANIC),
    "call_errors": ((Answer("None"),), PANIC),
    "latency": ((Answer("None"),), PANIC),
    "naked_position": (OFF, DESK),
    "lease": ((Answer("None"),), ("tests/unit/test_lost_lease.py",)),
}
"""Check: how it is switched off, and the tests that must notice."""


class NoFit(Exception):
    """An edit does not fit the source any more."""


def home(where: str) -> Path:
    """The file of module:function, below the folder of the package."""
    return Path("bot4", *where.partition(":")[0].split(".")).with_suffix(".py")


def find(tree: ast.Module, path: str, where: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    body: list[ast.stmt] = tree.body
    found: ast.stmt | None = None
    for part in path.split("."):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found = next((n for n in body if isinstance(n, kinds) and n.name == part), None)
        if found is None:
            raise NoFit(f"{where}: there is no such function")
        body = found.body
    assert isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
    return found


def edited(source: str, edit: Edit, where: str) -> str:
    """The source with one edit; NoFit when it changes nothing."""
    tree = ast.parse(source)
    node = find(tree, where.partition(":")[2], where)
    lines = source.split("\n")
    first, last = node.body[0].lineno, node.end_lineno or node.body[-1].lineno
    text = "\n".join(lines[first - 1 : last])
    indent = " " * node.body[0].col_offset
    if isinstance(edit, Answer):
        made = f"{indent}return {edit.value}"
    elif isinstance(edit, Swap):
        if text.count(edit.old) != 1:
            raise NoFit(f"{where}: {edit.old!r} stands there {text.count(edit.old)} times")
        made = text.replace(edit.old, edit.new)
    else:
        tests = [
            n.test
            for n in ast.walk(node)
            if isinstance(n, ast.If)
            and any(isinstance(k, ast.Name) and k.id == edit.reason for s in n.body for k in ast.walk(s))
        ]
        if not tests:
            raise NoFit(f"{where}: no `if` ends in {edit.reason}")
        made = text
        for test in tests:
            made = made.replace(f"if {ast.get_source_segment(source, test)}:", "if False:")
        if made == text:
            raise NoFit(f"{where}: the `if` of {edit.reason} could not be found in the text")
    return "\n".join([*lines[: first - 1], made, *lines[last:]])


def mutant(name: str, wheres: dict[str, str], base: Path) -> dict[Path, str]:
    """File below `base` to changed source, for one check."""
    changed: dict[Path, str] = {}
    for edit in MUTANTS[name][0]:
        where = edit.where or wheres[name]
        path = home(where)
        changed[path] = edited(changed.get(path) or (base / path).read_text(encoding="utf-8"), edit, where)
    for path, source in changed.items():
        compile(source, str(path), "exec")
    return changed


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant: the test that noticed, or why none did."""

    check: str
    killed: bool
    by: str
    seconds: float


class Laboratory:
    """A copy of the source in which one check at a time is missing."""

    def __init__(self, folder: Path) -> None:
        self.copy = folder / "src"
        shutil.copytree(SRC, self.copy, ignore=shutil.ignore_patterns("__pycache__"))
        self._env = {
            **os.environ,
            "PYTHONPATH": str(self.copy),
            "NUMBA_DISABLE_JIT": "1",
            "PYTHONDONTWRITEBYTECODE": "1",  # a mutant and its original may share size and second
        }

    def run(self, tests: tuple[str, ...]) -> tuple[int, str]:
        """Exit code of pytest, and its words."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "--no-header",
            *tests,
        ]
        done = subprocess.run(command, cwd=ROOT, env=self._env, capture_output=True, text=True, timeout=900)
        return done.returncode, done.stdout + done.stderr

    def healthy(self, names: list[str]) -> str:
        """Empty when all tests are green on the unchanged copy, else what they say."""
        files = tuple(sorted({test for name in names for test in MUTANTS[name][1]}))
        code, said = self.run(files)
        return "" if code == 0 else said[-3000:]

    def judge(self, name: str, wheres: dict[str, str]) -> Verdict:
        """Switch the check off, run its tests, put it back."""
        changed = mutant(name, wheres, self.copy)
        before = {path: (self.copy / path).read_text(encoding="utf-8") for path in changed}
        begin = time.perf_counter()
        try:
            for path, source in changed.items():
                (self.copy / path).write_text(source, encoding="utf-8")
            code, said = self.run(MUTANTS[name][1])
        finally:
            for path, source in before.items():
                (self.copy / path).write_text(source, encoding="utf-8")
        seconds = time.perf_counter() - begin
        failed = re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", said, re.MULTILINE)
        if code == 1 and failed:
            return Verdict(name, True, failed[0], seconds)
        return Verdict(name, False, "no test noticed" if code == 0 else said[-600:].strip(), seconds)


def known_wheres() -> dict[str, str]:
    """Where each check of the list stands."""
    from bot4.app.check_list import CHECKS

    return {check.name: check.where for check in CHECKS}


def main() -> int:
    """Judge the checks that are named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checks", nargs="*", help="names of checks; all without")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    a = parser.parse_args()
    sys.path.insert(0, str(SRC))
    wheres = known_wheres()
    wanted = a.checks or list(wheres)
    unknown = sorted(set(wanted) - set(wheres))
    if unknown:
        parser.error(f"no such check: {', '.join(unknown)}; `bot4 show checks` lists them")
    found: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="bot4-mutants-") as folder:
        lab = Laboratory(Path(folder))
        sick = lab.healthy(wanted)
        if sick:
            print(f"the tests are not green without any change:\n{sick}", file=sys.stderr)
            return 2
        for k, name in enumerate(wanted):
            print(f"{k + 1} of {len(wanted)}: {name}", file=sys.stderr, flush=True)
            found.append(lab.judge(name, wheres))
    if a.json:
        print(json.dumps([vars(v) for v in found], indent=1))
    else:
        print("| check switched off | noticed by |\n|---|---|")
        for v in found:
            print(f"| `{v.check}` | {f'`{v.by}`' if v.killed else f'**not noticed**: {v.by}'} |")
    missed = [v.check for v in found if not v.killed]
    print(f"{len(found) - len(missed)} of {len(found)} noticed", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
