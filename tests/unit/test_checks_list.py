"""The list of checks says what the program does: functions, settings, reasons, the page, the command."""

import ast
import json
from pathlib import Path

import pytest

from bot4.app.check_list import CHECKS
from bot4.app.checks import NOT_CHECKS, Check, Judges, Layer, unclaimed
from bot4.app.checks_page import checks_markdown
from bot4.app.commands.show import show
from bot4.app.settings import SETTINGS
from bot4.engine.refusals import BIT_NAMES
from bot4.model import codes_nb
from bot4.model.errors import ConfigError
from bot4.ports import journal as port
from bot4.storage.journal import FileJournal

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "bot4"
PAGE = ROOT / "docs" / "risk-checks.md"


def test_the_committed_page_is_the_generated_one():
    assert PAGE.read_text(encoding="utf-8") == checks_markdown(), (
        "docs/risk-checks.md is out of date; CONTRIBUTING.md has the command that writes it anew"
    )


def test_a_cell_never_breaks_its_row():
    rows = [line for line in checks_markdown().splitlines() if line.startswith("| `")]
    assert len(rows) == len(CHECKS)
    assert all(line.count("|") == 7 for line in rows)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_what_the_list_says_of_a_check_exists(check):
    assert callable(check.function())
    assert set(check.settings) <= {s.name for s in SETTINGS}
    assert check.reads and check.missing
    assert len(check.words) == len(check.reasons) > 0 or check.name == "naked_position"


def test_names_are_unique_and_every_layer_has_checks():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert {check.layer for check in CHECKS} == set(Layer)
    assert [check.layer for check in CHECKS] == sorted((k.layer for k in CHECKS), key=list(Layer).index)


def test_every_reason_is_given_by_a_check_or_said_to_be_none():
    """A new reason needs its check in `bot4.app.check_list`, or a place in NOT_CHECKS."""
    assert unclaimed(CHECKS) == []
    spare = {name for group in NOT_CHECKS.values() for name in group}
    assert spare <= set(vars(codes_nb))
    assert {reason for check in CHECKS for reason in check.reasons} & spare == set()


def test_a_new_reason_without_a_check_is_seen(monkeypatch):
    monkeypatch.setattr(codes_nb, "R_NEW_AND_FORGOTTEN", 63, raising=False)
    assert unclaimed(CHECKS) == ["R_NEW_AND_FORGOTTEN"]


def source_names(path):
    """Names used in each function of a module; methods as Class.method."""
    found = {}

    def walk(body, prefix):
        for node in body:
            if isinstance(node, ast.ClassDef):
                walk(node.body, f"{node.name}.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[prefix + node.name] = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}

    walk(ast.parse(path.read_text(encoding="utf-8")).body, "")
    return found


ELSEWHERE = {  # reasons that a check hands on instead of naming them itself
    "kill_latch_at_desk": "the reason it was stopped with",
    "instrument_paused": "the reason it was paused with",
    "venue_filters": "execution.filters",
    "exit_filter": "execution.filters",
    "trade_fits_order": "OrderNews._mismatch",
    "first_fill": "OrderNews._mismatch",
    "slippage": "live.watch", "staleness": "live.watch", "spread": "live.watch",
    "call_errors": "live.watch", "latency": "live.watch",
    "books": "execution.reconciler",
    "lease": "Desk.stop_risk",
    "duplicate": "Desk.hand_over",
    "risk_inputs": "verdicts_nb",
    "rate_limit": "RateLimiter.acquire",
    "order_table": "engine.dispatch_nb",
    "drawdown": "the latched reason",
    "breakers": "the reason each was opened with", "session_breakers": "safety.breaker.REASONS",
}  # fmt: skip


@pytest.mark.parametrize("check", [k for k in CHECKS if k.name not in ELSEWHERE], ids=lambda k: k.name)
def test_the_function_names_the_reasons_that_the_list_gives_it(check):
    module, _, path = check.where.partition(":")
    used = source_names(SRC / f"{module.replace('.', '/')}.py")[path]
    assert set(check.reasons) <= used


HOMES = ("safety.gate_nb", "risk.checks_nb", "execution.guard", "execution.post_trade_nb")
PARTS = {  # that put checks together, or count for them
    "state_reason_nb", "shape_reason_nb", "risk_reason_nb", "reduce_reason_nb", "verdict_reason_nb",
    "fill_reason_nb", "within_nb",
}  # fmt: skip


def test_every_function_that_refuses_stands_in_the_list():
    """A check that is written beside the others and forgotten in the list."""
    listed = {check.where for check in CHECKS}
    for module in HOMES:
        for name in source_names(SRC / f"{module.replace('.', '/')}.py"):
            leaf = name.rpartition(".")[2]
            if leaf.endswith(("_reason_nb", "_reason", "_limit_nb")) and leaf not in PARTS:
                assert f"{module}:{name}" in listed, f"{module}:{name} is in no entry of check_list"


def test_bits_of_the_explain_record_have_names_of_the_list():
    assert set(BIT_NAMES) <= {check.name for check in CHECKS}


def test_a_check_whose_function_is_gone_is_found():
    gone = Check("x", Layer.KILL, Judges.RISK, "safety.gate_nb:never_there", ("R_KILLED",), "a", "b")
    with pytest.raises(AttributeError, match="never_there"):
        gone.function()


# --- bot4 show checks -----------------------------------------------------------------------------------


def test_the_command_lists_them_all(capsys):
    document = show(what="checks", journal=None, as_json=True)
    assert [row["check"] for row in document["checks"]] == [check.name for check in CHECKS]
    assert "refused" not in document["checks"][0]
    json.dumps(document, allow_nan=False)
    show(what="checks", journal=None, as_json=False)
    said = capsys.readouterr().out
    assert all(check.name in said for check in CHECKS)


def test_with_a_run_it_counts_what_was_refused_there(tmp_path, capsys):
    journal = FileJournal(tmp_path / "j")
    journal.append(port.NOTE, {"what": "refused", "order": 3, "checks": {"self_trade": "self"}})
    journal.append(port.NOTE, {"what": "breaker"})
    journal.append(port.END, {"summary": {"refused": {"heat": 4, "killed": 2}}})
    journal.close()
    rows = {
        r["check"]: r["refused"] for r in show(what="checks", journal=tmp_path / "j", as_json=True)["checks"]
    }
    assert (rows["heat"], rows["kill_latch"], rows["self_trade"], rows["funds"]) == (4, 2, 1, 0)
    show(what="checks", journal=tmp_path / "j", as_json=False)
    assert "refused" in capsys.readouterr().out.splitlines()[0]


def test_the_other_kinds_need_a_journal():
    with pytest.raises(ConfigError, match="show pnl: name the folder"):
        show(what="pnl", journal=None, as_json=True)
