"""The live view and the progress bar: on a terminal, off it, and when quiet."""

import io
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from bot4.app.live import LiveView, Screen, plain_line
from bot4.app.progress import ProgressBar

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import snapshots


def terminal(width: int = 100, height: int = 60, tty: bool = True) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        height=height,
        force_terminal=tty,
        color_system=None,
        legacy_windows=False,
    )


def shown(snapshot, width=100, height=60) -> str:
    console = terminal(width, height)
    console.print(Screen(snapshot))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120, 130, 140, 200])
def test_it_fits_its_width_and_says_everything(width):
    text = shown(snapshots.full(), width)
    lines = text.splitlines()
    assert max(len(line) for line in lines) <= width
    if width >= 80:
        for words in (
            "SYNTHETIC DATA",
            "paper",
            "control normal",
            "2024-06-01 12:05:05 UTC",
            "BTCUSDT",
            "63,607.1",
            "42 ms",
            "stale",
            "no model: abstains",
            "P(rise) 0.231",
            "+0.36 below 0.50",
            "\u22120.61 reaches 0.50",
            "warming up",
            "10,013.47",
            "\u22124.20",
            "daily loss",
            "95 %",
            "1,234,567",
            "edge 120",
            "others 1",
            "below threshold",
        ):
            assert words in text, words


def test_what_is_not_known_is_neither_nil_nor_flat():
    text = shown(snapshots.full())
    assert "????" in text  # margin
    empty = shown({})
    assert "None" not in empty
    assert "nan" not in empty
    assert "\u2013" in empty


def test_only_five_decisions_are_shown():
    text = shown(snapshots.full())
    assert len(re.findall(r"\bhold\b", text)) == 1  # the second one is the sixth


@pytest.mark.parametrize("height", [3, 10, 24, 40])
def test_a_short_screen_drops_the_least_important(height):
    lines = shown(snapshots.full(), 80, height).splitlines()
    assert len(lines) <= max(height, 3)
    assert "SYNTHETIC DATA" in lines[0]
    if height >= 10:
        assert any("equity" in line for line in lines)


def test_markup_in_names_is_text():
    s = snapshots.full()
    s["strategy"] = "[red]x[/red]"
    s["notice"] = "[bold]careful[/]"
    s["market"][0]["instrument"] = "[b]"
    text = shown(s, 140)
    assert "[red]x[/red]" in text
    assert "[bold]careful[/]" in text
    assert "[b]" in text


def test_odd_values():
    s = snapshots.full()
    s["speed"] = None
    s["remaining_s"] = None
    s["uptime_s"] = 200_000.0
    s["market"][0].update(bid=float("nan"), age_s=75.0)
    s["market"][1].update(bid=None, age_s=None)
    s["signals"][1].update(probability=None, score=None)
    s["account"]["total"] = float("nan")
    s["limits"] = [{"name": "zero", "used": 1.0, "limit": 0.0}]
    s["counters"] = {}
    s["decisions"][0]["text"] = "because"
    text = shown(s)
    assert "as fast as it can" in text
    assert "2 d 07:33:20" in text
    assert "no answer yet: abstains" in text
    assert "because" in text
    assert "nan" not in text


def test_flat_is_said():
    s = snapshots.full()
    s["positions"] = []
    assert "flat" in shown(s)
    assert "position flat" in plain_line(s)


def test_off_a_terminal_one_plain_line_a_second():
    now = [0.0]
    console = terminal(tty=False)
    with LiveView(console=console, clock=lambda: now[0]) as view:
        for step in range(25):
            now[0] = step / 10
            s = snapshots.full()
            s["counters"]["events"] = step
            view.update(s)
    lines = console.file.getvalue().splitlines()
    assert [line.split("events ")[1].split()[0] for line in lines] == ["0", "10", "20", "24"]
    assert all("\x1b" not in line and "SYNTHETIC" in line for line in lines)
    assert "+0.13 % after costs" in lines[0]


def test_quiet_prints_nothing():
    console = terminal()
    with LiveView(quiet=True, console=console) as view:
        view.update(snapshots.full())
    assert console.file.getvalue() == ""


def test_on_a_terminal_it_redraws_in_place_and_leaves_the_last_screen():
    now = [0.0]
    console = terminal(100, 60)
    with LiveView(console=console, clock=lambda: now[0]) as view:
        for step in range(10):
            now[0] = step / 10
            s = snapshots.full()
            s["notice"] = f"step {step}."
            view.update(s)
    text = console.file.getvalue()
    assert "step 0." in text
    assert "step 3." in text
    assert "step 1." not in text
    assert text.rindex("step 9.") > text.rindex("step 6.")
    assert view.live is None


def test_the_terminal_is_given_back_after_an_error():
    console = terminal()
    view = LiveView(console=console)
    with pytest.raises(ZeroDivisionError), view:
        raise ZeroDivisionError
    assert view.live is None
    assert "\x1b[?25h" in console.file.getvalue()  # the cursor is shown again


def test_the_default_view_follows_standard_output(capsys):
    with LiveView() as view:
        view.update(snapshots.full())
    assert "| paper SYNTHETIC |" in capsys.readouterr().out


def test_progress_on_a_terminal():
    console = terminal()
    with ProgressBar(console=console) as bar:
        bar(0, 200, "reading [bars]")
        bar(50, 200, "reading [bars]")
        bar(200, 200, "done")
    text = console.file.getvalue()
    assert "200/200" in text
    assert "100%" in text
    assert "done" in text


def test_progress_of_unknown_length():
    console = terminal()
    with ProgressBar(console=console) as bar:
        bar(7, None, "waiting [x]")
    assert "waiting [x]" in console.file.getvalue()


@pytest.mark.parametrize(("quiet", "tty"), [(True, True), (False, False)])
def test_progress_is_silent_when_nobody_watches(quiet, tty):
    console = terminal(tty=tty)
    with ProgressBar(quiet=quiet, console=console) as bar:
        bar(1, 2, "x")
    assert console.file.getvalue() == ""


def test_progress_defaults_to_standard_error(capsys):
    with ProgressBar() as bar:
        bar(1, 2, "x")
    assert capsys.readouterr() == ("", "")
