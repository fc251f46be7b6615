"""Alarms that reach a person: several channels, in tiers, from a thread of their own.

`AlarmHub.tell` only puts the message into a bounded queue, so that nothing on a safety path ever waits for
a mail server. The thread sends it to the first tier. The second tier gets a critical alarm too when every
channel of the first failed, or when nobody acknowledged it in time. The same text is sent once per
`quiet_ns`; how often it came meanwhile is told with the next one. A channel that fails or hangs never stops
the others: what it did not deliver waits for it, in a bounded queue, and is tried again at growing
intervals. That it fails, and that it delivers again, is told once each to `trouble`.

Channels are named by their kind alone (`mailto`, `slack`): their addresses hold secrets.
"""

from __future__ import annotations

import contextlib
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from bot4.model.errors import ConfigError, MissingExtra
from bot4.ports.alarm import Level
from bot4.ports.clock import Clock

SECOND = 10**9
_ABOUT = ("service_url", "setup_url", "app_url", "image_url")
"""Fields of an apprise plugin that tell people about the service; no message goes there."""
MOST_WAITING = 256
KEPT = 512
ANSWER_S = 15.0
"""A channel that has not delivered by then is taken to hang."""
AGAIN_NS = 5 * SECOND
AGAIN_MOST_NS = 300 * SECOND


class Channel(Protocol):
    """One way to reach a person."""

    name: str

    def send(self, level: Level, text: str) -> None:
        """Deliver, or raise."""

    def hosts(self) -> list[str]:
        """Where it is known to connect to: HOST, HOST:PORT or addresses of the web."""


class DeliveryFailed(Exception):
    """A channel could not deliver."""


class AppriseChannel:
    """Mail, Slack, Telegram, PagerDuty, webhooks and the rest, by an apprise address."""

    def __init__(self, url: str) -> None:
        try:
            import apprise
        except ImportError:
            raise MissingExtra("apprise", "alarm") from None
        self.name = url.partition("://")[0] or "unnamed"
        self._apprise: Any = apprise.Apprise()
        if not self._apprise.add(url):
            raise ConfigError(f"alarm channel {self.name}: apprise does not understand its address")
        self._kinds = {"info": "info", "warning": "warning", "critical": "failure"}

    def send(self, level: Level, text: str) -> None:
        """Deliver through apprise; DeliveryFailed says no more than the channel's kind."""
        if not self._apprise.notify(body=text, title=f"bot4 {level}", notify_type=self._kinds[level]):
            raise DeliveryFailed(f"channel {self.name} did not accept the message")

    def hosts(self) -> list[str]:
        """The hosts that apprise's plugin for it names, and the one in its address; secrets are left out."""
        return list(dict.fromkeys(host for plugin in self._apprise for host in _hosts(plugin)))


def _hosts(plugin: Any) -> list[str]:
    found = [plugin.smtp_host] if getattr(plugin, "smtp_host", None) else []
    kinds = [vars(kind) for kind in type(plugin).__mro__ if kind.__module__.startswith("apprise.plugins")]
    for name, value in (pair for facts in (vars(plugin), *kinds) for pair in facts.items()):
        if isinstance(value, str) and name not in _ABOUT and value.startswith(("http://", "https://")):
            parts = urlsplit(value)
            if parts.hostname and "{" not in parts.hostname:
                found.append(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
    host = getattr(plugin, "host", None)
    # many services have a key in the place of a host; what looks like none is taken only for want of better
    if isinstance(host, str) and host and (not found or host == "localhost" or "." in host or ":" in host):
        port = getattr(plugin, "port", None)
        bare = f"[{host}]" if ":" in host else host
        found.append(f"{bare}:{port}" if port else bare)
    return found


def channels_of(file: Path) -> list[list[Channel]]:
    """Tiers of channels from a file: one address a line, `2 ` before those of the second tier, `#` comments.

    ConfigError names the line, never the address.
    """
    tiers: list[list[Channel]] = [[], []]
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"alarm channels {file}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split() if "://" not in line else line.split()
        if not words:
            continue
        tier = 1 if len(words) == 2 and words[0] == "2" else 0
        if len(words) - tier != 1 or "://" not in words[-1]:
            raise ConfigError(f"alarm channels {file}: line {number} is not `ADDRESS` or `2 ADDRESS`")
        try:
            tiers[tier].append(AppriseChannel(words[-1]))
        except ConfigError as error:
            raise ConfigError(f"alarm channels {file}: line {number}: {error}") from None
    if not tiers[0]:
        raise ConfigError(f"alarm channels {file}: names no channel of the first tier")
    return tiers


class Line:
    """A channel, what it has still to deliver, and when it is tried again. Used by one thread."""

    def __init__(self, channel: Channel, answer_s: float) -> None:
        self.name = channel.name
        self.waiting: deque[tuple[Told, str]] = deque()
        self.dropped = 0
        self._channel = channel
        self._answer_s = answer_s
        self._sending: threading.Thread | None = None
        self._tries = 0
        self._due = 0

    def hosts(self) -> list[str]:
        """Where the channel is known to connect to."""
        return self._channel.hosts()

    def due(self, now: int) -> bool:
        """Whether something waits, and may be tried."""
        return bool(self.waiting) and now >= self._due

    def send(self, level: Level, text: str) -> None:
        """Deliver, or raise; a channel that hangs is left to itself after `answer_s`."""
        if self._sending is not None and self._sending.is_alive():
            raise DeliveryFailed(f"channel {self.name} hangs in an earlier message")
        failed: list[Exception] = []

        def deliver() -> None:
            try:
                self._channel.send(level, text)
            except Exception as error:  # noqa: BLE001 - raised again, by who waits for this thread
                failed.append(error)

        self._sending = threading.Thread(target=deliver, name=f"bot4-alarm-{self.name}", daemon=True)
        self._sending.start()
        self._sending.join(self._answer_s)
        if self._sending.is_alive():
            raise DeliveryFailed(f"channel {self.name} did not answer in {self._answer_s:g} s")
        if failed:
            raise failed[0]

    def keep(self, told: Told, text: str) -> None:
        """Let a message wait; when there are too many the oldest that is not critical gives way."""
        if len(self.waiting) >= MOST_WAITING:
            self.dropped += 1
            self.waiting.remove(next((m for m in self.waiting if m[0].level != "critical"), self.waiting[0]))
        self.waiting.append((told, text))

    def later(self, now: int) -> None:
        """It failed: wait 5 s, 10 s, 20 s, ... 5 min before the next try."""
        self._due = now + min(AGAIN_NS * 2**self._tries, AGAIN_MOST_NS)
        self._tries = min(self._tries + 1, 20)

    def well(self) -> None:
        """It delivered."""
        self._tries = self._due = 0


@dataclass
class Told:
    """An alarm and what became of it."""

    level: Level
    text: str
    ts: int
    delivered: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    escalated: bool = False
    acknowledged: bool = False


class AlarmHub:
    """An Alarm (the port) over tiers of channels.

    `trouble` hears when a channel does not deliver, and when it does again, from the hub's thread.
    """

    def __init__(
        self,
        tiers: Sequence[Sequence[Channel]],
        clock: Clock,
        *,
        quiet_ns: int = 60 * SECOND,
        escalate_ns: int = 300 * SECOND,
        answer_s: float = ANSWER_S,
        trouble: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._tiers = [[Line(channel, answer_s) for channel in tier] for tier in tiers]
        self._trouble = trouble
        self._clock = clock
        self._quiet_ns = quiet_ns
        self._escalate_ns = escalate_ns
        self._waiting: deque[tuple[Level, str]] = deque()
        self._last: dict[str, tuple[int, int]] = {}  # text: when sent, how often since
        self.told: deque[Told] = deque(maxlen=KEPT)
        self.lost = 0
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def tell(self, level: Level, text: str) -> None:
        """Queue the message; when the queue is full the oldest that is not critical gives way."""
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            with contextlib.suppress(IndexError):
                least = next((m for m in self._waiting if m[0] != "critical"), self._waiting[0])
                with contextlib.suppress(ValueError):
                    self._waiting.remove(least)
        self._waiting.append((level, text))
        self._wake.set()

    def start(self) -> None:
        """Begin to send, in a thread of its own."""
        self._thread = threading.Thread(target=self._work, name="bot4-alarms", daemon=True)
        self._thread.start()

    def close(self, wait_s: float = 5.0) -> None:
        """Send what waits, for at most `wait_s` seconds, then end."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(wait_s)

    def hosts(self) -> list[str]:
        """Where its channels are known to connect to."""
        return [host for tier in self._tiers for channel in tier for host in channel.hosts()]

    def acknowledge(self) -> int:
        """A person has seen the critical alarms so far: they do not escalate. How many there were."""
        open_ = [t for t in self.told if t.level == "critical" and not t.acknowledged]
        for told in open_:
            told.acknowledged = True
        return len(open_)

    def look(self) -> None:
        """Send what waits, and escalate what nobody acknowledged. The thread calls it; tests may."""
        while self._waiting:
            level, text = self._waiting.popleft()
            self._one(level, text)
        now = self._clock.monotonic_ns()
        for tier in self._tiers:
            for line in tier:
                self._again(line, now)
        for told in list(self.told):
            late = now - told.ts >= self._escalate_ns
            if told.level == "critical" and late and not (told.acknowledged or told.escalated):
                self._escalate(told, "not acknowledged")

    def _work(self) -> None:
        while True:
            self._wake.wait(1.0)
            self._wake.clear()
            self.look()
            if self._closing and not self._waiting:
                return

    def _one(self, level: Level, text: str) -> None:
        now = self._clock.monotonic_ns()
        sent, since = self._last.get(text, (-self._quiet_ns, 0))
        if now - sent < self._quiet_ns:
            self._last[text] = (sent, since + 1)
            return
        self._last[text] = (now, 0)
        if len(self._last) > KEPT:
            del self._last[min(self._last, key=lambda t: self._last[t][0])]
        told = Told(level, text, now)
        self.told.append(told)
        self._send(told, 0, text if not since else f"{text} (and {since} times more since the last message)")
        if told.failed and not told.delivered and level == "critical":
            self._escalate(told, f"the first channels failed: {', '.join(told.failed)}")

    def _escalate(self, told: Told, why: str) -> None:
        told.escalated = True
        self._send(told, 1, f"{told.text} (escalated: {why})")

    def _send(self, told: Told, tier: int, text: str) -> None:
        for line in self._tiers[tier] if tier < len(self._tiers) else ():
            if line.waiting or not self._delivered(line, told, text):
                told.failed.append(line.name)
                line.keep(told, text)

    def _again(self, line: Line, now: int) -> None:
        """Try what waits for a channel that failed, oldest first, until it fails again."""
        while line.due(now) and self._delivered(line, *line.waiting[0]):
            line.waiting.popleft()
            if not line.waiting:
                lost = f"; {line.dropped} older messages were dropped" if line.dropped else ""
                line.dropped = 0
                self._trouble(f"alarm channel {line.name} delivers again{lost}")

    def _delivered(self, line: Line, told: Told, text: str) -> bool:
        try:
            line.send(told.level, text)
        except Exception as error:  # noqa: BLE001 - one broken channel must not silence the others; it is told
            if not line.waiting:
                # of an error of the channel's library no more than its kind: its text may hold the address
                why = str(error) if isinstance(error, DeliveryFailed) else type(error).__name__
                self._trouble(f"alarm channel {line.name} does not deliver ({why}); it is tried again")
            line.later(self._clock.monotonic_ns())
            return False
        told.delivered.append(line.name)
        line.well()
        return True


class Heartbeat:
    """Tells an outside monitor that bot4 lives, so that its silence is noticed too.

    Every `every_ns` it asks `url` (GET) while `alive()` holds; an outside service (healthchecks.io, say, or
    one's own) raises the alarm when the calls stop. A failed call is told on `hub`.
    """

    def __init__(
        self, url: str, every_ns: int, alive: Callable[[], bool], clock: Clock, hub: AlarmHub
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError("alarm.heartbeat_url must begin with http:// or https://")
        self._url = url
        self._every_ns = every_ns
        self._alive = alive
        self._clock = clock
        self._hub = hub
        self.beats = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="bot4-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._over.set()
        self._thread.join(5.0)

    def beat(self) -> None:
        """One call, if all is well."""
        if not self._alive():
            return
        try:
            with urllib.request.urlopen(self._url, timeout=10.0) as reply:
                reply.read(1024)
        except (urllib.error.URLError, OSError) as error:
            self._hub.tell("warning", f"the outside monitor cannot be reached: {type(error).__name__}")
        else:
            self.beats += 1

    def _work(self) -> None:
        while not self._over.wait(self._every_ns / 1e9):
            self.beat()
