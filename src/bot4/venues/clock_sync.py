"""How far a venue's clock is from ours, and whether signed requests may go out.

The four time stamps of an exchange of messages (sent, received there, answered there, received here) give
offset and delay as in NTP (RFC 5905, section 8). Of the recent samples the one with the smallest error
bound counts: half its delay, plus what two clocks may drift apart since (`DRIFT_PPM`). The estimate
is kept against the monotonic clock, so that a jump of the machine's wall clock does not move it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot4.model.codes_nb import R_CLOCK
from bot4.ports.clock import Clock
from bot4.ports.venue import NotSent

ALARM_NS = 100_000_000
REFUSE_NS = 1_000_000_000
DRIFT_PPM = 250
KEEP_NS = 300 * 10**9
MAX_SAMPLES = 64


def offset_ns(t0: int, t1: int, t2: int, t3: int) -> int:
    """Their clock minus ours; t0 and t3 by our clock, t1 and t2 by theirs, all in ns."""
    return ((t1 - t0) + (t2 - t3)) // 2


def delay_ns(t0: int, t1: int, t2: int, t3: int) -> int:
    """The time on the wire, there and back."""
    return (t3 - t0) - (t2 - t1)


@dataclass(frozen=True, slots=True)
class ClockSample:
    """Their time minus our monotonic time, measured at `at` (monotonic), with the delay it had."""

    at: int
    base: int
    delay: int

    def bound(self, now: int) -> int:
        """The largest error that the sample may have by now, ns."""
        return self.delay // 2 + (now - self.at) * DRIFT_PPM // 1_000_000


class ClockSync:
    """One venue's clock. Feed it with `sample`; everything else only reads."""

    def __init__(self, clock: Clock, venue: str) -> None:
        self._clock = clock
        self._venue = venue
        self._samples: list[ClockSample] = []

    def sample(self, sent: int, received_there: int, answered_there: int, received: int) -> ClockSample:
        """Take one measurement in; `sent` and `received` are monotonic ns, the others the venue's UTC ns."""
        made = ClockSample(
            received,
            offset_ns(sent, received_there, answered_there, received),
            max(0, delay_ns(sent, received_there, answered_there, received)),
        )
        kept = [s for s in self._samples if received - s.at <= KEEP_NS]
        self._samples = [*kept[-MAX_SAMPLES + 1 :], made]
        return made

    def forget(self) -> None:
        """Drop all samples: the venue has said that our time is wrong."""
        self._samples = []

    @property
    def measured(self) -> bool:
        """Whether there is an estimate."""
        return bool(self._samples)

    def best(self) -> ClockSample:
        """The sample with the smallest error bound now; NotSent(R_CLOCK) when there is none."""
        if not self._samples:
            raise NotSent(f"{self._venue}: the venue's clock has not been measured yet", R_CLOCK)
        now = self._clock.monotonic_ns()
        return min(self._samples, key=lambda s: s.bound(now))

    def venue_ns(self) -> int:
        """The venue's time now, ns UTC."""
        return self._clock.monotonic_ns() + self.best().base

    def offset_ns(self) -> int:
        """The venue's time minus our wall clock, ns."""
        return self.venue_ns() - self._clock.now_ns()

    def alarm(self) -> bool:
        """Whether the clocks are 100 ms or more apart."""
        return abs(self.offset_ns()) >= ALARM_NS

    def require(self) -> None:
        """NotSent(R_CLOCK) when unmeasured or a second or more apart: nothing signed goes out then."""
        offset = self.offset_ns()
        if abs(offset) >= REFUSE_NS:
            raise NotSent(
                f"{self._venue}: this machine's clock is {offset / 1e9:+.3f} s from the venue's; set it "
                "(NTP) before orders are signed",
                R_CLOCK,
            )
