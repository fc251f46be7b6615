"""The small parts of the served venue: figures, parameters, limits, keys, moved recordings, accounts, plans."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot4.app.commands.exchange import addresses, read_accounts, serve
from bot4.model.errors import ConfigError
from bot4.model.events import EVENT_DTYPE
from bot4.model.values import places
from bot4.ports.clock import FakeClock
from bot4.venues.served import errors
from bot4.venues.served.candles import interval_ns
from bot4.venues.served.errors import VenueError, refusal
from bot4.venues.served.faults import Faults, Traffic
from bot4.venues.served.faults_plan import read_plan, rule_of, rules_of
from bot4.venues.served.figures import Figures, Scale, amount, number
from bot4.venues.served.limits import Limits, Meter
from bot4.venues.served.listen_keys import VALID_MS, ListenKeys
from bot4.venues.served.listing import Moved, generated_exchanges, perp_market, spot_market
from bot4.venues.served.parameters import (
    Parameters,
    check_signature,
    check_time,
    from_text,
    signature_of,
    signed_text,
)
from bot4.venues.simulator.words import Refusal, Refused

STEPS = st.sampled_from(["0.1", "0.10", "0.00001", "0.5", "5", "10", "0.025", "1"]).map(Decimal)


@given(STEPS, st.integers(-(10**12), 10**12), st.sampled_from([0, 8]))
def test_a_scale_writes_exactly_and_reads_back(step, steps, decimals):
    scale = Scale(step, decimals)
    text = scale.text(steps)
    assert Decimal(text) == step * steps
    assert len(text.partition(".")[2]) == max(places(step), decimals)
    assert scale.steps(Decimal(text)) == steps


def test_scales_refuse_what_lies_between_steps():
    assert Scale(Decimal("0.1")).steps(Decimal("1.05")) is None
    assert Scale(Decimal("0.1")).value(3) == Decimal("0.3")


def test_figures_of_spot_and_futures():
    spot, perp = Figures(spot_market("BTC", "0.10", "0.00001")), Figures(perp_market("BTC", "0.10", "0.001"))
    assert (spot.price.text(600_001), perp.price.text(600_001)) == ("60000.10000000", "60000.1")
    assert spot.spent(600_001 * 3) == "1.80000300"
    assert perp.average_padded(3, 2) == "0.1" or perp.average_padded(3, 2) == "0.2"
    assert spot.average_padded(0, 0) == "0.00000000"
    assert amount(Decimal("1.234567891")) == "1.23456789"


@pytest.mark.parametrize("text", ["x", "", "nan", "Infinity", "1" * 31, "1e"])
def test_numbers_that_are_none(text):
    with pytest.raises(VenueError):
        number("price", text)


def test_parameters_read_and_refuse():
    given_ = Parameters(from_text("a=1&b=&flag=TRUE&n=7", "c=2&a=9"))
    assert (given_.need("a"), given_.text("b", "z"), given_.text("c")) == ("1", "z", "2")
    assert given_.flag("flag") and not given_.flag("none") and given_.whole("n", 0, high=5) == 5
    assert given_.renamed({"x": "a"}).need("x") == "1"
    assert set(given_.names()) == {"a", "b", "c", "flag", "n"}
    for wrong, code in (
        (lambda: given_.need("b"), -1102),
        (lambda: Parameters({"n": "x"}).whole("n", 0), -1100),
        (lambda: Parameters({"n": "-3"}).whole("n", 0), -1130),
        (lambda: Parameters({"f": "maybe"}).flag("f"), -1130),
        (lambda: Parameters({}).choice("s", {}, -1, "x"), -1102),
    ):
        with pytest.raises(VenueError) as error:
            wrong()
        assert error.value.code == code


def test_the_signature_of_the_venues_documentation():
    """Key, payload and result as the venue's documentation prints them: an oracle from outside."""
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    payload = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        "&recvWindow=5000&timestamp=1499827319559"
    )
    expected = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    assert signature_of(secret, payload) == expected
    assert signed_text(payload + "&signature=" + expected, "") == payload
    check_signature(secret, payload, expected)
    check_signature(None, payload, "anything")
    with pytest.raises(VenueError):
        check_signature(secret, payload + "0", expected)


@pytest.mark.parametrize(
    ("sent", "now", "fits"),
    [
        (1000, 6000, True),
        (1000, 6001, False),
        (2999, 2000, True),
        (3000, 2000, False),
        (5 * 10**15, 5 * 10**12, True),
    ],
)
def test_the_receive_window_to_the_millisecond(sent, now, fits):
    given_ = Parameters({"timestamp": str(sent)})
    if fits:
        check_time(given_, now)
    else:
        with pytest.raises(VenueError, match="Timestamp"):
            check_time(given_, now)


def test_windows_begin_anew_and_bans_end():
    meter = Meter(Limits(2, 1, 2, 60_000, "1M", refusals_to_ban=1, ban_ms=5000))
    codes = []
    for now in (0, 1, 2, 3, 4000, 60_000, 60_001):
        try:
            meter.request("a", 1, now)
            codes.append(200)
        except VenueError as error:
            codes.append(error.status)
    assert codes == [200, 200, 429, 418, 418, 200, 200]
    meter.orders("k", 1, 0)
    with pytest.raises(VenueError, match="10 SECOND"):
        meter.orders("k", 1, 1)
    meter.orders("k", 1, 10_000)
    with pytest.raises(VenueError, match="1 MINUTE"):
        meter.orders("k", 1, 20_000)
    assert meter.headers("a", "k", 20_000, True)["X-MBX-ORDER-COUNT-1M"] == "2"
    assert [row["count"] for row in meter.counters("a", "k", 60_000)] == [2, 0, 0]


def test_listen_keys_live_an_hour():
    keys = ListenKeys("spot")
    key = keys.start("me", 0)
    assert keys.start("me", 10) == key and keys.account(key) == "me" and len(key) == 64
    assert keys.keep(key, 100) and not keys.keep("other", 100)
    assert keys.expired(VALID_MS) == []
    assert keys.expired(VALID_MS + 100) == [(key, "me")]
    assert keys.account(key) is None and keys.start("me", 0) != key
    assert not keys.close("other")


@pytest.mark.parametrize("product", ["spot", "usdm"])
def test_every_refusal_has_a_code_and_a_text(product):
    for why in Refusal:
        error = refusal(product, Refused(why), min_notional="5", leverage=3)
        assert error.code < -1000 and error.msg and "{min" not in error.msg, why
    assert errors.on_cancel(VenueError(-1121, "x")).code == -1121


def test_intervals():
    assert interval_ns("1h") == 3600 * 10**9
    with pytest.raises(VenueError):
        interval_ns("7m")


class Three:
    """Three events, a second apart, from 1970 on."""

    start_ns = 0

    def __init__(self):
        self.given = 0

    def until(self, ts):
        events = np.zeros(3, EVENT_DTYPE)
        events["ts_venue"] = events["ts_local"] = np.arange(3) * 10**9
        n = max(self.given, int(np.searchsorted(events["ts_venue"], ts, side="right")))
        part, self.given = events[self.given : n], n
        return part

    def finished(self):
        return self.given == 3


def test_a_recording_is_moved_and_looped():
    start = 10**18
    once = Moved(Three, start, loop=False)
    assert once.until(start + 10**9)["ts_venue"].tolist() == [start, start + 10**9]
    assert len(once.until(start + 10**10)) == 1 and once.finished()
    again = Moved(Three, start, loop=True)
    times = np.concatenate([again.until(start + k * 10**9) for k in range(10)])["ts_venue"]
    assert len(times) == 10 and (np.diff(times) > 0).all() and not again.finished()


def test_fault_plans_from_files(tmp_path):
    toml, broken = tmp_path / "plan.toml", tmp_path / "plan.json"
    toml.write_text('[[rules]]\nmatch = { path = "*order", for = 2 }\ndo = { kind = "delay", ms = 5 }\n')
    assert read_plan(toml)[0].match.for_ == 2
    broken.write_text("[")
    with pytest.raises(ConfigError, match=r"plan\.json"):
        read_plan(broken)
    broken.write_text('[{"do": "dance"}]')
    with pytest.raises(ConfigError, match=r"plan\.json: rule 1\.do\.kind"):
        read_plan(broken)
    for wrong in (3, {"rules": 3}, [3], [{"do": "drop", "name": 3}], [{"do": "drop", "to": 1}], [{"do": 3}]):
        with pytest.raises(ConfigError):
            rules_of(wrong)
    for wrong in ({"product": "gold"}, {"count": True}, {"count": "x"}, 5):
        with pytest.raises(ConfigError):
            rule_of({"match": wrong, "do": "drop"}, "rule 1")
    with pytest.raises(ConfigError, match="symbol"):
        rule_of({"match": {"face": "time"}, "do": {"kind": "cancel_silently"}}, "rule 1")


def test_windows_of_rules_and_their_removal():
    clock = FakeClock()
    faults = Faults(1, clock)
    number = faults.add(rules_of({"match": {"after": 1, "for": 2, "count": 1}, "do": "drop"}))[0]
    hit = Traffic("rest", "spot", "GET", "/api/v3/ping")
    assert not faults.firing(hit)
    clock.advance(10**9)
    assert len(faults.firing(hit)) == 1 and not faults.firing(hit)
    clock.advance(2 * 10**9)
    assert not faults.firing(hit) and faults.listing()[0]["fired"] == 1
    assert faults.clear(99) == 0 and faults.clear(number) == 1 and not faults


def test_accounts_files_name_what_is_wrong(tmp_path):
    file = tmp_path / "accounts.json"
    file.write_text(
        json.dumps({"accounts": [{"key": "k", "secret": "eleven quiet foxes", "balances": {"USDT": "5"}}]})
    )
    assert read_accounts(file)[0].balances == {"USDT": Decimal(5)}
    for rows, text in (
        ([{"secret": "s"}], "account 1: needs a key"),
        ([{"key": "k", "coins": 1}], "coins"),
        ([{"key": "k", "secret": 5}], "secret"),
        ([{"key": "k", "secret": "s"}], "account 1.secret is refused: it has fewer"),
        ([{"key": "k", "margin": {"USDT": "x"}}], "margin.USDT"),
        ([{"key": "k", "margin": {"USDT": -1}}], "negative"),
        ([{"key": "k", "balances": 3}], "balances"),
        (3, "accounts"),
    ):
        file.write_text(json.dumps({"accounts": rows}))
        with pytest.raises(ConfigError, match=text):
            read_accounts(file)
    file.write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_accounts(file)


OPTIONS = {
    "venue": "binance", "host": "127.0.0.1", "port": 0, "frames": [], "frames_venue": "binance-usdm", "loop": True,
    "speed": 1.0, "accounts": None, "practice": True, "faults": None, "weight_limit": 50, "seed": 7, "as_json": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"venue": "nasdaq"}, "only binance"),
        ({"host": "0.0.0.0"}, "loopback only"),
        ({"port": 70000}, "--port"),
        ({"frames": [Path("x")], "frames_venue": "lse"}, "binance-usdm or binance-spot"),
        ({"speed": 0.0}, "speed"),
    ],
)
def test_serve_refuses_what_makes_no_sense(change, text):
    with pytest.raises(ConfigError, match=text):
        serve(**(OPTIONS | change))


def test_the_command_starts_says_where_and_stops_on_a_signal(tmp_path):
    accounts = tmp_path / "a.json"
    accounts.write_text(json.dumps([{"key": "k", "balances": {"USDT": 1}, "margin": {"USDT": 1}}]))
    process = subprocess.Popen(
        [sys.executable, "-m", "bot4.app.main", "exchange", "serve", "--json", "--accounts", str(accounts)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    where = json.loads(process.stdout.readline())
    assert where == addresses(int(where["rest"].rpartition(":")[2]))
    process.send_signal(signal.SIGINT)
    ended, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and json.loads(ended)["ended"]["orders"] == 0


def test_the_command_in_process_shows_a_status_line(monkeypatch, capsys):
    """Once it answers, this very process is signalled, as Ctrl-C would; before that a signal ends the tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def interrupt():
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                time.sleep(0.05)
            else:
                os.kill(os.getpid(), signal.SIGINT)
                return

    threading.Thread(target=interrupt, daemon=True).start()
    assert serve(**(OPTIONS | {"as_json": False, "port": port})) is None
    shown = capsys.readouterr().out
    assert "http://127.0.0.1:" in shown and "orders" in shown


def test_each_generated_market_has_a_book_of_its_own():
    """Events of a second market once reached the compiled core under their own number and wrote past it."""
    for exchange in generated_exchanges(3, 10**18).values():
        exchange.advance(10**18 + 2 * 10**9)
        for symbol, mid in (("BTCUSDT", 60_000), ("ETHUSDT", 3_000)):
            market, quote = exchange.markets[symbol], exchange.quote(symbol)
            assert quote.bid < quote.ask
            assert abs(quote.bid * market.tick / mid - 1) < Decimal("0.05")
            assert exchange.recent_trades(symbol, 1)
