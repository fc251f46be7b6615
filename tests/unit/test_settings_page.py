"""The page of settings says what the program says."""

import tomllib
from pathlib import Path

import pytest

from bot4.app.config import load
from bot4.app.settings import SETTINGS
from bot4.app.settings_page import GROUPS, HEAD, allowed, settings_markdown

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_committed_page_is_the_generated_one():
    assert PAGE.read_text(encoding="utf-8") == settings_markdown(), (
        "docs/settings.md is out of date; CONTRIBUTING.md has the command that writes it anew"
    )


def test_every_setting_stands_in_it_once_with_its_default():
    rows = [line for line in settings_markdown().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [s.name for s in SETTINGS]
    assert [row.split("`")[3] for row in rows] == [s.default for s in SETTINGS]


def test_groups_are_those_of_the_settings_and_each_stands_together():
    prefixes = [s.name.split(".")[0] for s in SETTINGS]
    assert list(dict.fromkeys(prefixes)) == list(GROUPS)
    assert settings_markdown().count("\n## ") == len(GROUPS)


def test_a_cell_never_breaks_its_row():
    for line in settings_markdown().splitlines():
        if line.startswith("| `"):
            assert line.replace(r"\|", "").count("|") == 5, line


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_what_is_allowed_is_said_in_the_units_of_the_file(setting):
    text = allowed(setting)
    assert text
    if setting.low is not None and setting.unit in ("fraction", "rate"):
        low, high = text.split(" to ")
        assert setting.parse(low) == pytest.approx(setting.low)
        assert setting.parse(high) == pytest.approx(setting.high)
    if setting.low is not None and setting.unit == "duration":
        assert setting.parse(text.split(" to ")[1]) == setting.high


def test_the_example_file_of_the_page_loads(tmp_path):
    example = HEAD.split("```toml\n")[1].split("```")[0]
    assert tomllib.loads(example)
    path = tmp_path / "bot4.toml"
    path.write_text(example, encoding="utf-8")
    config = load(path, ["risk.daily_loss=2 %"])
    assert config["risk.max_position"] == pytest.approx(0.01)
    assert config["risk.daily_loss"] == pytest.approx(0.02)
    assert config["venue.entry_latency"] == 25_000_000
