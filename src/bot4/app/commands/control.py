"""`bot4 mode`, `resume`, `keys new`, `alarm ack`: words of the operator to a running bot4."""

from __future__ import annotations

import getpass
import json
import os
import time
from pathlib import Path
from typing import Any

from bot4.app.commands.stop import control_dir, running
from bot4.app.config import key_dir
from bot4.model import names
from bot4.model.codes_nb import MODE_NORMAL
from bot4.model.errors import CallerError, OperatorError
from bot4.safety.authority import GOOD_FOR_NS, PRIVATE, NotAuthorised, Release, new_keys, private_key, sign
from bot4.safety.inbox import post
from bot4.safety.strength import require_strong

ANSWER_S = 15.0


def inbox_dir(pid: int) -> Path:
    """The control inbox of the run with process id `pid`."""
    return control_dir() / f"run-{pid}.inbox"


def run_name(pid: int) -> str:
    """How a release names a run: by process id and the birth of its pid file, which no later run shares."""
    try:
        born = (control_dir() / f"run-{pid}.pid").stat().st_mtime_ns
    except FileNotFoundError:
        raise OperatorError(f"no run of bot4 has process id {pid}") from None
    return f"{pid}-{born}"


def pick(pid: int | None) -> int:
    """The run with this process id, or the only one that is alive; OperatorError otherwise."""
    runs = running()
    if pid is not None:
        if pid not in runs:
            raise OperatorError(f"no run of bot4 has process id {pid}; alive: {runs or 'none'}")
        return pid
    if len(runs) != 1:
        raise OperatorError(
            f"name the run with --run: alive are {runs}"
            if runs
            else "no run of bot4 is alive on this machine"
        )
    return runs[0]


def ask(pid: int, command: dict[str, str]) -> dict[str, Any]:
    """Put a command to a run and wait for its answer (`accepted`, `text`); OperatorError when none comes."""
    answer_at = post(inbox_dir(pid), f"{time.time_ns()}-{os.getpid()}", command)
    end = time.monotonic() + ANSWER_S
    while not answer_at.exists():
        if time.monotonic() > end:
            raise OperatorError(
                f"run {pid} has not answered in {ANSWER_S:.0f} s; if it must stop now: bot4 stop"
            )
        time.sleep(0.02)
    answer: dict[str, Any] = json.loads(answer_at.read_text(encoding="utf-8"))
    answer_at.unlink()
    return answer


def say(pid: int, command: dict[str, str], as_json: bool) -> dict[str, Any] | None:
    """Put a command to a run and show its answer; NotAuthorised when it was not accepted."""
    answer = ask(pid, command)
    if not answer["accepted"]:
        raise NotAuthorised(f"run {pid}: {answer['text']}")
    if as_json:
        return {"run": pid, **answer}
    print(f"run {pid}: {answer['text']}")
    return None


def mode(*, mode: str, run: int | None, as_json: bool) -> dict[str, Any] | None:
    """Ask a run for a more severe mode; lowering needs `bot4 resume`."""
    words = [word for code, word in names.MODES.items() if code != MODE_NORMAL]
    if mode not in words:
        raise CallerError(
            f"mode {mode!r} is not one of {', '.join(words)}; `bot4 resume` goes back to normal"
        )
    return say(pick(run), {"mode": mode, "by": getpass.getuser()}, as_json)


def acknowledge(*, run: int | None, as_json: bool) -> dict[str, Any] | None:
    """Tell a run that its alarms were seen, so that they do not escalate."""
    return say(pick(run), {"acknowledge": "alarms", "by": getpass.getuser()}, as_json)


def passphrase(prompt: str) -> str:
    """The passphrase of the operator's key: BOT4_RELEASE_PASSPHRASE, else asked for.

    ConfigError when it is one that can be guessed: such a key protects nothing.
    """
    given = os.environ.get("BOT4_RELEASE_PASSPHRASE")
    found = given if given is not None else getpass.getpass(prompt)
    where = "BOT4_RELEASE_PASSPHRASE" if given is not None else "the passphrase"
    require_strong(found, where)
    return found


def keys_new(*, as_json: bool) -> dict[str, Any] | None:
    """Make the pair of keys with which releases are signed."""
    folder = key_dir()
    phrase = passphrase("passphrase for the new key: ")
    public = new_keys(folder, phrase)
    if as_json:
        return {"public": str(public), "private": str(folder / PRIVATE)}
    print(f"made {public} and {folder / PRIVATE}; keep the second where the trading machine cannot read it")
    return None


def signed(release: Release) -> str:
    """The release, signed with the operator's key."""
    return sign(private_key(key_dir(), passphrase("passphrase of the release key: ")), release)


def resume(
    *, to: str, run: int | None, for_run: str | None, release: str | None, as_json: bool
) -> dict[str, Any] | None:
    """Sign a release and hand it to the run; or only print it (`for_run`), or hand in one made elsewhere."""
    codes = {word: code for code, word in names.MODES.items()}
    if to not in codes:
        raise CallerError(f"mode {to!r} is not one of {', '.join(codes)}")
    if release is not None:
        return say(pick(run), {"release": release}, as_json)
    pid = None if for_run is not None else pick(run)
    named = for_run if for_run is not None else run_name(pick(run))
    now = time.time_ns()
    text = signed(Release(named, codes[to], now, now + GOOD_FOR_NS, getpass.getuser()))
    if pid is not None:
        return say(pid, {"release": text}, as_json)
    if as_json:
        return {"run": named, "release": text, "valid_s": GOOD_FOR_NS // 10**9}
    print(text)
    return None
