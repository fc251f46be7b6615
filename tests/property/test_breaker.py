"""Circuit breakers: every reachable state enumerated, random sequences, the posterior against scipy."""

import collections
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bot4.model.errors import ConfigError
from bot4.safety.breaker import MINUTE, SECOND, Breaker, Breakers, Cause, Change, Level, Rule, State, tail

RULE = Rule(
    "api", Level.VENUE, errors_to_open=3, timeout_ns=10, window_ns=100, successes_to_close=2, min_calls=4
)
LEGAL = {
    (State.CLOSED, State.OPEN),
    (State.OPEN, State.HALF_OPEN),
    (State.HALF_OPEN, State.OPEN),
    (State.HALF_OPEN, State.CLOSED),
}


@pytest.mark.parametrize(("bad", "good"), list(itertools.product((0, 1, 5, 40, 900), (0, 1, 5, 60, 1000))))
@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.9])
def test_the_posterior_tail_equals_scipy(bad, good, rate):
    expected = stats.beta.sf(rate, 1 + bad, 1 + good)
    assert tail(bad, good, rate) == pytest.approx(expected, rel=1e-9, abs=1e-14)


def test_five_failures_of_ten_are_not_yet_a_rate_of_one_half():
    breaker = Breaker(Rule("api", Level.VENUE, errors_to_open=1000))
    for k in range(10):
        breaker.record(k % 2 == 0, k)
    assert breaker.state is State.CLOSED
    assert stats.beta.ppf((0.05, 0.95), 6, 6) == pytest.approx((0.2712, 0.7288), abs=1e-3)


def test_sixty_percent_errors_open_within_a_second_at_100_calls_a_second():
    breaker = Breaker(Rule("api", Level.VENUE, errors_to_open=10**6))
    for k in range(100):
        now = k * SECOND // 100
        breaker.record(k % 5 >= 3, now)
        if breaker.state is State.OPEN:
            break
    assert breaker.state is State.OPEN
    assert now < SECOND
    assert breaker.cause is Cause.ERROR_RATE


def test_a_probe_that_came_to_nothing_leaves_its_place():
    breaker = Breaker(RULE)
    breaker.trip(Cause.MANUAL, "", 0)
    assert breaker.shut(9) and not breaker.shut(10) and breaker.state is State.OPEN
    assert breaker.allow(10) and breaker.shut(10) and not breaker.allow(10)
    breaker.forget()
    assert not breaker.shut(10) and breaker.allow(10)
    breaker.record(True, 11)
    assert breaker.state is State.HALF_OPEN


@pytest.mark.parametrize("share", [0.45, 0.55])
def test_around_the_threshold_there_is_at_most_one_opening_a_time_out(share):
    """Ten minutes at 10 calls a second around the rate: a breaker without hysteresis flaps."""
    changes = []
    breaker = Breaker(Rule("api", Level.VENUE, errors_to_open=10**6), changes.append)
    bad = 0.0
    for k in range(6000):
        now = k * SECOND // 10
        bad += share
        good = bad < 1
        bad -= not good
        if breaker.allow(now):
            breaker.record(good, now)
    opened = [c.ts for c in changes if c.after is State.OPEN]
    assert all(b - a >= 5 * MINUTE for a, b in itertools.pairwise(opened))


def test_every_reachable_state_is_safe():
    """All sequences of six steps: legal transitions, bounded probes, closed only after enough successes."""
    steps = ("ask", "good", "bad", "trip", "wait")
    seen = collections.Counter()
    for sequence in itertools.product(steps, repeat=6):
        changes: list[Change] = []
        breaker = Breaker(RULE, changes.append)
        now, out = 0, 0
        for step in sequence:
            if step == "wait":
                now += 10
            elif step == "trip":
                breaker.trip(Cause.MANUAL, "asked", now)
            elif step == "ask":
                before = breaker.state
                if breaker.allow(now):
                    assert before is not State.OPEN or now - breaker.opened_ns >= RULE.timeout_ns
                    out += breaker.state is State.HALF_OPEN
            else:
                out = max(0, out - (breaker.state is State.HALF_OPEN))
                breaker.record(step == "good", now)
            if breaker.state is not State.HALF_OPEN:
                out = 0
            assert out <= RULE.probes
            seen[breaker.state] += 1
        assert {(c.before, c.after) for c in changes} <= LEGAL
    assert set(seen) == set(State)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ask", "good", "bad", "trip"]), st.integers(0, 30)), max_size=60))
def test_random_sequences_never_stay_stuck(steps):
    """From wherever it is, waiting, probing and succeeding closes it: no deadlock."""
    changes = []
    breaker = Breaker(RULE, changes.append)
    now = 0
    for step, wait in steps:
        now += wait
        if step == "ask":
            breaker.allow(now)
        elif step == "trip":
            breaker.trip(Cause.RISK_LIMIT, "limit", now)
        else:
            breaker.record(step == "good", now)
    for _ in range(10):
        now += RULE.timeout_ns
        breaker.allow(now)
        breaker.record(True, now)
    assert breaker.state is State.CLOSED
    assert {(c.before, c.after) for c in changes} <= LEGAL
    assert [c.before for c in changes[1:]] == [c.after for c in changes[:-1]]


def test_a_value_opens_at_high_and_closes_only_at_low():
    rule = Rule(
        "spread",
        Level.POSITION,
        high=3.0,
        low=2.0,
        timeout_ns=10,
        successes_to_close=2,
        value_cause=Cause.SPREAD,
    )
    breaker = Breaker(rule)
    breaker.measure(2.99, 0)
    assert breaker.state is State.CLOSED
    breaker.measure(3.0, 1)
    assert (breaker.state, breaker.cause) == (State.OPEN, Cause.SPREAD)
    breaker.measure(1.0, 2)
    assert not breaker.allow(10)  # a good value while open does not let work pass
    assert breaker.allow(11)
    for now, value in ((12, 2.5), (13, 2.0), (14, 2.5)):
        breaker.measure(value, now)
        assert breaker.state is State.HALF_OPEN
    breaker.measure(1.9, 15)
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_cannot_be_judged_opens(value):
    breaker = Breaker(Rule("spread", Level.POSITION, high=3.0, low=2.0))
    breaker.measure(value, 0)
    assert breaker.state is State.OPEN


def test_tuning_stays_within_its_bounds():
    breaker = Breaker(Rule("api", Level.VENUE, errors_to_open=10**6, window_ns=1, remembered=200))
    assert breaker.tuned_rate() == 0.5
    for k in range(500):
        breaker.record(True, 10 * k)
    assert breaker.tuned_rate() == 0.2
    for k in range(500, 900):
        breaker.record(k % 25 != 0, 10 * k)
    assert 0.2 < breaker.tuned_rate() < 0.5


def test_dependants_open_in_the_same_call_and_cycles_are_refused():
    heard = []
    rules = [
        Rule("feed", Level.SYSTEM),
        Rule("features", Level.SYSTEM, depends_on=("feed",)),
        Rule("orders", Level.VENUE, depends_on=("features", "feed")),
    ]
    breakers = Breakers(rules, heard.append)
    breakers["feed"].trip(Cause.API_ERRORS, "no data", 5)
    assert [c.breaker for c in heard] == ["feed", "features", "orders"]
    assert all(c.ts == 5 for c in heard)
    assert [b.rule.name for b in breakers.open_at(Level.SYSTEM)] == ["feed", "features"]
    with pytest.raises(ConfigError, match="circle"):
        Breakers(
            [Rule("a", Level.SYSTEM, depends_on=("b",)), Rule("b", Level.SYSTEM, depends_on=("a",))], print
        )
    with pytest.raises(ConfigError, match="does not exist"):
        Breakers([Rule("a", Level.SYSTEM, depends_on=("x",))], print)
    with pytest.raises(ConfigError, match="twice"):
        Breakers([Rule("a", Level.SYSTEM), Rule("a", Level.SYSTEM)], print)


@pytest.mark.parametrize(
    "wrong",
    [
        {"probes": 0},
        {"rate": 1.0},
        {"rate_floor": 0.6},
        {"high": 1.0},
        {"high": 1.0, "low": 1.0},
        {"confidence": 0.4},
    ],
)
def test_a_rule_that_cannot_work_is_refused(wrong):
    with pytest.raises(ConfigError, match="breaker api"):
        Rule("api", Level.VENUE, **wrong)


def test_only_value_breakers_measure():
    with pytest.raises(ConfigError, match="watches no value"):
        Breaker(RULE).measure(1.0, 0)
