"""An event loop whose time jumps to the next timer instead of waiting: hours of retries in milliseconds."""

import asyncio
import selectors


class _Jump(selectors.SelectSelector):
    loop = None

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("deadlock: every task waits for something that no timer brings")
            self.loop.passed += max(timeout, 0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        selector = _Jump()
        selector.loop = self
        self.passed = 0.0
        super().__init__(selector)

    def time(self):
        return self.passed


class LoopClock:
    """The Clock port on the loop's time; the wall stands `base` ns after 1970 at the start."""

    def __init__(self, loop, base=1_700_000_000_000_000_000):
        self.loop, self.base = loop, base

    def now_ns(self):
        return self.base + self.monotonic_ns()

    def monotonic_ns(self):
        return round(self.loop.time() * 1e9)

    def sleep(self, ns):
        raise AssertionError("asyncio code must not block")


def run_virtual(scene):
    """Run `scene(clock)` (a coroutine function) in virtual time; its result."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(scene(LoopClock(loop)))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
