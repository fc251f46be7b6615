"""Model checking of the mode machine: every state that can be reached, every event, on the kernels themselves.

A state is (mode, killed, enabled, cooldown over). From the start state all events are applied until nothing new
is reached; then the graph is asked: is there a way to trading that nobody authorised, a state without a way
out, a state from which Emergency cannot be reached in one step?
"""

import itertools
from collections import deque

import pytest

from bot4.model import codes_nb as c
from bot4.safety import gate_nb, modes_nb
from bot4.safety.state import gate_params, new_safety

COOLDOWN = 10
MODES = (c.MODE_NORMAL, c.MODE_REDUCE, c.MODE_PAUSE, c.MODE_EMERGENCY)
EVENTS = (
    *(("ask", mode, authorised) for mode in (*MODES, 7, -1) for authorised in (False, True)),
    ("kill",),
    ("enable",),
    ("wait",),
)
START = (c.MODE_NORMAL, 0, 0, True)
SIDES = ("compiled", "plain")


def kernels(side):
    found = {}
    for name in ("request_mode_nb", "kill_nb", "enable_nb"):
        made = getattr(modes_nb, name)
        found[name] = getattr(made, "py_func", made) if side == "plain" else made
    made = gate_nb.state_reason_nb
    found["refuses"] = getattr(made, "py_func", made) if side == "plain" else made
    return found


def put(state):
    """A SafetyState in an abstract state, at time 100."""
    mode, killed, enabled, over = state
    s = new_safety(gate_params(1, cooldown_ns=COOLDOWN))
    row = s.control[0]
    row["mode"], row["killed"], row["enabled"] = mode, killed, enabled
    row["mode_since"] = 100 - (COOLDOWN if over else 0)
    row["reconciled"] = 1  # ledger and venue agree: what is modelled here is the operator's side
    return s


def read(s, now):
    row = s.control[0]
    return (
        int(row["mode"]),
        int(row["killed"]),
        int(row["enabled"]),
        bool(now - row["mode_since"] >= COOLDOWN),
    )


def step(k, state, event):
    """The state after one event."""
    s = put(state)
    now = 100
    if event[0] == "ask":
        k["request_mode_nb"](s, event[1], c.R_OPERATOR, now, event[2])
    elif event[0] == "kill":
        k["kill_nb"](s, c.R_OPERATOR, now)
    elif event[0] == "enable":
        k["enable_nb"](s)
    else:
        now += COOLDOWN
    return read(s, now)


def graph(k):
    """All reachable states with their successors by event."""
    found, waiting = {}, deque([START])
    while waiting:
        state = waiting.popleft()
        if state in found:
            continue
        found[state] = {event: step(k, state, event) for event in EVENTS}
        waiting.extend(found[state].values())
    return found


@pytest.fixture(params=SIDES)
def reachable(request):
    return graph(kernels(request.param))


def test_compiled_and_plain_have_one_graph():
    assert graph(kernels("compiled")) == graph(kernels("plain"))


def test_what_can_be_reached_at_all(reachable):
    """Neither too little (the model would prove nothing) nor the impossible."""
    assert len(reachable) >= 16
    for mode, killed, enabled, _ in reachable:
        if killed:
            assert mode == c.MODE_EMERGENCY
            assert not enabled


def test_emergency_is_one_step_from_everywhere(reachable):
    for ways in reachable.values():
        assert ways[("ask", c.MODE_EMERGENCY, False)][0] == c.MODE_EMERGENCY
        assert ways[("kill",)][0] == c.MODE_EMERGENCY
        assert ways[("ask", 7, False)][0] == c.MODE_EMERGENCY  # a mode that does not exist
        assert ways[("ask", -1, True)][0] == c.MODE_EMERGENCY


def test_severity_falls_only_after_the_cooldown_and_out_of_emergency_only_authorised(reachable):
    for (mode, killed, _, over), ways in reachable.items():
        for event, after in ways.items():
            if after[0] < mode:
                assert event[0] == "ask"
                assert over
                assert not killed
                assert event[2] or mode < c.MODE_EMERGENCY


def test_no_way_to_trading_after_a_kill(reachable):
    """Whatever is tried: the latch never falls, trading is never enabled."""
    seen, waiting = set(), deque(s for s in reachable if s[1])
    assert waiting
    while waiting:
        state = waiting.popleft()
        if state not in seen:
            seen.add(state)
            waiting.extend(reachable[state].values())
    assert all(killed and not enabled for _, killed, enabled, _ in seen)


def test_no_deadlock_every_other_state_leads_back_to_trading(reachable):
    goal = {s for s in reachable if s[0] == c.MODE_NORMAL and s[2]}
    back = set(goal)
    while True:
        more = {s for s, ways in reachable.items() if s not in back and back & set(ways.values())}
        if not more:
            break
        back |= more
    assert set(reachable) - back == {s for s in reachable if s[1]}


@pytest.mark.parametrize("side", SIDES)
def test_the_gate_lets_new_risk_pass_in_exactly_one_kind_of_state(reachable, side):
    refuses = kernels(side)["refuses"]
    for state in reachable:
        open_ = state[0] == c.MODE_NORMAL and state[2] == 1 and not state[1]
        assert (refuses(put(state).control[0]) == c.R_OK) == open_, state


def test_without_authorisation_there_is_no_way_out_of_emergency(reachable):
    """The same search, with every authorised event taken away."""
    start = {s for s in reachable if s[0] == c.MODE_EMERGENCY}
    seen, waiting = set(), deque(start)
    while waiting:
        state = waiting.popleft()
        if state not in seen:
            seen.add(state)
            ways = reachable[state].items()
            waiting.extend(after for event, after in ways if not (event[0] == "ask" and event[2]))
    assert {s[0] for s in seen} == {c.MODE_EMERGENCY}
    assert len(list(itertools.chain(seen))) >= 3
