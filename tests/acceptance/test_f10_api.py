"""F10.1, .5, .6, .10: the control API of a run, attacked. Real HTTP; where trading matters, on the whole stack."""

import asyncio
import datetime as dt
import http.client
import ipaddress
import socket
import ssl
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from api_scene import JSON, Switch, api_of, settings_of, wait_for
from live_stack import exchange_of

from bot4.app.api import lockout, server
from bot4.app.api.listen import listen_of
from bot4.app.api.tokens import Token
from bot4.model.errors import ConfigError
from bot4.ports.alarm import FakeAlarm
from bot4.ports.clock import FakeClock
from helpers import markets as m

STRANGER, OPERATOR = "127.0.0.9", "127.0.0.2"
HOLDERS = [Token("phone", "stop", 1, "0" * 64)]


@pytest.fixture
def api(tmp_path):
    switch, alarm = Switch(), FakeAlarm()
    with api_of(tmp_path, switch, alarm) as made:
        made.switch, made.alarm = switch, alarm
        yield made


def certificate(folder, name="localhost"):
    """A self-signed certificate and its key, as two PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    secret.chmod(0o600)
    return cert, secret


# --- F10.1 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["0.0.0.0:8787", "192.168.1.5:8787", "[::]:8787", "[2001:db8::1]:8787"])
def test_f10_1_off_this_machine_without_tls_it_does_not_start_and_says_the_fix(where):
    with pytest.raises(ConfigError, match=r"no TLS; listen on 127\.0\.0\.1:PORT, or set api\.tls_cert"):
        listen_of(settings_of(f"api.listen={where}", "api.hosts=box"), HOLDERS)


def test_f10_1_the_run_command_refuses_before_it_begins_anything(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4_KEY_DIR", str(tmp_path / "keys"))
    out = tmp_path / "j"
    for command in (["run"], ["run", "--endpoint", "http://127.0.0.1:1"]):
        answer = m.bot4(*command, "--api", "0.0.0.0:8787", "--for", "1s", "--out", out)
        assert answer.code == 2 and "api.tls_cert" in answer.err
        bare = m.bot4(*command, "--api", "127.0.0.1:8787", "--for", "1s", "--out", out)
        assert bare.code == 2 and "bot4 keys token new stop" in bare.err  # without auth not even here
    assert not out.exists()


def test_f10_1_with_tls_it_still_needs_a_token_that_may_stop_and_a_name(tmp_path):
    cert, key = certificate(tmp_path)
    sets = ["api.listen=0.0.0.0:8787", f"api.tls_cert={cert}", f"api.tls_key={key}"]
    with pytest.raises(ConfigError, match="bot4 keys token new stop"):
        listen_of(settings_of(*sets, "api.hosts=box"), [Token("monitor", "read", 1, "0" * 64)])
    with pytest.raises(ConfigError, match=r"api\.hosts"):
        listen_of(settings_of(*sets), HOLDERS)
    key.chmod(0o604)
    with pytest.raises(ConfigError, match="chmod 600"):
        listen_of(settings_of(*sets, "api.hosts=box"), HOLDERS)
    key.chmod(0o600)
    found = listen_of(settings_of(*sets, "api.hosts=box"), HOLDERS)
    assert found.tls.minimum_version == ssl.TLSVersion.TLSv1_2
    for wrong, text in (
        (["api.listen=127.0.0.1"], "ADDRESS:PORT"),
        (["api.listen=example.org:80"], "ADDRESS:PORT"),
        (["api.listen=127.0.0.1:99999"], "ADDRESS:PORT"),
        (["api.listen=127.0.0.1:1", f"api.tls_cert={cert}"], "come together"),
        (["api.listen=127.0.0.1:1", f"api.tls_cert={cert}", "api.tls_key=/nowhere"], "no such file"),
        (["api.listen=127.0.0.1:1", f"api.tls_cert={key}", f"api.tls_key={key}"], "belong together"),
    ):
        with pytest.raises(ConfigError, match=text):
            listen_of(settings_of(*wrong), HOLDERS)


def test_f10_1_over_tls_it_serves_and_without_it_nothing_is_said(tmp_path):
    cert, key = certificate(tmp_path)
    switch = Switch()
    sets = ["api.listen=0.0.0.0:0", f"api.tls_cert={cert}", f"api.tls_key={key}", "api.hosts=localhost"]
    with api_of(tmp_path, switch, FakeAlarm(), *sets) as api:
        assert api.api.url.startswith("https://")
        assert api.call("GET", "/health", api.read, cafile=cert)[1] == {"status": "starting", "age_s": None}
        with pytest.raises((OSError, http.client.HTTPException)):
            api.call("GET", "/health", api.read)
        assert api.call("POST", "/stop", api.stop, headers=JSON, body="{}", cafile=cert)[0] == 202
    assert len(switch.pressed) == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_f10_1_the_served_exchange_refuses_too(host):
    answer = m.bot4("exchange", "serve", "--host", host)
    assert answer.code == 2 and "127.0.0.1" in answer.err and "without a password" in answer.err


# --- F10.5 ---------------------------------------------------------------------------------------

FORGED = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP")


def forged(k):
    return {name: f"10.0.0.{k}" if name != "Forwarded" else f"for=10.0.0.{k}" for name in FORGED}


def test_f10_5_twenty_wrong_tokens_shut_the_peer_out_whatever_its_headers_say(api):
    answers = [
        api.call("GET", "/state", f"guess-{k}", peer=STRANGER, headers=forged(k) if k % 2 else None)
        for k in range(20)
    ]
    assert [a[0] for a in answers] == [401] * lockout.FREE + [429] * (20 - lockout.FREE)
    assert int(answers[-1][2]["Retry-After"]) > 0
    assert api.press(api.stop, peer=STRANGER)[0] == 429  # shut out is shut out, also with a right one
    assert api.call("GET", "/state", api.read, peer=OPERATOR)[0] == 200  # others are not
    critical = [text for level, text in api.alarm.told if level == "critical"]
    assert len(critical) == 1 and STRANGER in critical[0] and "trading goes on" in critical[0]
    refused = [n for n in api.notes() if n["what"] == "refused: token"]
    assert [n["count"] for n in refused] == [1, 2, 3, 4, 5]
    assert {n["peer"] for n in refused} == {STRANGER}
    assert not any("guess" in str(note) for note in api.notes())
    assert not api.switch.latched
    assert api.press(api.stop, peer=OPERATOR)[0] == 202 and api.switch.latched


def test_f10_5_the_wait_doubles_to_a_most_and_a_right_token_makes_good():
    clock = FakeClock()
    doors = lockout.Lockout(clock)
    for _ in range(lockout.FREE - 1):
        assert doors.wrong("a")[1] == 0
    spans = []
    for _ in range(8):
        spans.append(doors.wrong("a")[1])
        assert doors.shut_s("a") == spans[-1] and doors.shut_s("b") == 0
        clock.advance(spans[-1] * 10**9 - 1)
        assert doors.shut_s("a") == 1
        clock.advance(1)
        assert doors.shut_s("a") == 0
    assert spans == [30, 60, 120, 240, 480, 900, 900, 900]
    assert doors.wrong("a")[2] == 2  # how many were turned away meanwhile
    doors.right("a")
    assert doors.wrong("a")[:2] == (1, 0)
    clock.advance(lockout.FORGOTTEN_NS + 1)
    assert doors.wrong("a")[0] == 1
    for k in range(lockout.MOST_PEERS + 10):
        doors.wrong(f"peer {k}")
    assert len(doors._peers) == lockout.MOST_PEERS


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("192.168.1.7", "192.168.1.7"),
        ("::ffff:192.168.1.7", "192.168.1.7"),
        ("::1", "::1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
    ],
)
def test_f10_5_a_peer_is_an_address_and_with_ipv6_its_network(address, peer):
    assert lockout.peer_of(address) == peer


def test_f10_5_a_page_cannot_shut_out_the_machine_it_runs_on(api):
    """What a browser can be made to send holds no token, and counts as no guess."""
    for _ in range(3 * lockout.FREE):
        assert api.call("GET", "/state")[0] == 401
        assert api.call("GET", "/state", "guess", headers={"Origin": "https://evil.example"})[0] == 403
    assert api.call("GET", "/state", api.read)[0] == 200


def ended(line):
    """Whether the other side has ended the connection."""
    line.setblocking(False)
    try:
        return line.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_f10_5_connections_that_only_stand_there_leave_room_for_others(api):
    held = []
    try:
        for _ in range(3 * server.MOST_OF_A_PEER):
            line = socket.create_connection(("127.0.0.1", api.api.port), 5, source_address=(STRANGER, 0))
            held.append(line)
        assert api.call("GET", "/state", api.read, peer=OPERATOR)[0] == 200
        most = 3 * server.MOST_OF_A_PEER - server.MOST_OF_A_PEER
        wait_for(lambda: sum(map(ended, held)) == most, 20)  # those beyond the most of a peer
        assert [ended(line) for line in held[: server.MOST_OF_A_PEER]] == [False] * server.MOST_OF_A_PEER
    finally:
        for line in held:
            line.close()


async def test_f10_5_a_lockout_does_not_touch_trading_and_the_rightful_stop_works(tmp_path):
    async with exchange_of("perp", tmp_path) as stack:
        async with stack.session() as live:
            with api_of(tmp_path, stack.switch, stack.alarm) as api:
                await live.enter()
                for k in range(20):
                    await asyncio.to_thread(api.call, "GET", "/state", f"no {k}", peer=STRANGER)
                assert api.call("GET", "/state", "no", peer=STRANGER)[0] == 429
                live.wish = -1.0
                await live.until(lambda: live.lots == stack.lots == -10, "trading goes on")
                assert not stack.switch.latched
                assert (await asyncio.to_thread(api.press, api.stop, peer=OPERATOR))[0] == 202
                document = await stack.job
        assert stack.lots == 0 and stack.open_orders() == []
        assert document["ended_by"].startswith("kill switch: api: phone from 127.0.0.2: test")
        assert stack.verified()


async def test_f10_5_during_a_lockout_the_stop_file_works(tmp_path):
    async with exchange_of("perp", tmp_path) as stack:
        async with stack.session() as live:
            with api_of(tmp_path, stack.switch, stack.alarm) as api:
                await live.ready()
                for k in range(20):
                    await asyncio.to_thread(api.call, "GET", "/state", f"no {k}")
                assert api.press(api.stop)[0] == 429
                stack.switch.stop_file.write_text("")
                stack.switch.look()
                assert (await stack.job)["ended_by"].startswith("kill switch")


# --- F10.6 ---------------------------------------------------------------------------------------

CROSS = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
FOREIGN = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "",
]


@pytest.mark.parametrize("headers", CROSS)
def test_f10_6_a_page_of_another_site_cannot_stop_even_with_the_token(api, headers):
    assert api.press(api.stop, **headers)[0] == 403
    assert api.call("GET", "/state", api.read, headers=headers)[0] == 403
    assert not api.switch.latched
    assert [n["what"] for n in api.notes()] == ["refused: cross-site"] * 2
    assert any("another site" in text for _, text in api.alarm.told)


@pytest.mark.parametrize("host", FOREIGN)
def test_f10_6_a_name_that_was_bent_to_this_machine_is_not_served(api, host):
    assert api.press(api.stop, Host=host.format(port=api.api.port))[0] == 421
    assert not api.switch.latched
    assert [n["what"] for n in api.notes()] == ["refused: host"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_f10_6_a_form_cannot_stop(api, kind):
    headers = {} if kind is None else {"Content-Type": kind}
    assert api.call("POST", "/stop", api.stop, headers=headers, body="{}")[0] == 415
    assert not api.switch.latched


def test_f10_6_no_cookie_no_address_and_no_answer_lets_another_site_in(api):
    cookie = {"Cookie": f"token={api.stop}; Authorization=Bearer {api.stop}"}
    assert api.press("", **cookie)[0] == 401
    assert api.call("POST", f"/stop?token={api.stop}", headers=JSON, body="{}")[0] == 401
    status, _, headers = api.call("OPTIONS", "/stop", headers={"Access-Control-Request-Method": "POST"})
    assert status == 405
    told = {name.lower() for name in headers}
    assert not any(name.startswith("access-control") for name in told) and "set-cookie" not in told
    assert not api.switch.latched
    assert api.press(api.stop, Origin=f"http://localhost:{api.api.port}")[0] == 202


# --- F10.10 --------------------------------------------------------------------------------------


def test_f10_10_a_stolen_read_token_cannot_stop_and_it_is_written_down(api):
    status, said, _ = api.press(api.read, peer=STRANGER)
    assert (status, said["error"]) == (403, "a read token may not stop")
    assert not api.switch.latched
    [note] = [n for n in api.notes() if n["what"] == "refused: role"]
    assert (note["token"], note["peer"], note["path"]) == ("monitor", STRANGER, "/stop")
    assert any("keys token revoke monitor" in text for level, text in api.alarm.told if level == "critical")
    for method in ("PUT", "DELETE", "PATCH", "POST"):
        assert api.call(method, "/state", api.read, headers=JSON, body="{}")[0] == 405


def test_f10_10_a_revoked_token_opens_nothing_from_then_on(api, monkeypatch):
    monkeypatch.setenv("BOT4_KEY_DIR", str(api.tokens.parent))
    assert api.call("GET", "/state", api.read)[0] == 200
    assert m.bot4("keys", "token", "revoke", "monitor").code == 0
    assert api.call("GET", "/state", api.read)[0] == 401
    assert m.bot4("keys", "token", "revoke", "monitor").code == 2
    assert [t["name"] for t in m.bot4("keys", "token", "list", "--json").doc["tokens"]] == ["phone"]


# --- what it is for ------------------------------------------------------------------------------


async def test_the_stop_works_while_the_loop_hangs(tmp_path):
    """The calls below block the very loop that trades; the API answers from its own thread."""
    async with exchange_of("perp", tmp_path) as stack:
        async with stack.session() as live:
            with api_of(tmp_path, stack.switch, stack.alarm) as api:
                await live.enter()
                api.board.beat()
                assert api.call("GET", "/health", api.read)[:2][0] == 200
                # nothing turns while this waits
                wait_for(lambda: api.call("GET", "/health", api.read)[1]["status"] == "silent", 30)
                assert api.call("GET", "/health", api.read)[0] == 503
                assert api.press(api.stop)[0] == 202
                assert stack.switch.latched and stack.lots == 10  # raised; the loop has had no turn yet
                assert api.call("GET", "/health", api.read)[1]["status"] == "stopped"
                await stack.job
        assert stack.lots == 0
        assert [n["what"] for n in api.notes()] == ["read", "stop"]


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "7", '{"reason": 5}', '{"reason": "\\u001b[2J a\\nb"}', "x" * 9000, "[" * 4000]
)
def test_words_that_cannot_be_read_do_not_keep_a_stop_from_being_done(api, body):
    assert api.press(api.stop, body=body)[0] == 202
    [words] = api.switch.pressed
    assert words.isprintable() and len(words) < 300


@pytest.mark.parametrize(
    "body",
    ["Content-Length: 50\r\n\r\n{", 'Transfer-Encoding: chunked\r\n\r\n5\r\n{"rea'],
    ids=["late", "cut"],
)
@pytest.mark.parametrize("hangs_up", [False, True])
def test_a_stop_does_not_wait_for_its_words(api, body, hangs_up):
    head = (
        f"POST /stop HTTP/1.1\r\nHost: 127.0.0.1:{api.api.port}\r\nAuthorization: Bearer {api.stop}\r\n"
        f"Content-Type: application/json\r\n{body}"
    )
    with socket.create_connection(("127.0.0.1", api.api.port), 10) as line:
        line.sendall(head.encode())
        if hangs_up:
            line.shutdown(socket.SHUT_WR)
        else:
            assert line.recv(100).startswith(b"HTTP/1.1 202")
        wait_for(lambda: api.switch.latched, 10)


METHODS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "MKCOL", "LOCK", "COPY", "MERGE")
PATHS = ("/", "/state", "/health", "/stop", "/stop/", "/orders", "/positions/1", "/config", "/mode", "//stop")


@pytest.mark.parametrize("token", ["read", "stop", None])
def test_s5_every_changing_method_but_the_stop_is_405(api, token):
    given = None if token is None else getattr(api, token)
    for method in METHODS:
        for path in PATHS:
            if (method, path) != ("POST", "/stop"):
                assert api.call(method, path, given, headers=JSON, body="{}")[0] == 405, (method, path)
    assert not api.switch.latched


def test_s5_the_route_table_changes_one_thing():
    changing = {route for route in server.ROUTES if route[0] not in server.READING}
    assert changing == {("POST", "/stop")}
    assert set(server.ROUTES.values()) == {"read", "stop"}


def test_reading(api):
    assert api.call("GET", "/nothing", api.read)[0] == 404
    assert api.call("HEAD", "/state", api.read)[0] == 200
    api.board.post({"mode": "live", "control": "pause", "holdings": {"count": 2, "value": 10.5}})
    status, state, headers = api.call("GET", "/state", api.stop)
    assert (status, state["mode"], state["positions"]) == (200, "pause", {"count": 2, "value": 10.5})
    assert headers["Cache-Control"] == "no-store" and headers["Server"] == "bot4"


def test_a_port_that_is_taken_is_said(api, tmp_path):
    with pytest.raises(Exception, match="name another port"):
        with api_of(tmp_path / "other", Switch(), FakeAlarm(), f"api.listen=127.0.0.1:{api.api.port}"):
            raise AssertionError("it listens")


def test_an_access_journal_that_cannot_be_written_is_told_and_stops_nothing(api):
    (api.folder / "journal.access").write_text("a file in the way")
    assert api.press(api.stop)[0] == 202 and api.switch.latched
    assert any("access journal" in text for _, text in api.alarm.told)


def test_strangers_cannot_fill_the_access_journal(api, monkeypatch):
    monkeypatch.setattr("bot4.app.trail.MOST_AN_HOUR", 3)
    for _ in range(10):
        api.call("GET", "/state", headers={"Origin": "https://evil.example"})
    assert api.press(api.stop)[0] == 202  # what only a holder can cause is always written
    notes = api.notes()
    assert [n["what"] for n in notes] == ["refused: cross-site"] * 3 + ["stop"]
    assert notes[-1]["left_out_before"] == 7


def test_tokens_that_others_can_read_open_nothing(api):
    api.tokens.chmod(0o644)
    assert api.call("GET", "/state", api.read)[0] == 503
    assert any("chmod 600" in text for level, text in api.alarm.told if level == "critical")
    api.tokens.chmod(0o600)
    assert api.call("GET", "/state", api.read)[0] == 200


JUNK = (
    b"\x16\x03\x01\x02\x00\x01" * 20,
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /state HTTP/1.1\r\nHost: a\r\nHost: b\r\nAuthorization: Bearer canary\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
)


def test_bytes_that_are_no_request_are_written_down_by_kind_and_printed_nowhere(api, capfd):
    for junk in JUNK:
        with socket.create_connection(("127.0.0.1", api.api.port), 10) as line:
            line.sendall(junk)
            assert b" 400 " in line.recv(100)
    assert {n["what"] for n in api.notes()} == {"refused: not HTTP"}
    assert "canary" not in str(api.notes())
    assert capfd.readouterr() == ("", "")
    assert api.call("GET", "/state", api.read)[0] == 200


def test_an_error_of_the_api_itself_is_told_and_it_goes_on(api, monkeypatch):
    monkeypatch.setattr(api.board, "state", lambda: 1 / 0)
    assert api.call("GET", "/state", api.read)[0] == 500
    assert any("ZeroDivisionError" in text for level, text in api.alarm.told if level == "critical")
    assert api.press(api.stop)[0] == 202
