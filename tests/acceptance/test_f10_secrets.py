"""F10.2, F10.3: secrets that can be guessed, and keys that may withdraw."""

import asyncio
import hashlib
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from live_stack import KEY, exchange_of

from bot4.app.api import tokens
from bot4.app.commands.exchange import read_accounts
from bot4.model.errors import ConfigError, SafetyError
from bot4.safety.authority import new_keys
from bot4.safety.strength import weakness
from helpers import markets as m

WEAK = [
    "", "short", "elevenchars", "aaaaaaaaaaaaaaaa", "abababababababab", "123456789012", "987654321098",
    "changeme1234", "CHANGEME-please-".replace("please-", "CHANGEME"), "P@ssw0rd!2024", "SuperSecret1!",
    "somethingRandom", "mysecretpassword", "bot4-bot4-bot4", "testtesttest", "admin:admin1", "passphrase!!!!!",
    "default-password", "000000000000", "!!!!!!!!!!!!!",
]  # fmt: skip
STRONG = [
    "five words drawn by dice",
    "canary-5e1f-do-not-print",
    "8Jq!x2-Lmv9#",
    "passerine otter",
    "739104628517",
]


@pytest.mark.parametrize("secret", WEAK)
def test_f10_2_a_default_or_short_secret_is_weak(secret):
    assert weakness(secret)


@pytest.mark.parametrize("secret", STRONG)
def test_f10_2_one_that_nobody_can_guess_is_not(secret):
    assert weakness(secret) is None


def test_f10_2_a_very_long_secret_is_judged_at_once():
    assert weakness("password" * 50_000) is None


@pytest.mark.parametrize("phrase", ["", "phrase", "changeme1234"])
def test_f10_2_every_command_that_takes_a_pass_phrase_refuses_it(tmp_path, monkeypatch, phrase):
    monkeypatch.setenv("BOT4_KEY_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("BOT4_RELEASE_PASSPHRASE", phrase)
    answer = m.bot4("keys", "new")
    assert answer.code == 2 and "BOT4_RELEASE_PASSPHRASE is refused" in answer.err
    assert not (tmp_path / "keys").exists()
    new_keys(tmp_path / "keys", phrase)  # one of an earlier time
    settings = tmp_path / "my.toml"
    settings.write_text('[risk]\nmax_position = "1 %"\n')
    for command in (["config", "seal", settings, "--sealed", tmp_path / "s"], ["resume", "--for-run", "x"]):
        answer = m.bot4(*command)
        assert answer.code == 2 and "is refused" in answer.err
        assert len(phrase) < 3 or phrase not in answer.out + answer.err
    assert not (tmp_path / "s").exists()


def test_f10_2_a_pass_phrase_typed_by_hand_is_judged_alike(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_KEY_DIR", str(tmp_path / "keys"))
    monkeypatch.delenv("BOT4_RELEASE_PASSPHRASE", raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "password1234")
    answer = m.bot4("keys", "new")
    assert answer.code == 2 and "the passphrase is refused: it is a well-known default" in answer.err
    monkeypatch.setattr("getpass.getpass", lambda prompt: STRONG[0])
    assert m.bot4("keys", "new").code == 0


def test_f10_2_an_account_of_the_served_exchange_with_a_default_secret_is_refused(tmp_path):
    file = tmp_path / "accounts.json"
    for secret in ("secret", "changeme1234"):
        file.write_text(json.dumps({"accounts": [{"key": "mine", "secret": secret}]}))
        with pytest.raises(ConfigError, match=r"account 1\.secret is refused"):
            read_accounts(file)


def test_f10_2_a_token_is_drawn_kept_as_a_hash_and_never_a_default(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_KEY_DIR", str(tmp_path / "keys"))
    made = m.bot4("keys", "token", "new", "stop", "--name", "phone", "--json").doc
    again = m.bot4("keys", "token", "new", "read", "--json").doc
    file = Path(made["file"])
    assert file.stat().st_mode & 0o777 == 0o600 and made["token"] != again["token"]
    assert made["token"].startswith("bot4-stop-") and len(made["token"]) == len("bot4-stop-") + 43  # 256 bits
    text = file.read_text()
    assert made["token"] not in text and hashlib.sha256(made["token"].encode()).hexdigest() in text
    found = tokens.read_tokens(file)
    assert [(t.name, t.role) for t in found] == [("phone", "stop"), ("read", "read")]
    assert tokens.holder(found, made["token"]).name == "phone"
    assert tokens.holder(found, made["token"][:-1]) is None and tokens.holder(found, "") is None
    assert m.bot4("keys", "token", "new", "stop", "--name", "phone").code == 2
    assert m.bot4("keys", "token", "new", "trade").code == 2
    assert m.bot4("keys", "token", "new", "read", "--name", "../x").code == 2
    assert m.bot4("keys", "token", "list").out.count("\n") == 2
    rows = json.loads(text)
    for word in ("changeme", "secret", ""):
        rows[0]["sha256"] = hashlib.sha256(word.encode()).hexdigest()
        file.write_text(json.dumps(rows))
        answer = m.bot4("run", "--api", "127.0.0.1:0", "--for", "1s")
        assert answer.code == 2 and "phone is a default" in answer.err
    for broken in ("{", "[1]", '[{"name": "x"}]', json.dumps([{**rows[0], "role": "root"}])):
        file.write_text(broken)
        with pytest.raises(ConfigError, match="is damaged"):
            tokens.read_tokens(file)


async def test_f10_3_a_key_that_may_withdraw_is_refused_live_with_the_fix(tmp_path):
    async with exchange_of("perp", tmp_path) as stack:
        stack.exchange.account(KEY).can_withdraw = True
        with pytest.raises(
            SafetyError, match=r"withdrawal right: the key may withdraw.*switch withdrawals off"
        ):
            async with stack.session() as live:
                live.wish = 1.0
                async with asyncio.timeout(30):
                    await stack.job
        assert stack.orders() == []
        stack.exchange.account(KEY).can_withdraw = False
        async with stack.session() as live:
            await live.ready()


async def test_f10_3_on_spot_the_rights_of_the_key_count(tmp_path):
    async with exchange_of("spot", tmp_path) as stack:
        stack.exchange.account(KEY).can_withdraw = True
        with pytest.raises(SafetyError, match="the key may withdraw"):
            async with stack.session(), asyncio.timeout(30):
                await stack.job
        assert stack.orders() == []
