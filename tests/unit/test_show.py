"""`bot4 show`: read models of a journal, against the ledger that the run itself kept."""

import json

import pytest

from bot4.app.main import main
from bot4.model.errors import ConfigError, JournalError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short backtest's journal and its results."""
    from tests.helpers.engine_scene import bar_data

    folder = tmp_path_factory.mktemp("show")
    bar_data(folder / "d")
    journal = folder / "j"
    main_json(
        [
            "backtest",
            "--data",
            str(folder / "d" / "data"),
            "--strategy",
            "trend_cross",
            "--out",
            str(journal),
            "--json",
        ]
    )
    return journal


def main_json(argv):
    """Run a command; it must succeed."""
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code in (0, None)


def said(capsys, *argv):
    main_json([str(a) for a in argv])
    return capsys.readouterr().out


def test_profit_positions_and_orders_are_those_of_the_ledger(run, capsys):
    from bot4.ports import journal as port
    from bot4.storage.journal import JournalReader

    summary = next(b.payload for b in JournalReader(run).blocks(port.END))["summary"]
    pnl = json.loads(said(capsys, "show", "pnl", run, "--json"))["pnl"]
    assert float(pnl["fees"]) == pytest.approx(summary["fees"])
    assert pnl["fills"] == summary["fills"] > 0
    orders = json.loads(said(capsys, "show", "orders", run, "--json"))["orders"]
    assert sum(o["state"] == "filled" for o in orders) > 0
    assert {o["side"] for o in orders} <= {"buy", "sell"}
    (position,) = json.loads(said(capsys, "show", "positions", run, "--json"))["positions"]
    assert position["instrument"] == "BTC-USDT-PERP"
    assert float(position["fees"]) == pytest.approx(summary["fees"])
    table = said(capsys, "show", "orders", run)
    assert "purpose" in table
    assert len(table.splitlines()) <= 60


def test_breakers_that_never_opened_are_said_to_be_none(run, capsys):
    assert json.loads(said(capsys, "show", "breakers", run, "--json")) == {
        "breakers": [], "changes": [], "refused": {},
    }  # fmt: skip
    assert said(capsys, "show", "breakers", run).splitlines() == [
        "no breaker ever opened", "refused: nothing",
    ]  # fmt: skip


def test_what_is_not_known_is_named(run):
    from bot4.app.commands.show import show

    with pytest.raises(ConfigError, match="orders, positions, pnl"):
        show(what="trades", journal=run, as_json=True)
    with pytest.raises(JournalError, match="holds no journal"):
        show(what="pnl", journal=run.parent, as_json=True)
