"""Each check can be taken out of the source, and a test notices: `tests/mutate_checks.py`, and its table."""

import importlib.util
import sys
from pathlib import Path

import pytest

from bot4.app.check_list import CHECKS
from bot4.app.checks import Layer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("mutate_checks", ROOT / "tests" / "mutate_checks.py")
    made = importlib.util.module_from_spec(spec)
    sys.modules["mutate_checks"] = made
    spec.loader.exec_module(made)
    yield made
    del sys.modules["mutate_checks"]


def test_every_check_of_the_list_has_its_mutant(script):
    assert set(script.MUTANTS) == {check.name for check in CHECKS}


@pytest.mark.parametrize("name", [check.name for check in CHECKS])
def test_the_edit_fits_the_source_and_the_tests_exist(script, name):
    changed = script.mutant(name, script.known_wheres(), script.SRC)
    assert changed
    for path, source in changed.items():
        assert source != (script.SRC / path).read_text(encoding="utf-8")
    assert all((ROOT / test).exists() for test in script.MUTANTS[name][1])


def test_an_edit_that_fits_no_more_is_an_error(script):
    source = "def f(a):\n    if a:\n        return R_X\n    return 0\n"
    assert "if False:" in script.edited(source, script.Never("R_X"), "m:f")
    assert script.edited(source, script.Answer("7"), "m:f").count("return") == 1
    for edit in (script.Never("R_Y"), script.Swap("nowhere", "x"), script.Swap("a", "b")):
        with pytest.raises(script.NoFit):
            script.edited(source.replace("if a", "if a and a"), edit, "m:f")
    with pytest.raises(script.NoFit, match="no such function"):
        script.edited(source, script.Answer(), "m:g")


SAMPLE = {
    Layer.KILL: "kill_latch",
    Layer.OPERATIONAL: "mode",
    Layer.BREAKER: "orders_breaker",
    Layer.MARKET: "funding",
    Layer.PRE_TRADE: "price_band",
    Layer.PORTFOLIO: "heat",
    Layer.POST_TRADE: "fill_price",
    Layer.REAL_TIME: "staleness",
}


@pytest.mark.slow
def test_one_check_of_each_layer_is_missed_when_it_is_gone(script, tmp_path):
    assert set(SAMPLE) == set(Layer)
    lab = script.Laboratory(tmp_path)
    assert lab.healthy(list(SAMPLE.values())) == ""
    wheres = script.known_wheres()
    verdicts = [lab.judge(name, wheres) for name in SAMPLE.values()]
    assert [(v.check, v.by) for v in verdicts if not v.killed] == []


@pytest.mark.slow
def test_a_survivor_is_said_to_be_one(script, tmp_path, monkeypatch):
    """The judge itself: tests that have nothing to do with a check do not notice that it is gone."""
    monkeypatch.setitem(script.MUTANTS, "heat", (script.OFF, ("tests/unit/test_lost_lease.py",)))
    verdict = script.Laboratory(tmp_path).judge("heat", script.known_wheres())
    assert not verdict.killed and verdict.by == "no test noticed"
