"""`bot4 release`: the mark of a kill is lifted with the operator's key, and only so."""

import pytest

from bot4.app import config
from bot4.app.commands.control import keys_new
from bot4.app.commands.guard import guard
from bot4.app.commands.release import release
from bot4.app.commands.trade import mark_on_kill, marker_of
from bot4.model import codes_nb as c
from bot4.model.errors import ConfigError, OperatorError, SafetyError
from bot4.ports.alarm import FakeAlarm
from bot4.safety.authority import NotAuthorised
from bot4.safety.killswitch import Trip
from bot4.safety.marker import KillMarker

HERE = "http://127.0.0.1:9"
NONE = {"account": None, "release": None, "only_print": False, "as_json": True}


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BOT4_KEY_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("BOT4_CONTROL_DIR", str(tmp_path / "control"))
    monkeypatch.setenv("BOT4_RELEASE_PASSPHRASE", "five words drawn by dice")
    return tmp_path


def test_a_kill_marks_the_account_and_a_release_lifts_the_mark(state, capsys):
    marker = marker_of("binance", HERE, "main")
    with pytest.raises(OperatorError, match="marked: none"):
        release(**NONE)
    mark_on_kill(marker, FakeAlarm())(Trip(c.R_OPERATOR, "stop file", 5))
    with pytest.raises(SafetyError, match="stop file"):
        marker.require()
    with pytest.raises(NotAuthorised, match="keys new"):
        release(**NONE)
    keys_new(as_json=True)
    made = release(**{**NONE, "only_print": True})["release"]
    assert marker.read() is not None
    assert release(**{**NONE, "release": made})["was"] == "stop file"
    marker.require()
    marker.set("again", 6)
    with pytest.raises(NotAuthorised):
        release(**{**NONE, "release": made})
    release(**{**NONE, "only_print": True, "as_json": False})
    release(**{**NONE, "as_json": False})
    assert "is released by" in capsys.readouterr().out
    with pytest.raises(OperatorError, match="is not marked"):
        release(**{**NONE, "account": marker.account})


def test_with_several_marks_the_account_must_be_named(state):
    for owner in ("a", "b"):
        marker_of("binance", HERE, owner).set("x", 1)
    with pytest.raises(OperatorError, match="--account"):
        release(**NONE)


def test_a_mark_that_cannot_be_written_is_told(state):
    (state / "file").write_text("")
    alarm = FakeAlarm()
    mark_on_kill(KillMarker(state / "file", "a"), alarm)(Trip(c.R_OPERATOR, "", 5))
    assert alarm.told[0][0] == "critical"
    assert config.state_dir() == state / "state"


def test_a_guard_names_what_it_cannot_watch(state):
    more = {
        "endpoint": HERE, "run": "1", "beat": "1s", "missed": 3, "within": "20s", "dead_man": "0",
        "out": state / "g", "config": None, "sets": [], "as_json": True,
    }  # fmt: skip
    with pytest.raises(ConfigError, match="spot account"):
        guard(venue="binance-spot", **more)
    with pytest.raises(OperatorError, match="shows a heartbeat"):
        guard(venue="binance", **more)
