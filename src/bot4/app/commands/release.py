"""`bot4 release`: allow live runs again on an account that a kill has marked."""

from __future__ import annotations

import getpass
import time
from typing import Any

from bot4.app.commands.control import passphrase
from bot4.app.config import key_dir, state_dir
from bot4.model.codes_nb import MODE_NORMAL
from bot4.model.errors import OperatorError
from bot4.safety.authority import GOOD_FOR_NS, Release, private_key, sign
from bot4.safety.marker import KillMarker, marked


def release(
    *, account: str | None, release: str | None, only_print: bool, as_json: bool
) -> dict[str, Any] | None:
    """Sign a release of the account's mark and lift it; or only print it, or use one made elsewhere."""
    marker = KillMarker(state_dir(), _named(account))
    mark = marker.read()
    if mark is None:
        raise OperatorError(f"the account {marker.account} is not marked; marked: {_list()}")
    now = time.time_ns()
    if release is None:
        key = private_key(key_dir(), passphrase("passphrase of the release key: "))
        release = sign(key, Release(mark.run, MODE_NORMAL, now, now + GOOD_FOR_NS, getpass.getuser()))
        if only_print:
            if as_json:
                return {"account": marker.account, "release": release, "valid_s": GOOD_FOR_NS // 10**9}
            print(release)
            return None
    by = marker.lift(key_dir(), release, now).by
    if as_json:
        return {"account": marker.account, "released_by": by, "was": mark.why}
    print(f"{marker.account} is released by {by}; it was stopped by: {mark.why}")
    return None


def _named(account: str | None) -> str:
    if account is not None:
        return account
    found = marked(state_dir())
    if len(found) != 1:
        raise OperatorError(f"name the account with --account; marked: {_list()}")
    return found[0]


def _list() -> str:
    return ", ".join(marked(state_dir())) or "none"
