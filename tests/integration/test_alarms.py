"""Alarms over a real HTTP server on loopback: delivery, silence for repeats, escalation, heartbeat."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bot4.model.errors import ConfigError
from bot4.monitoring.alarms import MOST_WAITING, SECOND, AlarmHub, AppriseChannel, Heartbeat, channels_of
from bot4.ports.clock import FakeClock
from bot4.safety.system_clock import SystemClock

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:apprise", "ignore::DeprecationWarning:requests"
)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted; /broken refuses."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 500 if self.path == "/broken" else 200
        if status == 200:
            self.server.got.append((self.path, json.loads(body)))
        self.send_response(status)
        self.end_headers()

    def do_GET(self):
        self.server.got.append((self.path, None))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def outside():
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.got = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def address(server, path):
    return f"json://127.0.0.1:{server.server_port}/{path}"


@pytest.fixture
def hub(outside, tmp_path):
    file = tmp_path / "channels"
    file.write_text(f"# who is told\n{address(outside, 'first')}\n\n2 {address(outside, 'second')}\n")
    clock = FakeClock()
    made = AlarmHub(channels_of(file), clock)
    made.clock = clock
    return made


def paths(server):
    return [path for path, _ in server.got]


def test_an_alarm_reaches_the_first_tier_only(hub, outside):
    hub.tell("critical", "the venue does not answer")
    hub.look()
    [(path, body)] = outside.got
    assert path == "/first"
    assert body["message"] == "the venue does not answer"
    assert (body["title"], body["type"]) == ("bot4 critical", "failure")
    assert hub.told[0].delivered == ["json"]


def test_repeats_are_counted_and_not_sent(hub, outside):
    for _ in range(5):
        hub.tell("warning", "slow")
    hub.look()
    assert len(outside.got) == 1
    hub.clock.advance(61 * SECOND)
    hub.tell("warning", "slow")
    hub.look()
    assert outside.got[1][1]["message"] == "slow (and 4 times more since the last message)"


def test_nobody_acknowledges_so_it_escalates_once(hub, outside):
    hub.tell("critical", "naked position")
    hub.tell("warning", "a warning never escalates")
    hub.look()
    hub.clock.advance(299 * SECOND)
    hub.look()
    assert "/second" not in paths(outside)
    hub.clock.advance(SECOND)
    hub.look()
    hub.look()
    assert paths(outside).count("/second") == 1
    assert "escalated: not acknowledged" in outside.got[-1][1]["message"]


def test_an_acknowledged_alarm_does_not_escalate(hub, outside):
    hub.tell("critical", "naked position")
    hub.look()
    assert hub.acknowledge() == 1
    assert hub.acknowledge() == 0
    hub.clock.advance(3600 * SECOND)
    hub.look()
    assert paths(outside) == ["/first"]


def test_a_dead_first_tier_escalates_at_once(outside):
    hub = AlarmHub(
        [[AppriseChannel(address(outside, "broken"))], [AppriseChannel(address(outside, "second"))]],
        FakeClock(),
    )
    hub.tell("critical", "stop")
    hub.look()
    assert paths(outside) == ["/second"]
    assert (hub.told[0].failed, hub.told[0].delivered) == (["json"], ["json"])
    assert "the first channels failed: json" in outside.got[0][1]["message"]


def test_telling_never_waits_and_never_drops_the_critical_for_the_rest():
    hub = AlarmHub([], FakeClock())
    hub.tell("critical", "kept")
    for k in range(2 * MOST_WAITING):
        hub.tell("info", f"line {k}")
    assert hub.lost == MOST_WAITING + 1
    assert hub._waiting[0] == ("critical", "kept")
    assert len(hub._waiting) == MOST_WAITING


def test_the_thread_sends_and_close_waits_for_it(hub, outside):
    hub.start()
    hub.tell("info", "hello")
    hub.close()
    assert paths(outside) == ["/first"]


def test_the_heartbeat_beats_only_while_alive(outside, hub):
    alive = [True]
    url = f"http://127.0.0.1:{outside.server_port}/ping"
    heart = Heartbeat(url, 10_000_000, lambda: alive[0], SystemClock(), hub)
    heart.beat()
    alive[0] = False
    heart.beat()
    assert paths(outside) == ["/ping"]
    alive[0] = True
    heart.start()
    while heart.beats < 3:
        threading.Event().wait(0.01)
    heart.close()
    assert len(outside.got) == heart.beats


def test_a_monitor_that_cannot_be_reached_is_told(hub, outside):
    heart = Heartbeat("http://127.0.0.1:1/none", 1, lambda: True, FakeClock(), hub)
    heart.beat()
    hub.look()
    assert "cannot be reached" in outside.got[0][1]["message"]
    assert heart.beats == 0


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no channel"),
        ("2 json://127.0.0.1/x\n", "no channel of the first tier"),
        ("hello\n", "line 1"),
        ("\njson://127.0.0.1/x more words\n", "line 2"),
        ("nothing-known://secret-token\n", "line 1"),
    ],
)
def test_a_channel_file_that_is_wrong_names_the_line_not_the_address(tmp_path, text, what):
    file = tmp_path / "channels"
    file.write_text(text)
    with pytest.raises(ConfigError, match=what) as caught:
        channels_of(file)
    assert "secret-token" not in str(caught.value)
    with pytest.raises(ConfigError, match="alarm channels"):
        channels_of(tmp_path / "absent")
    with pytest.raises(ConfigError, match="http"):
        Heartbeat("ftp://x", 1, lambda: True, FakeClock(), AlarmHub([], FakeClock()))
