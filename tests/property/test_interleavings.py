"""Random interleavings of everything that can happen to orders; see `tests/helpers/interleave.py`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import interleave


@pytest.mark.parametrize("n", [1_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_every_interleaving_keeps_quantity_cash_exposure_and_protection(n):
    """The long form: `pytest -m slow tests/property/test_interleavings.py`, some minutes."""
    found = interleave.search(n, seed=n)
    assert found is None, f"run {found[0]}: {found[1]}\n" + "\n".join(map(str, found[2]))


def test_a_broken_rule_is_found_shrunk_and_named(monkeypatch):
    """The search itself: without the memory of trade ids a repeated event must be caught."""
    monkeypatch.setattr(interleave.TradeBook, "known", lambda self, trade: False)
    found = interleave.search(500, seed=3)
    assert found is not None and ("fit" in found[1] or "twice" in found[1])
    assert len(found[2]) <= 4


def test_old_news_of_a_name_that_was_amended_twice_decides_nothing():
    """The price went there and back: what was said at the first time is no word on the second (run 87,608)."""
    run = [
        ("enter", 675894, 890186), ("ask", 407578, 916542), ("replace", 841474, 886055),
        ("ask", 291765, 778156), ("replace", 550670, 252810), ("ask", 897849, 357668),
        ("cancel", 687956, 79921), ("deliver", 1007303, 95767),
    ]  # fmt: skip
    assert interleave.play(run) is None
