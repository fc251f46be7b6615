"""`bot4 run --endpoint`: trading on a venue over its own protocol, on this machine's served exchange."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot4.app import bootstrap
from bot4.app.board import Board
from bot4.app.commands.backtest import rows
from bot4.app.commands.stop import control_dir
from bot4.app.config import Config, state_dir
from bot4.app.egress import Told, alarm_places, fenced, place_of
from bot4.app.live import LiveView
from bot4.app.observer import Observer
from bot4.app.switch import controls, listening
from bot4.app.trading import Surroundings, Task, trade, warm
from bot4.engine.live_frames import BinanceParsers
from bot4.execution.desk import Desk
from bot4.execution.lease import Lease
from bot4.live.session import Figures
from bot4.model.errors import ConfigError
from bot4.model.times import NS, duration_ns
from bot4.ports.alarm import Alarm
from bot4.ports.clock import Clock
from bot4.ports.secrets import ApiKey, FakeSecrets
from bot4.ports.venue import Throttled
from bot4.research.closes import last_close, published, until
from bot4.research.gather import read_record
from bot4.research.metrics import summary_metrics
from bot4.research.session import Session, choose, load
from bot4.safety.killswitch import Trip
from bot4.safety.marker import KillMarker, PartMarks, account_name
from bot4.safety.system_clock import SteadyClock, SystemClock
from bot4.storage.lease import FileLease
from bot4.venues.binance.endpoints import WEIGHT, polls, served_spot, served_usdm
from bot4.venues.binance.face import Wiring
from bot4.venues.binance.spot import BinanceSpot
from bot4.venues.binance.usdm import BinanceUsdm
from bot4.venues.limits import RESERVE_PERCENT, Limit, predict_weight, slowed

VENUES = ("binance-usdm", "binance-spot")
Adapter = BinanceSpot | BinanceUsdm
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def port_of(endpoint: str) -> tuple[str, int]:
    """Host and port of an endpoint on this machine; ConfigError for any other."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"--endpoint {endpoint}: {error}; write http://127.0.0.1:PORT") from None
    if host not in LOOPBACK or port is None or parts.scheme != "http":
        raise ConfigError(
            f"--endpoint {endpoint}: bot4 trades only on an exchange that is served on this machine; "
            "start one, and name it as http://127.0.0.1:PORT"
        )
    return host, port


def venue_name(venue: str) -> str:
    """The full name of a venue that can be traded; ConfigError for any other."""
    name = "binance-usdm" if venue == "binance" else venue
    if name not in VENUES:
        raise ConfigError(
            f"--venue {venue}: an exchange is traded as {' or '.join(VENUES)} (binance is the first)"
        )
    return name


def practice_key(owner: str) -> str:
    """The key of `owner`'s account at an exchange on this machine."""
    return f"practice-{owner}"


def marker_of(venue: str, endpoint: str, owner: str) -> KillMarker:
    """Where a kill leaves its mark on the account that `open_venue` opens."""
    host, port = port_of(endpoint)
    account = account_name(venue_name(venue), f"{host}:{port}", practice_key(owner))
    return KillMarker(state_dir(), account)


def parts_of(marker: KillMarker) -> PartMarks:
    """Where partial kills leave their marks on the same account."""
    return PartMarks(state_dir(), marker.account)


def mark_on_kill(marker: KillMarker, alarm: Alarm) -> Callable[[Trip], None]:
    """What the kill switch calls when it rises: the account is marked, or it is told that it is not."""

    def mark(cause: Trip) -> None:
        try:
            marker.set(cause.detail or "operator", cause.ts)
        except OSError as error:
            alarm.tell("critical", f"the account {marker.account} could not be marked as killed: {error}")

    return mark


def open_venue(
    venue: str, endpoint: str, owner: str, limits: tuple[Limit, ...] = (), clock: Clock | None = None
) -> Adapter:
    """The adapter for `venue` at an endpoint of this machine; its practice account is named after `owner`.

    `limits` where the exchange does not have those that Binance documents; `clock`: by default the machine's.
    """
    name = venue_name(venue)
    host, port = port_of(endpoint)
    folder = control_dir()
    folder.mkdir(parents=True, exist_ok=True)
    key = ApiKey(practice_key(owner), "practice")
    wiring = Wiring(
        clock=clock or SystemClock(),
        secrets=FakeSecrets(dict.fromkeys(VENUES, key)),
        folder=folder,
        parsers=BinanceParsers(),
        limits=limits,
    )
    if name == "binance-usdm":
        return BinanceUsdm(served_usdm(port, host), wiring)
    return BinanceSpot(served_spot(port, host), wiring)


def pace_of(venue: Adapter, instruments: int, settings: Config) -> tuple[float, str]:
    """The pace of regular questions that `instruments` can be asked at, and how that is said.

    ConfigError when even a tenth of it would use up the venue's limit.
    """
    minute = NS["m"]
    asked = polls(
        "usdm" if venue.capabilities.market == "perp" else "spot",
        minute / settings["live.reconcile_interval"],
        minute / settings["live.check_interval"],
    )
    budget = next(limit.amount for limit in venue.limiter.limits if limit.name == WEIGHT)
    try:
        pace = slowed(asked, instruments, budget)
    except Throttled as error:
        raise ConfigError(f"{venue.name}: {error}; name fewer with --symbol") from None
    need, room = predict_weight(asked, instruments), budget * RESERVE_PERCENT // 100
    said = f"predicted request weight {need:,.0f} a minute, {room:,} are allowed"
    if pace < 1.0:
        said += f"; questions are asked at {pace:.0%} of their pace"
    return pace, said


def account_lease(venue: str, endpoint: str, owner: str) -> Lease:
    """The place of the one instance that may trade the practice account of `owner`."""
    host, port = port_of(endpoint)
    clock = SystemClock()
    here = socket.gethostname()
    name = f"{here}:{os.getpid()}:{clock.now_ns()}"
    folder = control_dir() / "leases" / f"{venue}-{host}-{port}-{owner}".replace(":", "_")
    return Lease(FileLease(folder), name, clock, alive=lambda other: process_lives(other, here))


def process_lives(name: str, here: str) -> bool | None:
    """Whether the process of the instance `name` (host:process:start) lives; None when it is elsewhere."""
    host, process, _ = name.rsplit(":", 2)
    if host != here:
        return None
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def notice(desk: Desk, live: Figures, now: int, steady: int) -> str:
    """What a live screen says besides what every screen says; `now` wall, `steady` monotonic ns."""
    naked = max(((steady - n.since) / 1e9 for n in desk.naked.values() if n.since is not None), default=0.0)
    unknown = sum(desk.unknown.values())
    agreed = "not yet compared" if not live.reconciled_at else f"{(now - live.reconciled_at) / 1e9:.0f} s ago"
    return (
        f"epoch {live.epoch}   unknown orders {unknown}   without stop {naked:.1f} s   "
        f"lag {live.lag_ns / 1e6:.0f} ms   "
        f"private stream {'up' if desk.stream_up else 'DOWN'}   agreed {agreed}   venue {live.venue}"
    )


def link(desk: Desk, live: Figures) -> dict[str, object]:
    """The venue and our orders there, as plain values."""
    return {
        "health": live.venue,
        "private_stream": "up" if desk.stream_up else "down",
        "lag_ms": round(live.lag_ns / 1e6, 3),
        "unknown_orders": sum(desk.unknown.values()),
        "epoch": live.epoch,
        "agreed_ns": live.reconciled_at or None,
    }


class Screen:
    """Feeds the live view from a session that does not exist yet when the view is opened."""

    def __init__(self, view: LiveView, board: Board, strategy: str, duration_s: float | None) -> None:
        self._view = view
        self._board = board
        self._strategy = strategy
        self._duration_s = duration_s
        self._observer: Observer | None = None
        self._clock = SystemClock()
        self._begin = self._clock.monotonic_ns()

    def show(self, session: Session, desk: Desk, live: Figures) -> None:
        """Redraw."""
        if self._observer is None:
            self._observer = Observer(
                session, synthetic=False, strategy=self._strategy, speed=1.0, duration_s=self._duration_s
            )
        now = self._clock.now_ns()
        snapshot = self._observer.snapshot(now, (self._clock.monotonic_ns() - self._begin) / 1e9)
        snapshot["notice"] = notice(desk, live, now, self._clock.monotonic_ns())
        snapshot["link"] = link(desk, live)
        snapshot["breakers"] = dict(live.breakers)
        self._board.show(self._view.update, snapshot)


def trade_here(
    *,
    venue: str,
    endpoint: str,
    symbols: list[str],
    for_: str | None,
    strategy: str | None,
    model: Path | None,
    seed: int,
    out: Path | None,
    adopt: bool,
    config: Path | None,
    sets: list[str],
    as_json: bool,
) -> dict[str, Any] | None:
    """Trade at `endpoint` until the time is up or the switch is raised."""
    settings = bootstrap.settings_of(config, sets, strategy)
    listening(settings)  # what must not start is refused before anything is begun
    chosen = choose(settings["strategy.name"])
    duration = None if for_ is None else duration_ns(for_)
    folder = bootstrap.journal_folder(out, "live")
    marker = marker_of(venue, endpoint, settings["live.owner"])
    marker.require()
    clock = SteadyClock(SystemClock())
    there = open_venue(venue, endpoint, settings["live.owner"], clock=clock)
    perp = there.capabilities.market == "perp"
    named = tuple(symbols) or ("BTC-USDT-PERP" if perp else "BTC-USDT",)
    pace, weight = pace_of(there, len(named), settings)
    task = Task(named, settings, chosen, load(model), seed, folder, adopt, duration, pace)
    if not as_json:
        print(weight)
    with bootstrap.progress(as_json):
        warm(settings, chosen, len(named))
    with (
        controls(settings, folder) as control,
        LiveView(quiet=as_json) as view,
        fenced(
            [place_of(endpoint), *alarm_places(settings, control.alarm.hub.hosts())],
            Told(control.trail, control.alarm, SystemClock()),
        ),
    ):
        control.switch.add_callback(mark_on_kill(marker, control.alarm))
        control.marks = parts_of(marker)
        screen = Screen(view, control.board, chosen.spec, None if duration is None else duration / 1e9)
        around = Surroundings(
            clock,
            control.alarm,
            control.switch,
            screen.show,
            control.attach,
            control.look,
            account_lease(there.name, endpoint, settings["live.owner"]),
            health=there.health.state,
        )
        document = asyncio.run(trade(there, task, around))
    document = {**delayed(folder, document), "journal": str(folder), "weight": weight}
    if as_json:
        return document
    bootstrap.shown(
        document,
        [
            ("result as of", f"{document['as_of'] or 'no close yet'}; next figures {document['next']}"),
            *rows(document),
            *live_rows(document["live"]),
            ("ended by", document["ended_by"]),
        ],
    )
    print(f"\nnext: bot4 show positions {folder}   bot4 replay {folder} --verify")
    return None


def delayed(folder: Path, document: dict[str, Any]) -> dict[str, Any]:
    """The end of a live run as it may be shown: counts as they are, the result as of the last close."""
    record, now = read_record(folder), SystemClock().now_ns()
    known = summary_metrics(until(record, last_close(now)))
    return {**known, **document, **published(record, now)}


def live_rows(live: dict[str, Any]) -> list[tuple[str, str]]:
    """The session's own figures as lines of the table."""
    naked = ", ".join(f"{symbol} {s:g} s" for symbol, s in live["naked_s"].items())
    return [
        (
            "epoch | recovered events | recovery",
            f"{live['epoch']} | {live['recovered_events']:,} | {live['recovery_s']} s",
        ),
        ("longest without stop", naked or "–"),
        ("unknown orders | feed breaks", f"{live['unknown_orders']} | {live['feed_breaks']}"),
        ("explained at the start", "; ".join(live["explained"]) or "nothing differed"),
    ]
