import json
import random
from decimal import Decimal

import numpy as np
import pytest
from frame_samples import NO_JIT, T0, diff, line, rows, session, snapshot, ticker, trade

from bot4.market import binance_nb as b
from bot4.market import scan_nb as s
from bot4.market.binance_nb import new_parser, parse_frames_nb
from bot4.model import codes_nb as c


def parse(text, symbol="BTCUSDT", price=(1, 1), qty=(3, 1), n=4096, **state):
    parser = new_parser(symbol, 3, price, qty, venue=2)
    for name, value in state.items():
        parser.work[getattr(b, name)] = value
    out = rows(n)
    buf = np.frombuffer(text, np.uint8)
    pos, used = parse_frames_nb(parser, buf, 0, len(buf), out, 0)
    assert pos == len(buf)
    return out[:used], parser


def outcome(text, **kw):
    """The single outcome of a one-line text."""
    events, parser = parse(text, **kw)
    (codes,) = np.nonzero(parser.counts)
    assert parser.counts.sum() == 1
    if codes[0] != s.P_OK:
        assert len(events) == 0  # a frame is atomic
    return int(codes[0])


def test_ticker_fields():
    events, _ = parse(line(ticker(77, ms=T0 - 5), stream="btcusdt@bookTicker"))
    (e,) = events
    assert (e["kind"], e["price"], e["qty"], e["x"], e["y"], e["seq"]) == (
        c.EV_BOOK_TICKER,
        1001,
        1500,
        1002,
        2000,
        77,
    )
    assert (e["ts_venue"], e["ts_local"]) == ((T0 - 5) * 10**6, T0 * 10**6)
    assert (e["instrument"], e["venue"], e["flags"]) == (3, 2, 0)


def test_trade_flags_say_the_aggressor():
    events, _ = parse(line(trade(maker=True)) + line(trade(2, maker=False)))
    assert events["flags"].tolist() == [c.FLAG_BUYER_MAKER, 0]
    assert events["seq"].tolist() == [1, 2]


def test_diff_and_its_last_flag():
    text = line(diff(5, 9, 4, [("100.1", "1"), ("100.0", "0")], [("100.2", "3.5")]))
    events, _ = parse(text + line(diff(10, 12, 9)))
    assert events["kind"].tolist() == [c.EV_DEPTH_HEAD] + [c.EV_DEPTH] * 3 + [c.EV_DEPTH_HEAD]
    assert events["flags"].tolist() == [0, c.FLAG_BID, c.FLAG_BID, c.FLAG_LAST, c.FLAG_LAST]
    head = events[0]
    assert (head["x"], head["y"], head["seq"]) == (5, 4, 9)
    assert events["price"][1:4].tolist() == [1001, 1000, 1002]
    assert events["qty"][1:4].tolist() == [1000, 0, 3500]


def test_spot_diff_has_no_previous_id_and_spot_ticker_inherits_the_time():
    spot = diff(5, 9, None, [("1.0", "1")])
    del spot["T"]
    bare = {"u": 10, "s": "BTCUSDT", "b": "1.0", "B": "1", "a": "1.1", "A": "1"}
    events, _ = parse(line(bare) + line(spot) + line(bare, T0 + 900))
    assert events["y"][1] == -1
    assert events["ts_venue"].tolist() == [T0 * 10**6] * 4
    assert events["ts_local"][-1] == (T0 + 900) * 10**6


def test_snapshot():
    events, _ = parse(line(snapshot(42, [("1.0", "1")], [("1.1", "2")])))
    assert events["kind"].tolist() == [c.EV_SNAPSHOT_HEAD, c.EV_DEPTH, c.EV_DEPTH]
    assert events["seq"].tolist() == [42] * 3


def test_snapshot_of_a_many_symbol_feed_must_be_near_the_last_price():
    snap = line(snapshot(42, [("100.0", "1")], []))
    far = line(snapshot(42, [("1.0", "1")], []))
    _, parser = parse(snap + line(ticker()) + far + snap, G_MANY=1)
    assert parser.counts[s.P_AMBIGUOUS] == 2
    assert parser.counts[s.P_OK] == 2


def test_agg_trades_only_when_asked():
    agg = {
        "e": "aggTrade",
        "E": T0,
        "s": "BTCUSDT",
        "a": 9,
        "p": "1.0",
        "q": "1",
        "f": 1,
        "l": 2,
        "T": T0,
        "m": True,
    }
    assert outcome(line(agg)) == s.P_IGNORED
    events, _ = parse(line(agg), G_AGG=1)
    assert events["seq"].tolist() == [9]


def test_key_order_unknown_keys_and_blanks_do_not_matter():
    plain = ticker(5)
    turned = dict(reversed(plain.items()))
    turned["new"] = {"deep": [1, {"b": "]"}], "text": 'a\\"}b'}
    spaced = f"  {T0}000000   {json.dumps({'data': turned, 'stream': 'x'})}  \r\n".encode()
    one, _ = parse(line(plain))
    other, _ = parse(spaced)
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (ticker(bid="NaN"), s.P_NUMBER),
        (ticker(bid=""), s.P_NUMBER),
        (ticker(bid="1e2"), s.P_NUMBER),
        (ticker(bid=".5"), s.P_NUMBER),
        (ticker(bid="1."), s.P_NUMBER),
        (ticker(bid="1.2.3"), s.P_NUMBER),
        (ticker(bid="-1.0"), s.P_NEGATIVE),
        (ticker(bid_qty="-1.0"), s.P_NEGATIVE),
        (ticker(bid="0.0"), s.P_ZERO_PRICE),
        (ticker(bid="1.01"), s.P_OFF_GRID),
        (ticker(bid_qty="1.0001"), s.P_OFF_GRID),
        (ticker(bid="9" * 19), s.P_OVERFLOW),
        (ticker(ms=0), s.P_TIME),
        (ticker(ms=T0 + 2 * 86_400_000), s.P_TIME),
        (ticker(u=0), s.P_SEQUENCE),
        (trade(qty="0.000"), s.P_SKIPPED_TRADE),
        (trade(X="INSURANCE_FUND"), s.P_SKIPPED_TRADE),
        (trade(maker=7), s.P_MALFORMED),
        (diff(9, 5, 4, [("1.0", "1")]), s.P_SEQUENCE),
        (diff(5, 9, 4, [("1.0", "1"), ("1.0", "nan")]), s.P_NUMBER),
        (diff(5, 9, 4, [("0", "1")]), s.P_ZERO_PRICE),
        (diff(5, 9, 4, [("1.0",)]), s.P_MALFORMED),
        (snapshot(0, [], []), s.P_SEQUENCE),
        ({k: v for k, v in ticker().items() if k != "A"}, s.P_MISSING),
        ({k: v for k, v in diff(1, 2).items() if k != "U"}, s.P_MISSING),
        ({k: v for k, v in trade().items() if k != "q"}, s.P_MISSING),
        ({"lastUpdateId": 4, "bids": []}, s.P_MISSING),
        ({**ticker(), "s": "ETHUSDT"}, s.P_OTHER_SYMBOL),
        ({**ticker(), "s": "BTCUSDTX"}, s.P_OTHER_SYMBOL),
        ({**diff(5, 9, 4, [("1.05", "1")]), "s": "ETHUSDT"}, s.P_OTHER_SYMBOL),
        ({"e": "markPriceUpdate", "E": T0, "s": "BTCUSDT", "p": "1.123456789"}, s.P_IGNORED),
        ({"result": None, "id": 1}, s.P_IGNORED),
        ({}, s.P_IGNORED),
        ([1, 2], s.P_IGNORED),
    ],
)
def test_one_frame_one_outcome(frame, code):
    assert outcome(line(frame)) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"\n", s.P_EMPTY),
        (b"   \n", s.P_EMPTY),
        (b"hello\n", s.P_TIME),
        (b"123 {}\n", s.P_TIME),
        (b"1723161255000000000\n", s.P_TIME),
        (b"1723161255000000000 \n", s.P_MALFORMED),
        (b"1723161255000000000 {} x\n", s.P_MALFORMED),
        (b'1723161255000000000 {"e":"trade","e":"trade"}\n', s.P_MALFORMED),
        (b'1723161255000000000 {"e"}\n', s.P_MALFORMED),
        (b'1723161255000000000 {"e":}\n', s.P_MALFORMED),
        (b"1723161255000000000 {]\n", s.P_MALFORMED),
    ],
)
def test_broken_lines(text, code):
    assert outcome(text) == code


def test_every_cut_of_a_frame_is_rejected_whole():
    frames = [
        line(diff(5, 9, 4, [("100.1", "1")], [("100.2", "3.5")]), stream="btcusdt@depth"),
        line(ticker(), stream="btcusdt@bookTicker"),
    ]
    for whole in frames:
        body = whole[:-1]
        for cut in range(20, len(body)):
            # after a good line of the same shape, so that both the fast and the general path are cut
            events, parser = parse(whole + body[:cut] + b"\n" + whole)
            assert parser.counts[s.P_FIRST_REJECT :].sum() == 1
            assert parser.counts[s.P_OK] == 2
            assert parser.bad[0, 0] == 2
            assert events[: len(events) // 2].tobytes() == events[len(events) // 2 :].tobytes()


def test_numbers_are_exact_on_coarse_steps():
    events, _ = parse(line(ticker(bid="100.50", ask="101.0")), price=(1, 5))
    assert (events["price"][0], events["x"][0]) == (201, 202)
    assert outcome(line(ticker(bid="100.4")), price=(1, 5)) == s.P_OFF_GRID


def test_output_that_is_full_stops_before_the_frame():
    text = line(ticker()) + line(diff(5, 9, 4, [("1.0", "1"), ("1.1", "1")]))
    parser = new_parser("BTCUSDT", 0, (1, 1), (3, 1))
    buf = np.frombuffer(text, np.uint8)
    out = rows(3)
    pos, n = parse_frames_nb(parser, buf, 0, len(buf), out, 0)
    assert n == 1
    assert text[pos:] == line(diff(5, 9, 4, [("1.0", "1"), ("1.1", "1")]))
    pos, n = parse_frames_nb(parser, buf, pos, len(buf), out, 0)
    assert (pos, n) == (len(buf), 3)
    small = rows(2)
    pos, n = parse_frames_nb(parser, buf, len(line(ticker())), len(buf), small, 0)
    assert n == 0
    assert parser.counts[s.P_TOO_LARGE] == 1


def oracle(text):
    """An independent reading: one tuple a record."""
    out = []

    def t(x):
        return int(Decimal(x) * 10)

    def q(x):
        return int(Decimal(x) * 1000)

    for raw in text.splitlines():
        local, _, body = raw.partition(b" ")
        data = json.loads(body)
        data = data.get("data", data)
        if "lastUpdateId" in data or data["e"] == "depthUpdate":
            snap = "lastUpdateId" in data
            kind = c.EV_SNAPSHOT_HEAD if snap else c.EV_DEPTH_HEAD
            seq = data["lastUpdateId"] if snap else data["u"]
            out.append((kind, int(local), 0, 0, data.get("U", 0), data.get("pu", 0 if snap else -1), seq))
            for key in ("bids", "asks") if snap else ("b", "a"):
                out += [(c.EV_DEPTH, int(local), t(p), q(x), 0, 0, seq) for p, x in data[key]]
        elif data["e"] == "trade":
            out.append((c.EV_TRADE, int(local), t(data["p"]), q(data["q"]), 0, 0, data["t"]))
        else:
            out.append(
                (
                    c.EV_BOOK_TICKER,
                    int(local),
                    t(data["b"]),
                    q(data["B"]),
                    t(data["a"]),
                    q(data["A"]),
                    data["u"],
                )
            )
    return out


@pytest.mark.parametrize("perp", [True, False])
def test_equals_json_module(perp):
    text, _, _, _ = session(60 if NO_JIT else 600, perp=perp)
    events, parser = parse(text, n=20_000)
    assert parser.counts[s.P_OK] == parser.counts.sum()
    mine = [tuple(int(e[k]) for k in ("kind", "ts_local", "price", "qty", "x", "y", "seq")) for e in events]
    assert mine == oracle(text)


def test_fast_path_equals_general_path():
    text, _, _, _ = session(60 if NO_JIT else 400)
    shaped, parser = parse(text, n=20_000)
    assert parser.work[b.T_SHAPES] > 0
    parts = [parse(one + b"\n")[0].tobytes() for one in text.splitlines()]  # a fresh parser has no shape
    assert shaped.tobytes() == b"".join(parts)


def test_random_damage_never_crashes_and_never_half_emits():
    rng = random.Random(3)
    text, _, _, _ = session(40)
    lines = text.splitlines(keepends=True)
    for _ in range(30 if NO_JIT else 3000):
        at = rng.randrange(len(lines))
        raw = bytearray(lines[at][:-1])
        for _ in range(rng.randrange(1, 4)):
            how = rng.randrange(3)
            k = rng.randrange(len(raw))
            if how == 0:
                raw[k] = rng.randrange(256)
            elif how == 1:
                del raw[k : k + rng.randrange(1, 9)]
            else:
                raw[k:k] = bytes([rng.randrange(256)])
            if not raw:
                raw = bytearray(b"x")
        damaged = bytes(raw).replace(b"\n", b" ") + b"\n"
        events, parser = parse(lines[0] + damaged + lines[1])
        assert parser.counts.sum() == 3
        first, second = parse(lines[0])[0], parse(lines[1])[0]
        assert events[: len(first)].tobytes() == first.tobytes()
        tail = events[len(events) - len(second) :]
        assert tail["price"].tolist() == second["price"].tolist()
        middle = events[len(first) : len(events) - len(second)]
        if parser.counts[s.P_OK] == 2:
            assert len(middle) == 0
        assert (middle["price"] >= 0).all()
        assert (middle["qty"] >= 0).all()


def test_compiled_equals_plain():
    text = line(ticker()) + line(trade()) + line(ticker(11)) + b"bad\n" + line(diff(5, 9, 4, [("1.0", "1")]))
    plain = getattr(parse_frames_nb, "py_func", parse_frames_nb)
    parser = new_parser("BTCUSDT", 3, (1, 1), (3, 1), venue=2)
    out = rows()
    buf = np.frombuffer(text, np.uint8)
    _, n = plain(parser, buf, 0, len(buf), out, 0)
    events, other = parse(text)
    assert out[:n].tobytes() == events.tobytes()
    assert parser.counts.tolist() == other.counts.tolist()


def test_scanner_functions_alone():
    def dec(text, exp, step=1):
        _, value, code = s.decimal_nb(np.frombuffer(text + b"\n", np.uint8), 0, exp, step)
        return value if code == 0 else -code

    assert dec(b'"12.3400"', 2) == 1234
    assert dec(b"12,", 2) == 1200
    assert dec(b'"000012.5"', 1) == 125
    assert dec(b'"12', 2) == -s.P_MALFORMED
    assert dec(b'"12x"', 2) == -s.P_NUMBER
    assert dec(b'"123456789012345678"', 0) == 123456789012345678
    assert dec(b'"1234567890123456789"', 0) == -s.P_OVERFLOW
    assert s.time_ns_nb(1_723_161_255_123) == 1_723_161_255_123_000_000
    assert s.time_ns_nb(1_723_161_255_123_456) == 1_723_161_255_123_456_000
    assert s.time_ns_nb(1_723_161_255_123_456_789) == 1_723_161_255_123_456_789
    assert s.time_ns_nb(5) == 0
    assert s.time_ns_nb(-1) == 0
    assert s.time_ns_nb(2**62 * 2 - 1) == 0
    assert s.time_ns_nb(100_000_000_000_000) == 0
