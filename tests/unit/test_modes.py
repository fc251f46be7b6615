"""Control modes: every transition, with and without cooldown and authorisation."""

import itertools

import pytest

from bot4.model import codes_nb as c
from bot4.safety import modes_nb as m
from bot4.safety.state import gate_params, new_safety

request = getattr(m.request_mode_nb, "py_func", m.request_mode_nb)
COOLDOWN = 300 * 10**9
SINCE = 5 * 10**9


def _state(mode, killed=0):
    s = new_safety(gate_params(1))
    s.control["mode"] = mode
    s.control["mode_since"] = SINCE
    s.control["killed"] = killed
    return s


@pytest.mark.parametrize("ask", [m.request_mode_nb, request])
def test_all_transitions(ask):
    cases = itertools.product(range(4), range(4), (COOLDOWN - 1, COOLDOWN, 0, -1), (False, True), (0, 1))
    for old, new, passed, authorised, killed in cases:
        s = _state(old, killed)
        now = SINCE + passed
        rises = new > old
        falls = new < old and passed >= COOLDOWN and (old != c.MODE_EMERGENCY or authorised) and not killed
        changed = ask(s, new, c.R_OPERATOR, now, authorised)
        assert changed == int(rises or falls), (old, new, passed, authorised, killed)
        control = s.control[0]
        assert control["mode"] == (new if changed else old)
        assert control["mode_since"] == (now if changed else SINCE)
        assert control["mode_reason"] == (c.R_OPERATOR if changed else 0)
        assert control["release"] == (now if falls and old == c.MODE_EMERGENCY else 0)
        assert control["killed"] == killed


@pytest.mark.parametrize("mode", [-1, 4, 2**62, -(2**62)])
def test_an_unknown_mode_is_taken_as_emergency(mode):
    s = _state(c.MODE_NORMAL)
    assert m.request_mode_nb(s, mode, c.R_INTERNAL, SINCE, False) == 1
    assert s.control[0]["mode"] == c.MODE_EMERGENCY


@pytest.mark.parametrize("mode", range(4))
def test_kill_forces_emergency_and_never_clears(mode):
    s = _state(mode)
    assert m.enable_nb(s) == 1
    assert m.kill_nb(s, c.R_FILE, SINCE + 1) == 1
    assert m.kill_nb(s, c.R_OPERATOR, SINCE + 2) == 0
    before = s.control.tobytes()
    for ask in range(-1, 5):
        m.request_mode_nb(s, ask, c.R_OPERATOR, SINCE + 10 * COOLDOWN, True)
    assert m.enable_nb(s) == 0
    assert s.control.tobytes() == before
    control = s.control[0]
    assert (control["killed"], control["enabled"], control["mode"]) == (1, 0, c.MODE_EMERGENCY)
    assert (control["kill_reason"], control["kill_ts"]) == (c.R_FILE, SINCE + 1)


def test_plain_kernels_agree():
    a, b = _state(1), _state(1)
    for k in (m.enable_nb, m.kill_nb, m.set_mode_nb):
        args = {m.enable_nb: (), m.kill_nb: (c.R_FILE, 9), m.set_mode_nb: (2, 3, 4)}[k]
        k(a, *args)
        getattr(k, "py_func", k)(b, *args)
        assert a.control.tobytes() == b.control.tobytes()
    assert m.may_lower_nb(a, 10**15, True) == getattr(m.may_lower_nb, "py_func", m.may_lower_nb)(
        b, 10**15, True
    )
