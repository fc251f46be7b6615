"""`bot4 audit`: verify, sign and export the trail of a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from bot4.app.commands.control import passphrase
from bot4.app.config import key_dir
from bot4.model.errors import StorageError
from bot4.model.times import instant_ns
from bot4.research import audit
from bot4.safety.authority import private_key, public_key_signed
from bot4.storage.anchors import Anchor, add_anchor, anchor_file


def _signed(anchor: Anchor) -> bool:
    return public_key_signed(key_dir(), bytes.fromhex(anchor.signature), anchor.signed_bytes())


def verify(*, journal: Path, as_json: bool) -> dict[str, Any] | None:
    """Every block against the chain, every anchor against the blocks."""
    found = audit.verify(journal, _signed)
    if as_json:
        return found
    print(f"intact: {found['blocks']} blocks, head {found['head'][:16]}")
    if found["torn_bytes"]:
        print(
            f"the last {found['torn_bytes']} bytes were being written when the run ended; they are left out"
        )
    if found["anchors"]:
        print(f"anchors: {found['anchors']} agree, the last after {found['anchored_blocks']} blocks")
        print(f"signatures: {found['signatures']} good")
    else:
        print("no anchors: a journal cut off at its end would not be noticed; `bot4 audit sign` makes one")
    return None


def sign(*, journal: Path, as_json: bool) -> dict[str, Any] | None:
    """Verify, then sign the head with the operator's key."""
    found = audit.verify(journal, _signed)
    key = private_key(key_dir(), passphrase("passphrase of the release key: "))
    bare = Anchor(found["blocks"], found["head"], time.time_ns())
    anchor = Anchor(bare.blocks, bare.head, bare.wall_ns, key.sign(bare.signed_bytes()).hex())
    add_anchor(anchor_file(journal), anchor)
    if as_json:
        return {"journal": str(journal), "blocks": bare.blocks, "head": bare.head}
    print(f"signed: {bare.blocks} blocks, head {bare.head[:16]}, in {anchor_file(journal)}")
    return None


def export(
    *, journal: Path, start: str | None, end: str | None, out: Path | None, as_json: bool
) -> dict[str, Any] | None:
    """The trail as JSON lines, on standard output or in a file."""
    begin = None if start is None else instant_ns(start)
    until = None if end is None else instant_ns(end)
    lines = audit.export(journal, begin, until)
    if out is None:
        for line in lines:
            print(line)
        return None
    count = 0
    try:
        with out.open("x", encoding="utf-8") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
    except FileExistsError:
        raise StorageError(f"{out} exists; name a new file") from None
    if as_json:
        return {"journal": str(journal), "out": str(out), "records": count}
    print(f"{count} records in {out}")
    return None
