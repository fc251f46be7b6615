"""The peer's side of a benchmark: one repeat for each line on stdin, one JSON line back for each.

Runs in the peer's own interpreter, so it imports nothing but the standard library. Whatever the
peer prints goes to stderr; the protocol keeps the original stdout for itself.
"""

import gc
import importlib.metadata
import json
import os
import sys
import time


def version(name):
    """The installed version of a distribution."""
    return importlib.metadata.version(name)


def serve(facts, once):
    """Say `facts`, then time `once()` for every line "run"; it may return a dict of results.

    `once` may also be a pair (prepare, run): only `run(prepare())` is timed then.
    """
    prepare, run = once if isinstance(once, tuple) else (None, once)
    say = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    say.write(json.dumps(facts) + "\n")
    for line in sys.stdin:
        if line.strip() != "run":
            return
        arguments = (prepare(),) if prepare else ()
        gc.collect()
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        result = run(*arguments)
        wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
        if callable(result):  # what the run left is read after the clock has stopped
            result = result()
        say.write(json.dumps({"wall_ns": wall, "cpu_ns": cpu, "result": result}) + "\n")
