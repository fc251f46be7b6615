"""The steps of a shutdown: order, times, and that no step holds up the next."""

from bot4.live.cascade import SECOND, Step, at_once, go_down, nothing
from bot4.ports.alarm import FakeAlarm
from bot4.ports.clock import FakeClock


async def test_steps_are_taken_in_order_and_a_late_one_is_told_and_passed_over():
    clock, alarm, notes, begun = FakeClock(7), FakeAlarm(), [], []

    def never():
        clock.advance(SECOND)
        return False

    steps = [
        Step("stop", lambda: begun.append("stop"), at_once, 10 * SECOND),
        Step("cancel", lambda: begun.append("cancel"), never, 5 * SECOND // 2),
        Step("flatten", nothing, lambda: begun == ["stop", "cancel"], SECOND),
    ]
    taken = await go_down(steps, clock, alarm, notes.append, 0)
    assert begun == ["stop", "cancel"]
    assert [(t.step, t.in_time) for t in taken] == [("stop", True), ("cancel", False), ("flatten", True)]
    assert [(n["number"], n["step"], n["in_time"]) for n in notes] == [
        (1, "stop", True), (2, "cancel", False), (3, "flatten", True),
    ]  # fmt: skip
    assert notes[1]["seconds"] == 3.0
    assert [text for _, text in alarm.told] == ["shutdown: step 'cancel' was not over after 2.5 s; going on"]
