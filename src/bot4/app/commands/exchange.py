"""`bot4 exchange serve`: the simulated exchange on a local port, in the words of a real venue."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.status import Status

from bot4.app import bootstrap
from bot4.engine.feed import CHUNK, first_look
from bot4.engine.intake import import_frames
from bot4.model.errors import ConfigError, DataError
from bot4.model.instrument import Instrument
from bot4.safety.strength import require_strong
from bot4.safety.system_clock import SystemClock
from bot4.storage.lake import Dataset
from bot4.venues.served.errors import Product
from bot4.venues.served.faults_plan import read_plan
from bot4.venues.served.limits import SPOT_LIMITS, USDM_LIMITS
from bot4.venues.served.listing import Moved, exchange_of, generated_exchanges, perp_market, spot_market
from bot4.venues.served.server import ServedOptions, ServedVenue, check_host
from bot4.venues.simulator.exchange import Exchange
from bot4.venues.simulator.sources import RecordedSource, Source
from bot4.venues.simulator.words import Market


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """One account of the accounts file: spot balances and futures margin by asset."""

    key: str
    secret: str | None
    balances: dict[str, Decimal]
    margin: dict[str, Decimal]


def _amounts(where: str, given: Any) -> dict[str, Decimal]:
    if not isinstance(given, dict):
        raise ConfigError(f"{where}: must be a table of asset = amount")
    found = {}
    for asset, value in given.items():
        try:
            found[str(asset)] = Decimal(str(value))
        except InvalidOperation as error:
            raise ConfigError(f"{where}.{asset}: must be a number, is {value!r}") from error
        if not found[str(asset)].is_finite() or found[str(asset)] < 0:
            raise ConfigError(f"{where}.{asset}: must not be negative, is {value!r}")
    return found


def read_accounts(path: Path) -> list[OpenAccount]:
    """Accounts from a TOML or JSON file: a list `accounts` of key, secret, balances, margin."""
    text = path.read_text(encoding="utf-8")
    try:
        given = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    rows = given.get("accounts") if isinstance(given, dict) else given
    if not isinstance(rows, list):
        raise ConfigError(f"{path}: a list `accounts` is needed")
    found = []
    for number, row in enumerate(rows, start=1):
        where = f"{path}: account {number}"
        if not isinstance(row, dict) or not isinstance(row.get("key"), str) or not row["key"]:
            raise ConfigError(f"{where}: needs a key")
        if unknown := set(row) - {"key", "secret", "balances", "margin"}:
            raise ConfigError(f"{where}: unknown field {sorted(unknown)[0]}")
        secret = row.get("secret")
        if secret is not None and not isinstance(secret, str):
            raise ConfigError(f"{where}.secret: must be a text")
        if secret is not None:
            require_strong(secret, f"{where}.secret")
        balances = _amounts(f"{where}.balances", row.get("balances", {}))
        margin = _amounts(f"{where}.margin", row.get("margin", {}))
        found.append(OpenAccount(row["key"], secret, balances, margin))
    return found


def _market(instrument: Instrument, product: Product) -> Market:
    make = spot_market if product == "spot" else perp_market
    market = make(instrument.base, str(instrument.tick), str(instrument.lot))
    return replace(market, quote=instrument.quote, symbol=f"{instrument.base}{instrument.quote}")


def _recorded(folder: Path, product: Product, loop: bool, seed: int, now_ns: int) -> dict[Product, Exchange]:
    dataset = Dataset.open(folder)
    first, last, bars = first_look(dataset)
    if bars or first == last:
        raise DataError("the recorded exchange needs frames with trades and quotes")

    def make() -> Source:
        return RecordedSource(iter(dataset.iter_events(CHUNK)), first)

    markets = [_market(instrument, product) for instrument in dataset.instruments]
    return {product: exchange_of(markets, Moved(make, now_ns, loop), seed, now_ns)}


def _exchanges(
    frames: list[Path], venue: str, loop: bool, seed: int, now_ns: int, scratch: Path, quiet: bool
) -> dict[Product, Exchange]:
    if not frames:
        return generated_exchanges(seed, now_ns)
    products: dict[str, Product] = {"binance-usdm": "usdm", "binance-spot": "spot"}
    if venue not in products:
        raise ConfigError(f"--frames-venue {venue!r}: must be binance-usdm or binance-spot")
    with bootstrap.progress(quiet) as bar:
        import_frames(frames, venue, scratch, progress=bar)
    return _recorded(scratch, products[venue], loop, seed, now_ns)


def _open(exchanges: dict[Product, Exchange], accounts: list[OpenAccount]) -> None:
    for account in accounts:
        for product, exchange in exchanges.items():
            spot = product == "spot"
            exchange.open_account(
                account.key,
                account.secret,
                account.balances if spot else {},
                {} if spot else account.margin,
            )


def addresses(port: int) -> dict[str, str]:
    """Where a running server is reached."""
    return {"rest": f"http://127.0.0.1:{port}", "ws": f"ws://127.0.0.1:{port}"}


def _line(venue: ServedVenue) -> str:
    state = venue.control.state()
    up = int(state["uptime_s"])
    return (
        f"serving on {venue.port}   orders {state['orders']:,}   fills {state['fills']:,}   "
        f"connections {state['connections']}   faults {state['faults_fired']}   "
        f"up {up // 3600:02d}:{up // 60 % 60:02d}:{up % 60:02d}   Ctrl-C stops it"
    )


@contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set instead of ending the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _until_stopped(venue: ServedVenue, stop: asyncio.Event, status: Status | None) -> None:
    while not stop.is_set() and venue.failure is None:
        if status is not None:
            status.update(_line(venue))
        try:
            await asyncio.wait_for(stop.wait(), 0.5)
        except TimeoutError:
            continue
    if venue.failure is not None:
        raise venue.failure


async def _serve(venue: ServedVenue, as_json: bool) -> dict[str, Any]:
    # signals first: whoever reads the address may stop the server at once
    with _signals() as stop:
        async with venue.running():
            where = addresses(venue.port)
            if as_json:
                print(json.dumps(where), flush=True)
                await _until_stopped(venue, stop, None)
            else:
                console = Console()
                console.print(f"rest {where['rest']}\nws   {where['ws']}", highlight=False)
                with console.status(_line(venue)) as status:
                    await _until_stopped(venue, stop, status)
            return venue.control.state()


def serve(
    *,
    venue: str,
    host: str,
    port: int,
    frames: list[Path],
    frames_venue: str,
    loop: bool,
    speed: float,
    accounts: Path | None,
    practice: bool,
    faults: Path | None,
    weight_limit: int | None,
    seed: int,
    as_json: bool,
) -> dict[str, Any] | None:
    """Serve until a signal comes."""
    if venue != "binance":
        raise ConfigError(f"--venue {venue!r}: only binance is served")
    check_host(host)
    if not 0 <= port <= 65535:
        raise ConfigError(f"--port: must be 0 to 65535, is {port}")
    rules = read_plan(faults) if faults is not None else []
    opened = read_accounts(accounts) if accounts is not None else []
    clock = SystemClock()
    spot, usdm = SPOT_LIMITS, USDM_LIMITS
    if weight_limit is not None:
        spot, usdm = replace(spot, weight=weight_limit), replace(usdm, weight=weight_limit)
    options = ServedOptions(
        host=host, port=port, speed=speed, seed=seed, practice=practice, limits={"spot": spot, "usdm": usdm}
    )
    with ExitStack() as held:
        scratch = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="bot4-"))) / "data"
        for exchange in generated_exchanges(seed, clock.now_ns()).values():
            exchange.advance(exchange.now_ns + 1)  # compiles; the market that is served begins after that
        exchanges = _exchanges(frames, frames_venue, loop, seed, clock.now_ns(), scratch, as_json)
        _open(exchanges, opened)
        served = ServedVenue(exchanges, clock, options)
        served.gateway.faults.add(rules)
        state = asyncio.run(_serve(served, as_json))
    if as_json:
        print(json.dumps({"ended": state}), flush=True)
        return None
    bootstrap.shown(state, [(name, str(state[name])) for name in ("orders", "fills", "cancels")])
    return None
