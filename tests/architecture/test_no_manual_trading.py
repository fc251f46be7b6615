"""S5: nobody trades by hand. Neither the command line nor the API nor the inbox has a word for it."""

import ast
import re
from pathlib import Path

import typer.main

from bot4.app import main
from bot4.app.api.server import READING, ROUTES

SRC = Path(__file__).parents[2] / "src" / "bot4"
TRADING = re.compile(
    r"(^|[-_ ])(buy|sell|long|short|place|submit|send|order|amend|modify|replace|cancel|close|exit|enter|entry|"
    r"flatten|liquidate|position|leverage|tune|adjust|set|change|update|param\w*|enable|disable|force)($|[-_ ])"
)
ACTS_ON_RUNS = {
    ("stop",): "the emergency stop",
    ("mode",): "raises severity only",
    ("resume",): "lowers severity, with a signed release only",
    ("release",): "lifts the mark of a kill, with a signed release only",
    ("guard",): "closes an account when its run is silent",
    ("alarm", "ack"): "alarms were seen",
}
"""Every command that speaks to a run, and why it may."""
TO_RUNS = {"post", "_say"}


def commands(group=None, path=()):
    """Every command by its path, with its click object."""
    group = typer.main.get_command(main.app) if group is None else group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def test_no_command_is_called_as_a_trade_is():
    found = {path for path, _ in commands() if any(TRADING.search(word) for word in path)}
    assert found == set()
    assert len(list(commands())) > 30  # the walk does see them


def test_what_speaks_to_a_run_offers_no_trade_in_its_options():
    for path, command in commands():
        if path in ACTS_ON_RUNS and path != ("guard",):  # a guard has settings of its own, of its own start
            options = {name for p in command.params for name in p.opts}
            assert not {o for o in options if TRADING.search(o.strip("-"))}, path


def test_only_the_known_commands_speak_to_runs():
    """Only `bot4 mode`, `resume` and `alarm ack` write into a run's inbox."""
    speaking = set()
    for path in (SRC / "app" / "commands").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = {
            n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        if called & TO_RUNS:
            speaking.add(path.stem)
    assert speaking == {"control"}


def test_the_api_changes_one_thing():
    assert {route for route in ROUTES if route[0] not in READING} == {("POST", "/stop")}


def test_the_words_would_be_seen():
    for word in ("buy", "order-new", "close", "set-parameter", "cancel-all", "force-exit"):
        assert TRADING.search(word), word
