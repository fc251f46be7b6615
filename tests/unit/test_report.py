"""The report: whole, inert, safe, and saying the numbers of its record."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from bot4.model import codes_nb as c
from bot4.model.events import DECISION_DTYPE, EVENT_DTYPE, ORDER_DTYPE
from bot4.research.metrics import DAY_NS, MonthReturn, summary_metrics
from bot4.research.report import render
from bot4.research.report import tables as t
from bot4.research.report import words as w
from bot4.research.report.axes import domain, number_ticks, thin, time_ticks
from bot4.research.report.svg import Chart, draw, points

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import fabricate

VOID = {"meta", "br", "hr", "img", "input", "link", "circle", "path"}


class Page(HTMLParser):
    """Tags in balance, links, text and script blocks of a document."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.tags: dict[str, int] = {}
        self.attributes: list[tuple[str, str, str | None]] = []
        self.feed(text)
        self.close()
        assert self.stack == [], f"never closed: {self.stack}"

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag not in VOID or (tag == "path" and not self.get_starttag_text().endswith("/>")):
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID, f"<{tag}/> closes nothing in HTML"
        self.tags[tag] = self.tags.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self.stack, f"</{tag}> without a start"
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "script":
            self.scripts.append(data)
        elif self.stack and self.stack[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\u00a0", " ").split())


@pytest.fixture(scope="module")
def run():
    return fabricate.record(days=45)


@pytest.fixture(scope="module")
def page(run):
    return Page(render(run))


def test_the_file_loads_nothing(run, page):
    html = render(run)
    assert page.links == []
    assert not re.search(r"(src|href)\s*=", html)
    assert "@import" not in html
    assert "url(" not in html
    assert "default-src &#x27;none&#x27;" in html or "default-src 'none'" in html
    assert re.findall(r"https?:", html) == ["http:"]  # the name of the SVG namespace, in the script
    assert not any(name.startswith("on") for _, name, _ in page.attributes)


def test_every_part_stands(page):
    for heading in (
        "Equity",
        "Drawdown",
        "Exposure",
        "Price and trades",
        "What it cost",
        "Decisions",
        "Refused orders",
        "All figures",
        "Return by month",
        "Round trips",
        "Settings of this run",
        "Read this before the numbers",
    ):
        assert heading in page.text
    assert page.tags["svg"] >= 12
    assert "not a forecast" in page.text


def test_the_numbers_are_those_of_the_record(run, page):
    s = summary_metrics(run)
    assert w.number(s["pnl_net"], 2, sign=True) in page.text
    assert f"{s['trades']} held" in page.text
    assert w.number(s["costs"]["fees"]) in page.text
    assert w.percent(s["max_drawdown"]).replace("\u00a0", " ") in page.text
    assert "bot4 backtest --strategy hybrid --seed 7 --days 45" in page.text
    assert "fusion.weights.ta" in page.text
    first = run.trades[0]
    assert w.moment(first["entry_ts"]) in page.text
    assert f"{run.refusals['heat']:,} (" in page.text
    assert "12,960 decisions by outcome" in page.text


def test_generated_data_are_called_so(run, page):
    assert "SYNTHETIC DATA" in page.text
    assert "on generated data" in page.text
    real = fabricate.record(days=2, synthetic=False)
    text = Page(render(real)).text
    assert "SYNTHETIC" not in text
    assert "generated data" not in text


def test_a_loss_is_as_plain_as_a_gain(run):
    run2 = fabricate.record(days=2)
    run2.equity["equity"][-1] = 9_690 * 10**8
    run2.equity["equity"][0] = 10_000 * 10**8
    text = Page(render(run2)).text
    assert "Lost 3.1 % after costs: \u2212310.00 USDT in 2 d on generated data." in text
    run2.equity["equity"][-1] = 10_310 * 10**8
    assert "Gained 3.1 % after costs: +310.00 USDT" in Page(render(run2)).text
    run2.equity["equity"][-1] = 10_000 * 10**8
    assert "Neither gained nor lost after costs" in Page(render(run2)).text


def test_text_of_the_record_cannot_become_markup():
    r = fabricate.record(days=2)
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    r.meta["strategy"] = r.meta["data"] = r.meta["venue"] = r.meta["command"] = r.meta["model"] = evil
    r.meta["seed"] = evil
    r.meta["currency"] = '"><script>x'
    r.meta["warnings"] = [evil]
    r.meta["config"] = {evil: {"a": evil, "b": [evil]}}
    r.meta["instruments"] = [{**fabricate.BTC.to_json(), "symbol": evil, "quote": evil}]
    r.refusals = {evil: 3}
    r.summary[evil] = evil
    html = render(r)
    found = Page(html)
    assert found.tags["script"] == 2
    assert "img" not in found.tags
    assert "<script>alert" not in html
    assert evil in found.text
    assert json.loads(found.scripts[0])["price"]["name"] == evil


def test_nothing_happened():
    text = Page(render(fabricate.empty())).text
    assert "Nothing was sampled: this run has no result." in text
    assert "0.00 USDT before fees" not in text  # not known is not nil
    assert "No round trip was closed" in text
    assert "No check refused an order." in text
    assert "not recorded" in text
    bare = fabricate.empty()
    bare.meta = {}
    assert "Price and trades" not in Page(render(bare)).text


def test_one_sample():
    r = fabricate.record(days=1)
    r.equity, r.fills, r.orders = r.equity[:1], r.fills[:0], r.orders[:0]
    found = Page(render(r))
    assert "Neither gained nor lost without a trade" in found.text
    assert "nan" not in found.text.lower().split()


def test_nan_and_nonsense_do_not_break_it():
    r = fabricate.record(days=2)
    r.equity["drawdown"] = np.nan
    r.equity["price"][10:20] = 0
    r.decisions["score"] = np.nan
    r.meta["bounds"] = {"pnl_net": float("nan"), "pnl_net_upper": None}
    r.fills["flags"] |= c.FLAG_AMBIGUOUS
    r.summary["funding_units"] = float("nan")
    r.summary["speed"] = float("inf")
    r.decisions["outcome"][0] = 127
    found = Page(render(r))
    assert "NaN" not in found.text
    assert "outcome 127" in found.text
    assert "held both stop and target; the worse was taken." in found.text
    json.loads(found.scripts[0], parse_constant=pytest.fail)


def test_ruin_is_said():
    r = fabricate.record(days=2)
    r.equity["equity"][-1] = -5
    text = Page(render(r)).text
    assert "Equity fell to nil or below" in text
    assert "Lost" in text


def test_unmatched_fills_are_said():
    r = fabricate.record(days=10)
    r.fills["x"][-1] = 10**6
    assert "1 fill of orders that are not in this record" in Page(render(r)).text


def test_a_long_run_stays_small():
    """Many decisions and fills: aggregated, thinned and cut, and said so."""
    r = fabricate.record(days=30)
    n = 20_000
    fills, orders = np.zeros(n, EVENT_DTYPE), np.zeros(n, ORDER_DTYPE)
    ts = np.linspace(r.equity["ts"][0], r.equity["ts"][-1], n).astype(np.int64)
    fills["ts_local"], fills["kind"], fills["x"] = ts, c.EV_FILL, np.arange(n)
    fills["price"], fills["qty"] = 640_000 + np.arange(n) % 70, 1
    orders["id"], orders["side"] = np.arange(n), np.where(np.arange(n) % 2, -1, 1)
    r.fills, r.orders = fills, orders
    r.decisions = np.zeros(300_000, DECISION_DTYPE)
    r.decisions["outcome"] = c.D_HOLD
    html = render(r)
    text = Page(html).text
    assert len(html) < 1_500_000
    assert "The first 500 of 10,000 round trips" in text
    assert "120 round trips with the largest result of 10,000" in text
    assert "300,000 decisions by outcome" in text
    assert html.count('<td class="num" data-v="500">') == 1
    series = json.loads(Page(html).scripts[0])
    assert all(len(s["t"]) <= 2000 and len(s["t"]) == len(s["v"]) for s in series.values())


def test_long_and_short_at_once_show_gross_exposure():
    r = fabricate.record(days=2)
    r.equity["exposure"], r.equity["net"] = 5_000 * 10**8, 0
    series = json.loads(Page(render(r)).scripts[0])["exposure"]["v"]
    assert min(series) > 0.4


# --- parts -------------------------------------------------------------------------


def test_numbers_as_words():
    assert w.number(12345.678) == "12,345.68"
    assert w.number(-0.001) == "0.00"
    assert w.number(-1, 0, sign=True) == "\u22121"
    assert w.number(None) == w.number(float("nan")) == w.number(float("inf")) == "\u2013"
    assert w.percent(0.031) == "3.1\u00a0%"
    assert w.percent(0.0013) == "0.13\u00a0%"
    assert w.percent(None) == "\u2013"
    assert w.plural(1, "trade") == "1 trade"
    assert w.plural(2000, "trade") == "2,000 trades"
    assert w.moment(0) == "1970-01-01 00:00"
    assert w.moment(61 * 10**9, seconds=True) == "1970-01-01 00:01:01"
    assert w.moment(None) == "\u2013"
    assert [w.decimals_for(x) for x in (10_000, 1_000, 1, 0.01, 1e-9, None, 0)] == [2, 2, 5, 7, 8, 2, 2]
    assert [w.sense(x) for x in (1, -1, 0, None)] == ["pos", "neg", "", ""]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (125, "2 min 5 s"),
        (1200, "20 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (90000, "1 d 1 h"),
        (44 * 86400 + 86100, "45 d"),
        (40 * 86400 + 7200, "40 d"),
    ],
)
def test_durations(seconds, text):
    assert w.span(seconds * 1e9).replace("\u00a0", " ") == text
    assert w.span(float("nan")) == w.span(None) == "\u2013"


def test_number_ticks_are_round():
    assert number_ticks(0.0, 10.0, 5) == ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], 0)
    ticks, decimals = number_ticks(9_912.0, 10_080.0, 3)
    assert ticks == [9950.0, 10000.0, 10050.0]
    assert decimals == 0
    assert number_ticks(-0.35, 0.35, 3)[0] == pytest.approx([-0.2, 0.0, 0.2])
    assert number_ticks(0.001, 0.0042, 3)[1] == 3


def test_time_ticks_are_labelled_in_utc():
    start = fabricate.START
    assert [x.text for x in time_ticks(start, start + 86400 * 10**9, 4)] == [
        "1 Jun",
        "06:00",
        "12:00",
        "18:00",
        "2 Jun",
    ]
    assert time_ticks(start, start + 20 * 10**9, 4)[1].text == "00:00:05"
    assert [x.text for x in time_ticks(start, start + 14 * DAY_NS, 2)] == ["1 Jun", "8 Jun", "15 Jun"]
    assert [x.text for x in time_ticks(start, start + 200 * DAY_NS, 3)] == ["Jul 2024", "Oct 2024"]
    assert [x.text for x in time_ticks(start, start + 900 * DAY_NS, 3)] == ["2025", "2026"]
    assert time_ticks(0, 200 * 365 * DAY_NS, 3)[0].text == "1970"


def test_domains_are_never_empty():
    assert domain(np.array([])) == (0.0, 1.0)
    assert domain(np.array([np.nan])) == (0.0, 1.0)
    assert domain(np.array([5.0])) == pytest.approx((4.95, 5.05))
    assert domain(np.array([0.0, 0.0])) == (-0.1, 0.1)


def test_thinning_leaves_short_series_alone():
    assert thin(np.arange(5.0), 5).tolist() == [0, 1, 2, 3, 4]
    spike = np.zeros(10_000)
    spike[7_777] = 9.0
    assert 7_777 in thin(spike, 200)


def test_a_gap_breaks_the_line_and_a_lone_sample_is_a_dot():
    values = np.array([1.0, 2.0, np.nan, 3.0, np.nan, 4.0, 5.0])
    chart = Chart("k", "T", np.arange(7) * 10**9, values, 0, 6 * 10**9, area=True, base=0.0)
    drawn = draw(chart).split("</svg>")[0]
    assert len(re.findall(r'<path class="line" ', drawn)) == 2
    assert drawn.count("<circle") == 1
    assert points(chart)["v"][2] is None
    nothing = Chart("k", "T", np.arange(2), np.full(2, np.nan), 0, 1)
    assert "No samples" in draw(nothing)


def test_a_fixed_empty_range_still_draws():
    chart = Chart("k", "T", np.arange(3) * 10**9, np.zeros(3), 0, 2 * 10**9, low=0.0, high=0.0)
    assert "nan" not in draw(chart)


def test_months_are_compounded_and_coloured():
    html = t.monthly([MonthReturn(2024, 1, 0.1), MonthReturn(2024, 2, -0.1), MonthReturn(2025, 1, None)])
    text = Page(html).text
    assert "+10.00" in text
    assert "\u22121.00" in text  # 1.1 x 0.9 - 1
    assert html.count("--heat:55%") == 2
    assert t.monthly([]).startswith('<p class="none">')


def test_bars_of_many_reasons_sum_the_tail():
    html = t.count_bars({f"r{i:02d}": 100 - i for i in range(20)}, "none")
    text = Page(html).text
    assert "all others" in text
    assert f"{sum(100 - i for i in range(12, 20))}" in text
    assert "none" in t.bars([], "none")


def test_settings_are_flattened():
    rows = t.flatten({"a": {"b": 1, "c": None}, "d": [], "e": (1, 2)})
    assert rows == [("a.b", "1"), ("a.c", "none"), ("d", "none"), ("e", "1, 2")]
    assert "No settings" in t.parameters({})


def test_tags_of_a_trade():
    r = fabricate.record(days=420, seed=11, step=30 * fabricate.MINUTE)
    html = t.trades(r, 2)
    assert '<b class="tag">gap</b>' in html
    assert '<b class="tag">ambiguous</b>' in html


def test_no_bar_is_drawn_for_nil():
    assert "<i" not in t.bars([t.Bar("fees", 0.0, "0.00")], "none")


def test_a_start_without_equity_is_said():
    r = fabricate.record(days=1)
    r.equity["equity"][0] = 0
    assert "started without equity" in Page(render(r)).text
