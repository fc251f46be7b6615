"""Settings: units, bounds, defaults, nearest matches, and where each value came from."""

from decimal import Decimal

import pytest

from bot4.app import config
from bot4.app.settings import BY_NAME, SETTINGS
from bot4.model.errors import ConfigError

BOUNDED = [s for s in SETTINGS if s.low is not None]
WRITE = {
    "number": lambda v: v,
    "whole": lambda v: int(v),
    "fraction": lambda v: f"{v * 100:.12f} %",
    "rate": lambda v: f"{v * 1e4:.12f} bp",
    "size": lambda v: f"{v:.12f}",
    "money": lambda v: f"{v:.12f}",
    "duration": lambda v: f"{int(v)}ns",
}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_defaults_are_allowed_and_explained(setting):
    value = config.load()[setting.name]
    assert setting.about
    assert setting.show(value)
    if setting.choices:
        assert value in setting.choices


@pytest.mark.parametrize("setting", BOUNDED, ids=lambda s: s.name)
def test_bounds_are_inclusive_and_named(setting):
    write = WRITE[setting.unit]
    for bound in (setting.low, setting.high):
        assert float(setting.parse(write(bound))) == pytest.approx(float(bound), abs=1e-12)
    gap = 1 if setting.unit in ("whole", "duration") else max(1e-6, abs(setting.high) * 1e-6)
    with pytest.raises(ConfigError, match=f"{setting.name}.*above the most allowed"):
        setting.parse(write(setting.high + gap))
    if setting.unit != "duration" or setting.low > 0:
        with pytest.raises(ConfigError, match=f"{setting.name}.*below the least allowed"):
            setting.parse(write(setting.low - gap))


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("risk.max_order", "2"), ("risk.max_order", 0.02), ("risk.max_order", "two %"),
        ("risk.max_order", True),
        ("risk.max_order", "nan %"), ("risk.max_leverage", "inf"), ("risk.max_leverage", True),
        ("risk.max_leverage", None), ("safety.max_open_orders", 1.5), ("safety.cooldown", 5),
        ("safety.cooldown", "5 minutes"), ("account.capital", 1.5), ("account.capital", "much"),
        ("venue.partial_fills", 1), ("venue.partial_fills", "yes"), ("journal.fsync", 1),
        ("journal.fsync", "often"),
        ("fees.maker", "2"),
    ],
)  # fmt: skip
def test_wrong_values_name_the_setting_and_show_how(name, raw):
    with pytest.raises(ConfigError, match=name) as caught:
        BY_NAME[name].parse(raw)
    assert "write for example" in str(caught.value) or "choose one of" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("risk.max_order", "2 %", 0.02), ("risk.max_order", "200bp", 0.02), ("fees.maker", "-1 bp", -0.0001),
        ("account.capital", "250_000 USDT", Decimal(250_000)), ("account.capital", 5000, Decimal(5000)),
        ("safety.cooldown", "1h30m", 5400 * 10**9), ("safety.max_open_orders", "12", 12),
        ("venue.partial_fills", False, False), ("risk.max_leverage", "1.5", 1.5),
    ],
)  # fmt: skip
def test_values_with_units(name, raw, value):
    got = BY_NAME[name].parse(raw)
    assert got == pytest.approx(value) if isinstance(value, float) else got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("risk.max_order", 0.02, "2 %"), ("fees.taker", 0.0005, "5 bp"), ("safety.cooldown", 300 * 10**9, "5m"),
     ("account.capital", Decimal(5), "5 (quote currency)"), ("venue.partial_fills", True, "true"),
     ("risk.max_leverage", 1.0, "1"), ("strategy.time_stop", 240, "240"),
     ("journal.fsync", "close", "close")],
)  # fmt: skip
def test_values_are_shown_with_their_unit(name, value, text):
    assert BY_NAME[name].show(value) == text


def test_file_then_overrides_and_their_sources(tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text('[risk]\nmax_order = "1 %"\n[strategy]\nthreshold = "30 %"\n')
    loaded = config.load(file, ["strategy.threshold=40 %", " venue.partial_fills = False "])
    assert (loaded["risk.max_order"], loaded["strategy.threshold"]) == (0.01, 0.4)
    assert loaded["venue.partial_fills"] is False
    assert loaded.source["risk.max_order"] == str(file)
    assert loaded.source["strategy.threshold"] == "--set"
    assert loaded.source["risk.max_heat"] == "default"


@pytest.mark.parametrize(
    ("sets", "match"),
    [
        (["risk.max_ordr=1 %"], "did you mean risk.max_order"),
        (["risc.max_order=1 %"], "did you mean risk.max_order"),
        (["limits.max_heat=1 %"], "did you mean risk.max_heat"),
        (["zzzzzz=1"], "bot4 config show"),
        (["risk.max_order"], "write name=value"),
        (["risk.drawdown_soft=20 %", "risk.drawdown_hard=20 %"], "drawdown_hard must be above"),
        (["risk.max_position=6 %"], "must not exceed"),
        (["strategy.fast=50"], "strategy.fast must be below"),
        (["venue.partial_fills=maybe"], "true or false"),
    ],
)
def test_mistakes_are_named(sets, match):
    with pytest.raises(ConfigError, match=match):
        config.load(None, sets)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        config.load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = [")
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        config.load(tmp_path / "bad.toml")
    (tmp_path / "bin.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"bin\.toml"):
        config.load(tmp_path / "bin.toml")
    (tmp_path / "unknown.toml").write_text("[risk]\nmax_hea = 1\n")
    with pytest.raises(ConfigError, match=r"did you mean risk\.max_heat"):
        config.load(tmp_path / "unknown.toml")


def test_a_journal_keeps_the_values_to_the_bit():
    """A replay with 0.019999999 instead of 0.02 would decide otherwise."""
    before = config.load(None, ["risk.max_order=1.7 %", "venue.partial_fills=false", "fees.maker=-0.7 bp"])
    after = config.from_json(before.to_json())
    assert after.values == before.values
    assert {type(v) for v in after.values.values()} == {type(v) for v in before.values.values()}
    assert set(after.source.values()) == {"journal"}


def test_a_journal_of_another_version():
    data = config.load().to_json()
    with pytest.raises(ConfigError, match="unknown setting"):
        config.from_json({**data, "risk.magic": "1"})
    del data["risk.max_heat"]
    with pytest.raises(ConfigError, match="another version"):
        config.from_json(data)
