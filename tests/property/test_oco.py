"""Pairs of which one cancels the other, in random interleavings with a venue that answers late."""

import random

import pytest

from bot4.execution.oco import Do, LegState, Outcome, Pair, Verb, Way
from bot4.model.errors import CallerError


class Venue:
    """Working quantity of each leg, and answers on their way; `cuts` as reduce-only legs are cut."""

    def __init__(self, lots, cuts):
        self.working, self.news, self.commands = [0, 0], [], []
        self.position, self.cuts = lots, cuts
        self.resizes = [[], []]

    def arrive(self, do):
        if do.verb is Verb.PLACE:
            self.working[do.leg] = do.lots
        elif do.verb is Verb.RESIZE:
            self.working[do.leg] = min(self.working[do.leg], do.lots)
        elif do.verb is Verb.HEDGE:
            self.position += do.lots
        else:
            self.working[do.leg] = 0
            self.news.append(("ended", do.leg, 0))

    def trade(self, leg, lots):
        lots = min(lots, self.working[leg])
        if self.cuts:
            lots = min(lots, max(self.position, 0))
        if lots:
            self.working[leg] -= lots
            self.position -= lots
            self.news.append(("fill", leg, lots))


def play(seed, way, cuts):
    rng = random.Random(seed)
    lots = rng.randrange(1, 8)
    pair, venue = Pair(lots, way), Venue(lots, cuts)
    venue.commands += pair.start()
    for _ in range(rng.randrange(4, 30)):
        what = rng.randrange(9)
        if what <= 2 and venue.commands:
            venue.arrive(venue.commands.pop(0))
        elif what <= 4 and venue.news:
            kind, leg, n = venue.news.pop(0)
            venue.commands += pair.fill(leg, n) if kind == "fill" else pair.ended(leg)
        elif what <= 6:
            venue.trade(rng.randrange(2), rng.randrange(1, 4))
        elif what == 7:
            venue.commands += pair.reached(rng.randrange(2))
        elif rng.random() < 0.2:
            venue.commands += pair.stop()
        elif venue.commands and venue.commands[0].verb is Verb.PLACE and rng.random() < 0.3:
            venue.commands += pair.rejected(venue.commands.pop(0).leg)
        if way is Way.IN_TURN:
            assert min(venue.working) == 0, "both legs stand at the venue"
    if rng.random() < 0.5:
        venue.commands += pair.stop()
    for _ in range(50):
        while venue.commands:
            venue.arrive(venue.commands.pop(0))
        while venue.news:
            kind, leg, n = venue.news.pop(0)
            venue.commands += pair.fill(leg, n) if kind == "fill" else pair.ended(leg)
        if not venue.commands:
            break
    return pair, venue


@pytest.mark.parametrize(("way", "cuts"), [(Way.IN_TURN, False), (Way.TOGETHER, True), (Way.TOGETHER, False)])
@pytest.mark.parametrize("n", [8_000, pytest.param(33_334, marks=pytest.mark.slow)])
def test_never_more_than_one_quantity_in_any_interleaving(way, cuts, n):
    """1e5 interleavings over the three cases with `-m slow`."""
    for seed in range(n):
        pair, venue = play(seed, way, cuts)
        done = pair.lots - venue.position
        assert 0 <= done <= pair.lots, f"seed {seed}: {done} of {pair.lots}"
        assert pair.total - pair.hedged == done
        if way is Way.IN_TURN or cuts:
            assert pair.hedged == 0
        if pair.left == 0:
            assert venue.working == [0, 0], f"seed {seed}: a leg outlives the pair"
            assert pair.outcome in (Outcome.FIRST, Outcome.SECOND, Outcome.BOTH)


def test_full_fill_cancels_the_other():
    pair = Pair(5, Way.TOGETHER)
    assert pair.start() == [Do(Verb.PLACE, 0, 5), Do(Verb.PLACE, 1, 5)] and pair.start() == []
    assert pair.fill(0, 5) == [Do(Verb.CANCEL, 1)]
    assert pair.outcome is Outcome.OPEN
    assert pair.ended(1) == [] and pair.ended(1) == []
    assert pair.outcome is Outcome.FIRST


def test_partial_fill_reduces_the_other_to_the_rest():
    pair = Pair(5, Way.TOGETHER)
    pair.start()
    assert pair.fill(1, 2) == [Do(Verb.RESIZE, 0, 3)]
    assert pair.fill(0, 3) == [Do(Verb.CANCEL, 0), Do(Verb.CANCEL, 1)]


def test_simultaneous_fills_are_hedged_by_the_excess():
    pair = Pair(5, Way.TOGETHER)
    pair.start()
    pair.fill(0, 5)
    assert pair.fill(1, 1) == [Do(Verb.HEDGE, 1, 1)]
    assert pair.fill(1, 2) == [Do(Verb.HEDGE, 1, 2)]
    assert pair.hedged == 3


def test_both_rejected():
    pair = Pair(5, Way.IN_TURN)
    pair.start()
    assert pair.rejected(0) == [Do(Verb.PLACE, 1, 5)]
    assert pair.rejected(1) == [] and pair.outcome is Outcome.REJECTED


def test_in_turn_the_second_waits_for_the_end_of_the_first():
    pair = Pair(5, Way.IN_TURN)
    pair.start()
    assert pair.reached(1) == [Do(Verb.CANCEL, 0)] and pair.reached(1) == []
    assert pair.fill(0, 2) == []  # the cancel lost the race for two lots
    assert pair.ended(0) == [Do(Verb.PLACE, 1, 3)]
    assert pair.reached(0) == [Do(Verb.CANCEL, 1)]
    assert pair.ended(1) == [Do(Verb.PLACE, 0, 3)]
    assert pair.stop() == [Do(Verb.CANCEL, 0)] and pair.legs[0] is LegState.CANCELING
    pair.ended(0)
    assert pair.outcome is Outcome.FIRST and pair.reached(1) == []


def test_stopped_before_anything_filled():
    pair = Pair(1, Way.TOGETHER)
    pair.start()
    pair.stop()
    pair.ended(0), pair.ended(1)
    assert pair.outcome is Outcome.CANCELED and pair.start() == []
    with pytest.raises(CallerError):
        Pair(0, Way.TOGETHER)
