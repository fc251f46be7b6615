"""Shows how far the first compilation is: kernels found in the cache folder, of about how many."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

from bot4.app.progress import ProgressBar
from bot4.kernels.cache import cache_is_warm, compiled_count

ABOUT = 400
LOOK_S = 0.5
LINE_S = 15.0


class CompileWatch:
    """A progress callback; while nothing is reported on a cold cache it counts kernels itself.

    On a terminal it moves `bar`; elsewhere it prints a line now and then.
    """

    def __init__(self, bar: ProgressBar, quiet: bool) -> None:
        self.bar = bar
        self.quiet = quiet
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> CompileWatch:
        if not self.quiet and not cache_is_warm():
            self._thread = threading.Thread(target=self._watch, name="bot4-compiling", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def __call__(self, done: float, total: float | None, text: str = "") -> None:
        """Pass progress on to the bar: work has begun, so what it needs is compiled."""
        self._over.set()
        self.bar(done, total, text)

    def _watch(self) -> None:
        said = -LINE_S
        while not self._over.is_set():
            ready = compiled_count()
            text = "compiling kernels (first run only)"
            if self.bar.progress is not None:
                self.bar(min(ready, ABOUT - 1), ABOUT, text)
            elif time.monotonic() - said >= LINE_S:
                said = time.monotonic()
                print(f"{text}: {ready} of about {ABOUT}", file=sys.stderr, flush=True)
            self._over.wait(LOOK_S)
