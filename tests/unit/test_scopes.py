"""Parts of a run that can be stopped: their names, the operator's words for them, the marks on the account."""

import json

import pytest

from bot4.app.live import plain_line, sections
from bot4.model import codes_nb as c
from bot4.model.errors import CallerError
from bot4.safety.authority import GOOD_FOR_NS, Authority, NotAuthorised, Release, new_keys, private_key, sign
from bot4.safety.inbox import Asked, Freed, Inbox, Stopped, post
from bot4.safety.marker import KillMarker, PartMarks
from bot4.safety.modes_nb import halt_nb
from bot4.safety.scopes import Raised, Scope, Scopes
from bot4.safety.state import new_halts

META = {"strategy": "/home/me/mine.py:Mine", "data": {"venues": ["binance-usdm"]}}
PARTS = Scopes.of(["A-USDT", "B-USDT"], META)


def test_the_parts_of_a_run_and_their_names():
    assert [str(s) for s in PARTS.every()] == [
        "instrument A-USDT", "instrument B-USDT", "strategy Mine", "venue binance-usdm",
    ]  # fmt: skip
    assert PARTS.find("instrument", "B-USDT") == Scope(c.SCOPE_INSTRUMENT, 1, "B-USDT")
    assert PARTS.find("strategy", "/elsewhere/mine.py:Mine").name == "Mine"
    assert PARTS.find("", "binance-usdm").code == c.SCOPE_VENUE
    assert PARTS.under(PARTS.find("", "Mine")) == (0, 1)
    assert PARTS.under(PARTS.find("", "B-USDT")) == (1,)


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("instrument", "C-USDT", "no instrument 'C-USDT' in this run; it has instrument A-USDT, instrument B-USDT"),
        ("strategy", "hybrid", "it has strategy Mine"),
        ("venue", "kraken", "it has venue binance-usdm"),
        ("", "x", "no part 'x'"),
        ("instrument", "Mine", "no instrument 'Mine'"),
        ("everything", "A-USDT", "it has none"),
        ("instrument", "", "no instrument ''"),
    ],
)  # fmt: skip
def test_what_a_run_does_not_have_is_refused_with_the_list(kind, name, said):
    with pytest.raises(CallerError, match=said):
        PARTS.find(kind, name)


@pytest.mark.parametrize("data", [None, {}, {"venues": ["a", "b"]}])
def test_data_of_several_venues_have_no_venue_to_stop(data):
    parts = Scopes.of(["A-USDT"], {"strategy": "hybrid", "data": data})
    assert parts.known("venue", "a") is None
    assert parts.known("venue", "") is None


@pytest.mark.parametrize("scope", PARTS.every())
def test_a_part_is_found_in_the_engines_latches(scope):
    halts = new_halts(2)
    halt_nb(halts, scope.code, scope.instrument, c.R_FILE, 77)
    assert PARTS.raised(halts) == [Raised(scope, 77, c.R_FILE)]
    assert PARTS.row(scope, halts)["ts"] == 77


@pytest.fixture
def inbox(tmp_path):
    new_keys(tmp_path / "keys", "")
    return Inbox(tmp_path / "in", Authority(tmp_path / "keys", "run"))


def signed(tmp_path, scope, run="run"):
    release = Release(run, c.MODE_NORMAL, 10, 10 + GOOD_FOR_NS, "me", scope)
    return sign(private_key(tmp_path / "keys", ""), release)


def test_words_of_parts_come_through_the_inbox(inbox, tmp_path):
    post(inbox.folder, "1", {"stop": "instrument", "part": "A-USDT", "by": "me"})
    post(inbox.folder, "2", {"release": signed(tmp_path, "instrument A-USDT")})
    post(inbox.folder, "3", {"release": signed(tmp_path, "")})
    (inbox.folder / "B-USDT.stop").write_text("anything at all")
    assert inbox.take(20) == [
        Stopped("B-USDT.stop", "", "B-USDT", "stop file"),
        Stopped("1", "instrument", "A-USDT", "me"),
        Freed("2", "instrument", "A-USDT", "me"),
        Asked("3", c.MODE_NORMAL, True, "me"),
    ]
    assert inbox.take(21) == []  # each is taken once


def test_a_release_of_another_run_or_a_changed_scope_is_not_accepted(inbox, tmp_path):
    body, signature = signed(tmp_path, "instrument A-USDT").split(".")
    other = signed(tmp_path, "instrument B-USDT").split(".")[0]
    for name, text in {
        "1": f"{other}.{signature}",
        "2": signed(tmp_path, "instrument A-USDT", "else"),
    }.items():
        post(inbox.folder, name, {"release": text})
    assert inbox.take(20) == []
    answers = [json.loads(p.read_text()) for p in sorted(inbox.folder.glob("*.answer"))]
    assert [a["accepted"] for a in answers] == [False, False]
    assert body


def test_marks_of_parts_outlive_the_process_and_a_damaged_one_holds(tmp_path):
    marks = PartMarks(tmp_path / "state", "venue-1")
    assert marks.read() == {}
    marks.set("instrument", "A/B:USDT", "by me", 5)
    marks.set("instrument", "A/B:USDT", "later", 6)
    marks.set("strategy", "Mine", "by me", 7)
    again = PartMarks(tmp_path / "state", "venue-1")
    assert again.read() == {("instrument", "A/B:USDT"): "by me", ("strategy", "Mine"): "by me"}
    for path in (tmp_path / "state").iterdir():
        path.write_text("{")
    assert again.read() == {("instrument", "A/B:USDT"): "the mark is damaged", ("strategy", "Mine"): "the mark is damaged"}  # fmt: skip
    assert PartMarks(tmp_path / "state", "venue-12").read() == {}  # another account
    KillMarker(tmp_path / "state", "venue-1").require()  # the account itself is not marked as killed
    again.lift("instrument", "A/B:USDT")
    assert list(again.read()) == [("strategy", "Mine")]


def test_a_release_of_a_part_does_not_lift_the_mark_of_a_kill(tmp_path):
    new_keys(tmp_path / "keys", "")
    marker = KillMarker(tmp_path / "state", "venue-1")
    marker.set("kill", 5)
    with pytest.raises(NotAuthorised, match="alone"):
        marker.lift(tmp_path / "keys", signed(tmp_path, "instrument A-USDT", marker.read().run), 20)
    assert marker.read() is not None
    marker.lift(tmp_path / "keys", signed(tmp_path, "", marker.read().run), 20)
    assert marker.read() is None


def test_the_screen_says_what_is_stopped():
    snapshot = {"mode": "live", "control": "normal", "stopped": ["instrument A-USDT", "venue binance-usdm"]}
    assert "STOPPED instrument A-USDT, venue binance-usdm" in plain_line(snapshot)
    from rich.console import Console

    console = Console(width=120, record=True)
    console.print(sections(snapshot)[0].body)
    assert "STOPPED instrument A-USDT, venue binance-usdm" in console.export_text()
    assert "STOPPED" not in plain_line({**snapshot, "stopped": []})
