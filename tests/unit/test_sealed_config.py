"""Sealed configuration: one changed byte refuses, a change waits a day, an old version never comes back."""

import json
import shutil

import pytest

from bot4.app import config as configuration
from bot4.model.errors import CallerError, ConfigError
from bot4.safety.authority import NotAuthorised, new_keys, private_key
from bot4.safety.sealed import COOLDOWN_NS, KEY, SealError, active, seal, versions
from helpers import markets as m

NOW = 1_700_000_000_000_000_000
TEXT = '[risk]\nmax_position = "1 %"\n'
OTHER = '[risk]\nmax_position = "2 %"\n'
PHRASE = "five words drawn by dice"


@pytest.fixture
def keys(tmp_path):
    new_keys(tmp_path / "keys", PHRASE)
    return tmp_path / "keys"


@pytest.fixture
def folder(tmp_path, keys):
    seal(tmp_path / "sealed", TEXT, private_key(keys, PHRASE), "anna", NOW, keys)
    return tmp_path / "sealed"


def test_the_first_version_holds_at_once_a_change_after_a_day(folder, keys):
    assert active(folder, keys, NOW).text == TEXT
    second = seal(folder, OTHER, private_key(keys, PHRASE), "ben", NOW + 5, keys)
    assert second.holds_ns == NOW + 5 + COOLDOWN_NS
    assert active(folder, keys, NOW + 4 + COOLDOWN_NS).text == TEXT
    assert active(folder, keys, NOW + 5 + COOLDOWN_NS).text == OTHER
    with pytest.raises(CallerError, match="one proposal at a time"):
        seal(folder, TEXT, private_key(keys, PHRASE), "ben", NOW + 6, keys)


def test_the_settings_cannot_be_read_off_the_file(folder):
    assert b"max_position" not in (folder / "config-000001.sealed").read_bytes()


def test_every_changed_byte_refuses_to_start(folder, keys):
    """Every byte of the file, one at a time; also the key file."""
    for path in (folder / "config-000001.sealed", folder / KEY):
        good = path.read_bytes()
        for place in range(len(good)):
            bad = bytearray(good)
            bad[place] ^= 1
            path.write_bytes(bad)
            try:
                found = active(folder, keys, NOW)
            except SealError:
                continue
            finally:
                path.write_bytes(good)
            # white space between the fields of the file carries nothing
            assert found.text == TEXT
            assert chr(good[place]).isspace()


def test_a_damaged_new_version_does_not_bring_the_old_one_back(folder, keys):
    seal(folder, OTHER, private_key(keys, PHRASE), "ben", NOW, keys)
    (folder / "config-000002.sealed").write_text("{}")
    with pytest.raises(SealError, match="damaged"):
        active(folder, keys, NOW + 2 * COOLDOWN_NS)


def test_versions_cannot_be_left_out_or_swapped(folder, keys):
    seal(folder, OTHER, private_key(keys, PHRASE), "ben", NOW, keys)
    one, two = (folder / f"config-00000{k}.sealed" for k in (1, 2))
    first, second = one.read_bytes(), two.read_bytes()
    one.unlink()
    with pytest.raises(SealError, match="missing"):
        versions(folder, keys)
    one.write_bytes(second)
    two.write_bytes(first)
    with pytest.raises(SealError, match="not the version"):
        versions(folder, keys)


def test_a_shorter_cooldown_signed_by_hand_is_refused(folder, keys, monkeypatch):
    monkeypatch.setattr("bot4.safety.sealed.COOLDOWN_NS", 1)
    seal(folder, OTHER, private_key(keys, PHRASE), "ben", NOW, keys)
    monkeypatch.undo()
    with pytest.raises(SealError, match="before its cooldown"):
        versions(folder, keys)


def test_another_operators_signature_is_refused(folder, tmp_path):
    new_keys(tmp_path / "others", "")
    with pytest.raises(SealError, match="not signed with the operator's key"):
        active(folder, tmp_path / "others", NOW)
    with pytest.raises(NotAuthorised, match="keys new"):
        active(folder, tmp_path / "none", NOW)


def test_an_empty_folder_is_not_a_configuration(tmp_path, keys):
    with pytest.raises(SealError, match="no sealed configuration in force"):
        active(tmp_path, keys, NOW)


def test_the_commands(tmp_path, keys, monkeypatch):
    monkeypatch.setenv("BOT4_KEY_DIR", str(keys))
    monkeypatch.setenv("BOT4_RELEASE_PASSPHRASE", PHRASE)
    plain, folder = tmp_path / "my.toml", tmp_path / "s"
    plain.write_text(TEXT)
    made = m.bot4("config", "seal", plain, "--sealed", folder, "--json").doc
    assert made["versions"][0]["state"] == "in force"
    assert made["versions"][0]["changes"]["risk.max_position"][1] == "1 %"
    plain.write_text(OTHER)
    assert "waiting" in m.bot4("config", "seal", plain, "--sealed", folder).out
    shown = m.bot4("config", "sealed", "--sealed", folder, "--json").doc["versions"]
    assert [v["state"] for v in shown] == ["in force", "waiting"]
    assert shown[1]["changes"] == {"risk.max_position": ["1 %", "2 %"]}
    used = m.bot4("config", "show", "--config", folder, "--json").doc["risk.max_position"]
    assert used["value"] == "1 %"
    assert used["source"].endswith("version 1")
    refused = m.bot4("config", "show", "--config", folder, "--set", "risk.max_position=3 %")
    assert refused.code == 2
    assert "takes no --set" in refused.err
    plain.write_text("[risk]\nmax_positon = 1\n")
    assert m.bot4("config", "seal", plain, "--sealed", folder).code == 2
    body = json.loads((folder / "config-000001.sealed").read_text())
    body["holds_ns"] += 1
    (folder / "config-000001.sealed").write_text(json.dumps(body))
    tampered = m.bot4("run", "--config", folder, "--out", tmp_path / "j")
    assert tampered.code == 7
    assert "was edited" in tampered.err
    assert not (tmp_path / "j").exists()


def test_an_absent_file_is_still_a_config_error(tmp_path):
    with pytest.raises(ConfigError):
        configuration.load(tmp_path / "none.toml")
    shutil.rmtree(tmp_path)
