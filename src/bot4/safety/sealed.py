"""A sealed configuration: encrypted, signed, versioned, and slow to change.

A folder holds one file a version, `config-000001.sealed`, and the key `config.key` that decrypts them on this
machine. Each file carries its version, the digest of the version before it, the instant from which it holds
(at least the cooldown after it was made; the first holds at once), the settings encrypted with AES-256-GCM,
and an Ed25519 signature of the operator over all of it. What is active at an instant is the newest version
that holds then. One changed byte, a missing version or a foreign signature refuses everything: an older
version must not come back because a newer one was damaged.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot4.model.errors import CallerError, SafetyError
from bot4.model.times import instant_text
from bot4.safety.authority import public_key_signed

KEY = "config.key"
COOLDOWN_NS = 24 * 3600 * 10**9
FORMAT = 1


class SealError(SafetyError):
    """A sealed configuration cannot be trusted; nothing starts with it."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version, verified and decrypted. `text` is the TOML of the settings."""

    number: int
    made_ns: int
    holds_ns: int
    by: str
    text: str
    digest: str


def _file(folder: Path, number: int) -> Path:
    return folder / f"config-{number:06d}.sealed"


def _key(folder: Path, *, make: bool) -> AESGCM:
    path = folder / KEY
    if make and not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(AESGCM.generate_key(256))
    try:
        return AESGCM(path.read_bytes())
    except (OSError, ValueError):
        raise SealError(f"{path}: the key of the sealed configuration is missing or damaged") from None


def _canonical(fields: dict[str, str | int]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def seal(folder: Path, text: str, key: Ed25519PrivateKey, by: str, now_ns: int, keys: Path) -> Version:
    """Add a version with the settings `text`; the first holds at once, others after the cooldown."""
    before = versions(folder, keys)
    if before and before[-1].holds_ns > now_ns:
        raise CallerError(
            f"version {before[-1].number} waits until {instant_text(before[-1].holds_ns)}; "
            "one proposal at a time"
        )
    number = before[-1].number + 1 if before else 1
    head: dict[str, str | int] = {
        "format": FORMAT,
        "version": number,
        "previous": before[-1].digest if before else "",
        "made_ns": now_ns,
        "holds_ns": now_ns + COOLDOWN_NS if before else now_ns,
        "by": by,
    }
    # unique for every (version, instant, text), so that it never serves two plaintexts under one key
    nonce = blake2b(_canonical(head) + text.encode(), digest_size=12).digest()
    box = _key(folder, make=True).encrypt(nonce, text.encode(), _canonical(head))
    body = {**head, "nonce": base64.b64encode(nonce).decode(), "box": base64.b64encode(box).decode()}
    sealed = {**body, "signature": key.sign(_canonical(body)).hex()}
    draft = folder / ".draft"
    draft.write_text(json.dumps(sealed, indent=1), encoding="utf-8")
    draft.replace(_file(folder, number))
    return versions(folder, keys)[-1]


def versions(folder: Path, keys: Path) -> list[Version]:
    """All versions in order, each verified with the public key in `keys`; SealError for any flaw."""
    paths = sorted(folder.glob("config-*.sealed"))
    found: list[Version] = []
    for number, path in enumerate(paths, 1):
        if path != _file(folder, number):
            raise SealError(f"{folder}: version {number} of the sealed configuration is missing")
        found.append(_open(path, number, found[-1].digest if found else "", folder, keys))
    return found


def _open(path: Path, number: int, previous: str, folder: Path, keys: Path) -> Version:
    raw = path.read_bytes()
    try:
        body = json.loads(raw)
        signature = bytes.fromhex(body.pop("signature"))
        head = {k: v for k, v in body.items() if k not in ("nonce", "box")}
        nonce, box = (base64.b64decode(body[k], validate=True) for k in ("nonce", "box"))
        stated = (head["format"], head["version"], head["previous"])
        made_ns, holds_ns, by = int(head["made_ns"]), int(head["holds_ns"]), str(head["by"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SealError(f"{path} is damaged or was edited; restore it from a copy") from None
    if not public_key_signed(keys, signature, _canonical(body)):
        raise SealError(f"{path} was edited, or not signed with the operator's key")
    if stated != (FORMAT, number, previous):
        raise SealError(f"{path} is not the version that followed the one before it")
    if number > 1 and holds_ns - made_ns < COOLDOWN_NS:
        raise SealError(f"{path} would take effect before its cooldown is over")
    try:
        text = _key(folder, make=False).decrypt(nonce, box, _canonical(head)).decode()
    except InvalidTag:
        raise SealError(f"{path} cannot be decrypted with {folder / KEY}") from None
    return Version(number, made_ns, holds_ns, by, text, blake2b(raw, digest_size=32).hexdigest())


def active(folder: Path, keys: Path, now_ns: int) -> Version:
    """The version that holds at `now_ns`; SealError when there is none."""
    holding = [v for v in versions(folder, keys) if v.holds_ns <= now_ns]
    if not holding:
        raise SealError(f"{folder} holds no sealed configuration in force; `bot4 config seal` makes one")
    return holding[-1]
