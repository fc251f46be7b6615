"""Circuit breakers: every reachable state enumerated, random sequences, the posterior against scipy."""

import collections
import dataclasses
import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bot4.model.errors import ConfigError
from bot4.safety import breaker_nb as nb
from bot4.safety.breaker import MINUTE, SECOND, Breaker, Breakers, Cause, Change, Level, Rule, State, tail
from bot4.safety.breaker_nb import BREAKER_DTYPE

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


def test_ten_thousand_random_sequences_keep_the_rules():
    """Half open admits no more than its probes; nothing goes from open to closed."""
    rng = random.Random(11)
    halves = 0
    for n in range(10_000):
        changes = []
        probes = 1 + n % 3
        rule = dataclasses.replace(RULE, probes=probes, high=3.0, low=2.0) if n % 2 else RULE
        breaker = Breaker(dataclasses.replace(rule, probes=probes), changes.append)
        now = out = 0
        for _ in range(14):
            step = rng.randrange(6)
            before = breaker.state
            if step == 0:
                now += rng.choice((1, 5, 10, 11))
            elif step in (1, 2):
                if breaker.allow(now) and breaker.state is State.HALF_OPEN:
                    out = out + 1 if before is State.HALF_OPEN else 1
            elif step == 3:
                breaker.record(rng.random() < 0.6, now)
                out = max(0, out - 1)
            elif step == 4:
                breaker.trip(Cause.MANUAL, "asked", now)
            elif rule.high is not None:
                breaker.measure(rng.choice((1.0, 2.0, 2.5, 3.0, math.nan)), now)
            halves += breaker.state is State.HALF_OPEN
            if breaker.state is not State.HALF_OPEN:
                out = 0
            assert out <= probes
        assert {(c.before, c.after) for c in changes} <= LEGAL
    assert halves > 5_000


ACTIONS = ("admit", "forget", "good", "trip", "low", "between", "high", "nan", "wait")
VALUES = {"low": 1.0, "between": 2.5, "high": 3.0, "nan": math.nan}


def _row(high=3.0, probes=2, needed=2):
    rows = np.zeros(1, BREAKER_DTYPE)
    rows["timeout"], rows["probes"], rows["needed"] = 10, probes, needed
    rows["value"], rows["high"], rows["low"] = -math.inf, high, 2.0
    return rows


def _act(rows, action, now, kernel=lambda f: f):
    """Carry out one action on the compiled machine, or on its plain functions."""
    if action == "admit":
        return int(kernel(nb.admit_nb)(rows, 0, now))
    if action == "forget":
        return kernel(nb.forget_nb)(rows, 0)
    if action == "good":
        return int(kernel(nb.pass_nb)(rows, 0))
    if action == "trip":
        return int(kernel(nb.trip_nb)(rows, 0, 7, now))
    return int(kernel(nb.measure_nb)(rows, 0, VALUES[action], 7, now))


class Oracle:
    """The machine once more, by its words: a dict and plain branches."""

    def __init__(self, valued, probes=2, needed=2):
        self.s, self.valued, self.probes, self.needed = "closed", valued, probes, needed
        self.opened = self.probing = self.passed = 0
        self.value = -math.inf

    def may(self, now):
        return now - self.opened >= 10 and (not self.valued or self.value <= 2.0)

    def open(self, now):
        news = self.s != "open"
        self.s, self.opened, self.probing, self.passed = "open", now, 0, 0
        return int(news)

    def half(self):
        self.s, self.probing, self.passed = "half", 0, 0

    def good(self):
        if self.s != "half":
            return 0
        self.passed += 1
        if self.passed < self.needed:
            return 0
        self.s, self.probing = "closed", 0
        return 1

    def act(self, action, now):
        if action == "admit":
            if self.s == "open" and self.may(now):
                self.half()
            elif self.s == "open" or (self.s == "half" and self.probing >= self.probes):
                return 0
            self.probing += self.s == "half"
            return 1
        if action == "forget":
            self.probing = max(0, self.probing - 1)
            return None
        if action == "good":
            return self.good()
        if action == "trip":
            return self.open(now)
        self.value = VALUES[action]
        if not self.value < 3.0:
            return self.open(now) if self.s != "open" else 0
        if self.s == "open":
            if not self.may(now):
                return 0
            self.half()
            return 1
        return self.good() if self.value <= 2.0 else 0

    def key(self, now):
        rest = (self.probing, self.passed) if self.s == "half" else ()
        return (self.s, now - self.opened >= 10 if self.s == "open" else None, self.value, *rest)


def _key(rows, now):
    b = rows[0]
    half = (int(b["probing"]), int(b["passed"])) if b["state"] == 2 else ()
    over = bool(now - b["opened"] >= 10) if b["state"] == 1 else None
    return (("closed", "open", "half")[int(b["state"])], over, float(b["value"]), *half)


def _same(one, other):
    return len(one) == len(other) and all(a == b or (a != a and b != b) for a, b in zip(one, other))


@pytest.mark.parametrize("high", [3.0, math.nan])
def test_the_whole_machine_enumerated_compiled_plain_and_by_an_oracle(high):
    """Every reachable state and every action: the three agree, and from everywhere a way leads to closed."""
    valued = high == high
    actions = ACTIONS if valued else tuple(a for a in ACTIONS if a not in VALUES)
    edges: dict[str, set[str]] = {}
    before_of: dict[tuple[str, ...], str] = {}
    waiting = collections.deque([()])
    while waiting:
        path = waiting.popleft()
        states = []
        for machine in ("compiled", "plain", "oracle"):
            now = 0
            rows, oracle = _row(high), Oracle(valued)
            for step in path:
                now += 10 * (step == "wait")
                if step == "wait":
                    continue
                if machine == "oracle":
                    said = oracle.act(step, now)
                else:
                    plain = getattr if machine == "plain" else lambda f, *_: f
                    said = _act(rows, step, now, lambda f, plain=plain: plain(f, "py_func", f))
            answer = said if path and path[-1] != "wait" else None
            states.append((oracle.key(now) if machine == "oracle" else _key(rows, now), answer))
        assert _same(states[0][0], states[1][0]) and _same(states[0][0], states[2][0]), path
        assert states[0][1] == states[1][1] == states[2][1], path
        here = repr(states[0][0])
        if path:
            edges[before_of[path]].add(here)
        if here in edges:
            continue
        edges[here] = set()
        assert len(edges) < 1_000
        for action in actions:
            before_of[(*path, action)] = here
            waiting.append((*path, action))
    closed = {state for state in edges if state.startswith("('closed'")}
    homeward = set(closed)
    while True:
        more = {s for s, targets in edges.items() if targets & homeward} - homeward
        if not more:
            break
        homeward |= more
    assert homeward == set(edges)
    assert not any(targets & closed for s, targets in edges.items() if s.startswith("('open'"))
    if valued:  # what an open one must wait for: neither time alone, nor a low value alone
        assert len([s for s in edges if s.startswith("('open'")]) >= 6


def test_a_value_about_its_threshold_opens_it_once():
    """Ten minutes, ten values a second, five percent to either side: at most one transition a time-out."""
    changes = []
    rule = Rule("spread", Level.POSITION, high=1.0, low=0.8, timeout_ns=60 * SECOND)
    breaker = Breaker(rule, changes.append)
    rng = random.Random(4)
    for k in range(6_000):
        now = k * SECOND // 10
        breaker.allow(now)
        breaker.measure(rng.uniform(0.95, 1.05), now)
    assert [(c.before, c.after) for c in changes] == [(State.CLOSED, State.OPEN)]


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


def _tuned(signs, **rule):
    """The tuned rate after `signs` (True: a good call), all of them past the window."""
    breaker = Breaker(Rule("api", Level.VENUE, errors_to_open=0, window_ns=1, min_calls=10**9, **rule))
    for k, good in enumerate(signs):
        breaker.record(good, 10 * k)
    breaker.record(True, 10 * len(signs))
    return breaker.tuned_rate()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.booleans(), max_size=25),
    st.floats(0.01, 0.9),
    st.floats(0.01, 0.9),
    st.integers(1, 100),
)
def test_the_tuned_rate_never_leaves_its_bounds_and_follows_the_evidence(signs, one, other, remembered):
    floor, rate = sorted((one, other))
    rule = {"rate_floor": floor, "rate": rate, "remembered": remembered}
    now = _tuned(signs, **rule)
    assert floor <= now <= rate
    for k, good in enumerate(signs):
        changed = [*signs[:k], not good, *signs[k + 1 :]]
        assert _tuned(changed, **rule) >= now if good else _tuned(changed, **rule) <= now


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.02, 0.98))
def test_the_posterior_rises_with_failures_and_falls_with_successes(bad, good, rate):
    assert tail(bad + 1, good, rate) >= tail(bad, good, rate) - 1e-12
    assert tail(bad, good + 1, rate) <= tail(bad, good, rate) + 1e-12


def test_tuning_stays_within_its_bounds():
    breaker = Breaker(Rule("api", Level.VENUE, errors_to_open=10**6, window_ns=1, remembered=200))
    assert breaker.tuned_rate() == 0.5
    for k in range(500):
        breaker.record(True, 10 * k)
    assert breaker.tuned_rate() == 0.2
    for k in range(500, 900):
        breaker.record(k % 25 != 0, 10 * k)
    assert 0.2 < breaker.tuned_rate() < 0.5


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 9), st.randoms(use_true_random=False), st.integers(0, 8))
def test_whoever_depends_on_it_opens_in_the_same_instant_and_is_visited_once(n, rng, first):
    wants = {k: {j for j in range(k) if rng.random() < 0.4} for k in range(n)}
    rules = [Rule(str(k), Level.SYSTEM, depends_on=tuple(map(str, wants[k]))) for k in range(n)]
    rng.shuffle(rules)
    heard: list[Change] = []
    breakers = Breakers(rules, heard.append)
    first %= n
    breakers[str(first)].trip(Cause.RISK_LIMIT, "limit", 77)
    below = {first}
    for k in range(n):
        if wants[k] & below:
            below.add(k)
    assert sorted(c.breaker for c in heard) == sorted(map(str, below))  # each once
    assert {c.ts for c in heard} == {77}
    assert {b.rule.name for b in breakers if b.state is State.OPEN} == set(map(str, below))


def test_a_dependant_is_tried_only_when_nothing_it_depends_on_is_open():
    breakers = Breakers(
        [Rule("venue", Level.VENUE, timeout_ns=20), Rule("coin", Level.POSITION, timeout_ns=10, depends_on=("venue",))],
        lambda change: None,
    )  # fmt: skip
    breakers["venue"].trip(Cause.LATENCY, "slow", 0)
    breakers.try_again(10)
    assert breakers["coin"].state is State.OPEN
    breakers.try_again(20)
    assert breakers["coin"].state is State.HALF_OPEN and breakers["venue"].state is State.HALF_OPEN


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
