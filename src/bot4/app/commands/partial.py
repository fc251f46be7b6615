"""`bot4 stop --symbol`, `--strategy`, `--venue`: stop a part of what runs, and `bot4 resume` with them."""

from __future__ import annotations

import getpass
import time
from typing import Any

from bot4.app.commands.control import ask, pick, run_name, say, signed
from bot4.app.commands.stop import running
from bot4.model.codes_nb import MODE_NORMAL
from bot4.model.errors import CallerError, OperatorError
from bot4.safety.authority import GOOD_FOR_NS, Release

Part = tuple[str, str]
"""Its kind (instrument, strategy, venue) and its name."""


def parts_of(symbols: list[str], strategy: str | None, venue: str | None) -> list[Part]:
    """The parts that the command line names."""
    named = [("strategy", strategy), ("venue", venue)]
    return [
        *(("instrument", s) for s in symbols),
        *((kind, name) for kind, name in named if name is not None),
    ]


def stop(
    *, symbols: list[str], strategy: str | None, venue: str | None, run: int | None, as_json: bool
) -> dict[str, Any] | None:
    """Stop each part in every run that has it, or in `run` alone.

    CallerError, with what there is, when no run has a part that was named; the others are stopped.
    """
    pids = [pick(run)] if run is not None else running()
    if not pids:
        raise OperatorError("no run of bot4 is alive on this machine; nothing to stop")
    by = getpass.getuser()
    answers, missed = [], []
    for kind, part in parts_of(symbols, strategy, venue):
        got = {pid: ask(pid, {"stop": kind, "part": part, "by": by}) for pid in pids}
        answers += [{"run": pid, "kind": kind, "part": part, **answer} for pid, answer in got.items()]
        if not any(answer["accepted"] for answer in got.values()):
            missed += [f"run {pid}: {answer['text']}" for pid, answer in got.items()]
    if not as_json:
        for answer in answers:
            if answer["accepted"]:
                print(f"run {answer['run']}: {answer['text']}")
    if missed:
        error = CallerError("; ".join(missed))
        error.document = {"answers": answers}
        raise error
    return {"answers": answers} if as_json else None


def resume(
    *,
    symbols: list[str],
    strategy: str | None,
    venue: str | None,
    run: int | None,
    for_run: str | None,
    as_json: bool,
) -> dict[str, Any] | None:
    """Sign a release of one stopped part and hand it to the run; or only print it (`for_run`)."""
    parts = parts_of(symbols, strategy, venue)
    if len(parts) != 1:
        raise CallerError("a release is for one part: name one --symbol, --strategy or --venue")
    pid = None if for_run is not None else pick(run)
    named = for_run if for_run is not None else run_name(pick(run))
    now = time.time_ns()
    scope = " ".join(parts[0])
    release = Release(named, MODE_NORMAL, now, now + GOOD_FOR_NS, getpass.getuser(), scope)
    text = signed(release)
    if pid is not None:
        return say(pid, {"release": text}, as_json)
    if as_json:
        return {"run": named, "scope": scope, "release": text, "valid_s": GOOD_FOR_NS // 10**9}
    print(text)
    return None
