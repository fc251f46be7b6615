"""A bounded run of the frame fuzzer; the long one is `python tests/chaos/fuzz_frames.py`."""

import fuzz_frames
import numpy as np
import pytest
from frame_samples import NO_JIT, line, rows, ticker
from fuzz_frames import Finding, check_events, check_line, fuzz

from bot4.model import codes_nb as c


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mutated_frames_never_crash_and_nothing_nonsensical_is_accepted(seed):
    found = fuzz(400 if NO_JIT else 100_000, seed, block=100 if NO_JIT else 2000, sample=0.05)
    assert found["findings"] == 0
    assert 0.1 < found["accepted"] / found["frames"] < 0.99  # neither all damaged nor hardly any
    assert len(found["outcomes"]) > 5
    assert found["of_them_accepted"] > 5


@pytest.mark.parametrize(
    "change",
    [
        {"kind": 99}, {"price": -1}, {"price": 0}, {"qty": -1}, {"qty": 0}, {"ts_local": 0}, {"instrument": 1},
    ],
)  # fmt: skip
def test_the_fuzzer_sees_a_bad_record(change):
    events = rows(1)
    events["kind"], events["price"], events["qty"] = c.EV_TRADE, 5, 5
    events["ts_venue"] = events["ts_local"] = 1
    events["instrument"], events["venue"] = 3, 2
    check_events(events)
    for name, value in change.items():
        events[name] = value
    with pytest.raises(Finding):
        check_events(events)


def test_the_fuzzer_sees_a_number_that_is_not_in_the_line(monkeypatch):
    assert check_line(line(ticker())[:-1])
    monkeypatch.setattr(fuzz_frames, "numbers_of", lambda text: set())
    with pytest.raises(Finding, match="not written"):
        check_line(line(ticker())[:-1])


def test_damage_keeps_the_newline_at_the_end():
    rng = np.random.default_rng(1)
    assert fuzz_frames.damaged(np.frombuffer(line(ticker()), np.uint8), rng, 0.1)[-1] == 10
