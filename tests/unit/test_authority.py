"""Releases: only the operator's key, only for this run, only in time, only once."""

import base64
import itertools
import json
import stat

import pytest

from bot4.model import codes_nb as c
from bot4.model.errors import CallerError
from bot4.safety.authority import (
    AHEAD_NS,
    PRIVATE,
    PUBLIC,
    Authority,
    NotAuthorised,
    Release,
    new_keys,
    private_key,
    sign,
)
from bot4.safety.inbox import MOST_BYTES, Inbox, post

NOW = 1_700_000_000_000_000_000
GOOD = Release("7-1", c.MODE_NORMAL, NOW, NOW + 10**9, "anna")


@pytest.fixture
def keys(tmp_path):
    folder = tmp_path / "keys"
    new_keys(folder, "open sesame")
    return folder


def test_a_good_release_is_accepted_once(keys):
    text = sign(private_key(keys, "open sesame"), GOOD)
    authority = Authority(keys, "7-1")
    assert authority.accept(text, NOW) == GOOD
    with pytest.raises(NotAuthorised, match="used before"):
        authority.accept(text, NOW)


@pytest.mark.parametrize(
    ("release", "now", "what"),
    [
        (Release("7-2", 0, NOW, NOW + 9, "anna"), NOW, "for run 7-2"),
        (GOOD, NOW + 10**9 + 1, "not valid at this time"),
        (GOOD, NOW - AHEAD_NS - 1, "not valid at this time"),
        (Release("7-1", 9, NOW, NOW + 9, "anna"), NOW, "mode 9"),
    ],
)
def test_a_release_of_another_run_or_time_is_refused(keys, release, now, what):
    text = sign(private_key(keys, "open sesame"), release)
    with pytest.raises(NotAuthorised, match=what):
        Authority(keys, "7-1").accept(text, now)


def test_every_changed_byte_is_found(keys):
    text = sign(private_key(keys, "open sesame"), GOOD)
    raw = [base64.urlsafe_b64decode(part) for part in text.split(".")]
    authority = Authority(keys, "7-1")
    for part, place, bit in itertools.product((0, 1), range(0, 64, 7), (1, 128)):
        changed = [bytearray(r) for r in raw]
        changed[part][place % len(changed[part])] ^= bit
        forged = ".".join(base64.urlsafe_b64encode(bytes(r)).decode() for r in changed)
        with pytest.raises(NotAuthorised):
            authority.accept(forged, NOW)


@pytest.mark.parametrize("text", ["", "abc", "a.b.c", "!!.??", "e30=."])
def test_nonsense_is_refused_in_words(keys, text):
    with pytest.raises(NotAuthorised):
        Authority(keys, "7-1").accept(text, NOW)


def test_another_key_is_refused(keys, tmp_path):
    new_keys(tmp_path / "other", "")
    text = sign(private_key(tmp_path / "other", ""), GOOD)
    with pytest.raises(NotAuthorised, match="not signed with the operator's key"):
        Authority(keys, "7-1").accept(text, NOW)


def test_a_signed_body_of_another_form_is_refused(keys):
    key = private_key(keys, "open sesame")
    body = json.dumps({"run": "7-1"}).encode()
    text = f"{base64.urlsafe_b64encode(body).decode()}.{base64.urlsafe_b64encode(key.sign(body)).decode()}"
    with pytest.raises(NotAuthorised, match="another version"):
        Authority(keys, "7-1").accept(text, NOW)


def test_keys_are_private_never_overwritten_and_need_their_passphrase(keys):
    for name in (PRIVATE, PUBLIC):
        assert stat.S_IMODE((keys / name).stat().st_mode) == 0o600
    before = (keys / PRIVATE).read_bytes()
    assert b"ENCRYPTED" in before
    with pytest.raises(CallerError, match="never overwritten"):
        new_keys(keys, "")
    assert (keys / PRIVATE).read_bytes() == before
    for wrong in ("", "open"):
        with pytest.raises(NotAuthorised, match="cannot be opened"):
            private_key(keys, wrong)


def test_without_keys_nothing_is_authorised(tmp_path):
    with pytest.raises(NotAuthorised, match="keys new"):
        private_key(tmp_path, "")
    with pytest.raises(NotAuthorised, match="keys new"):
        Authority(tmp_path, "7-1").accept("e30=.e30=", NOW)


@pytest.fixture
def inbox(keys, tmp_path):
    return Inbox(tmp_path / "inbox", Authority(keys, "7-1"))


def answer_of(inbox, name):
    return json.loads((inbox.folder / f"{name}.answer").read_text())


def test_the_inbox_takes_modes_and_releases_in_order(inbox, keys):
    post(inbox.folder, "2", {"release": sign(private_key(keys, "open sesame"), GOOD)})
    post(inbox.folder, "1", {"mode": "pause", "by": "ben"})
    first, second = inbox.take(NOW)
    assert (first.name, first.mode, first.authorised, first.by) == ("1", c.MODE_PAUSE, False, "ben")
    assert (second.mode, second.authorised, second.by) == (c.MODE_NORMAL, True, "anna")
    assert inbox.take(NOW) == []


@pytest.mark.parametrize(
    "command",
    [{"mode": "normal"}, {"mode": "faster"}, {}, {"release": "x.y"}, {"order": "buy"}, ["mode"], "mode"],
)
def test_what_the_inbox_cannot_take_is_answered_and_changes_nothing(inbox, command):
    answer = post(inbox.folder, "1", command)
    assert inbox.take(NOW) == []
    assert json.loads(answer.read_text())["accepted"] is False
    assert list(inbox.folder.glob("*.cmd")) == []


def test_a_command_that_is_no_json_or_too_large_is_answered(inbox):
    (inbox.folder / "1.cmd").write_text("{")
    (inbox.folder / "2.cmd").write_text(" " * (MOST_BYTES + 1))
    assert inbox.take(NOW) == []
    assert not answer_of(inbox, "1")["accepted"]
    assert "larger" in answer_of(inbox, "2")["text"]
    inbox.close()
    assert not inbox.folder.exists()
