"""Who may lower a control mode: a release signed with the operator's key.

Severity may rise by itself or by command; it falls only with a release, made by `bot4 resume` with a private
key that the trading process never holds. A release names the run, the mode and the time until which it is
good, and is accepted once. Signatures are Ed25519 (RFC 8032). The key files are made with the right to read
for their owner only.

A release is text, so that it can be made on another machine and carried over:
`base64url(json) "." base64url(signature)`.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from bot4.model import names
from bot4.model.errors import CallerError, OperatorError

PRIVATE = "release.key"
PUBLIC = "release.pub"
GOOD_FOR_NS = 300 * 10**9
AHEAD_NS = 5 * 10**9
"""How far in the future a release may have been made: two clocks are never quite the same."""


class NotAuthorised(OperatorError):
    """A release is missing, forged, of another run, too old, or was used before."""

    exit_code = 7


@dataclass(frozen=True, slots=True)
class Release:
    """Permission for one run to lower its mode to `mode` (MODE_*), once, between two instants (ns UTC).

    With a `scope` (kind and name, `instrument BTC-USDT-PERP`) it releases that partial kill, nothing else.
    """

    run: str
    mode: int
    made_ns: int
    until_ns: int
    by: str
    scope: str = ""


def new_keys(folder: Path, passphrase: str) -> Path:
    """Make the operator's key pair in `folder`; the private half encrypted unless `passphrase` is empty.

    The path of the public half. CallerError when there is a pair already: it is never overwritten.
    """
    private, public = folder / PRIVATE, folder / PUBLIC
    for path in (private, public):
        if path.exists():
            raise CallerError(f"{path} exists; a key is never overwritten, move it away first")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    how: KeySerializationEncryption = NoEncryption()
    if passphrase:
        how = BestAvailableEncryption(passphrase.encode())
    _write(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
    _write(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotAuthorised(f"{what} {path} is not there; `bot4 keys new` makes a pair") from None


def private_key(folder: Path, passphrase: str) -> Ed25519PrivateKey:
    """The private half; NotAuthorised when it is absent, damaged, or the passphrase is wrong."""
    data = _read(folder / PRIVATE, "the operator's key")
    try:
        key = load_pem_private_key(data, passphrase.encode() if passphrase else None)
    except (ValueError, TypeError):
        raise NotAuthorised(
            f"{folder / PRIVATE} cannot be opened: wrong passphrase or damaged file"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise NotAuthorised(f"{folder / PRIVATE} is not an Ed25519 key")
    return key


def public_key_signed(folder: Path, signature: bytes, body: bytes) -> bool:
    """Whether the operator's key signed `body`; NotAuthorised when `folder` holds no public half."""
    key = load_pem_public_key(_read(folder / PUBLIC, "the public key"))
    if not isinstance(key, Ed25519PublicKey):
        raise NotAuthorised(f"{folder / PUBLIC} is not an Ed25519 key")
    try:
        key.verify(signature, body)
    except InvalidSignature:
        return False
    return True


def sign(key: Ed25519PrivateKey, release: Release) -> str:
    """The release as text with its signature."""
    body = json.dumps(asdict(release), sort_keys=True, separators=(",", ":")).encode()
    return f"{_text(body)}.{_text(key.sign(body))}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


class Authority:
    """Judges releases for one run with the public key in `folder`; remembers the ones it accepted."""

    def __init__(self, folder: Path, run: str) -> None:
        self._folder = folder
        self._run = run
        self._used: set[bytes] = set()

    def accept(self, text: str, now_ns: int) -> Release:
        """The release, spent by this call; NotAuthorised says what is wrong with it."""
        body, signature = self._parts(text)
        if not public_key_signed(self._folder, signature, body):
            raise NotAuthorised("the release was not signed with the operator's key")
        release = self._release(body)
        if release.run != self._run:
            raise NotAuthorised(f"the release is for run {release.run}, this is {self._run}")
        if not release.made_ns - AHEAD_NS <= now_ns <= release.until_ns:
            raise NotAuthorised("the release is not valid at this time; make a new one")
        if body in self._used:
            raise NotAuthorised("the release was used before; make a new one")
        self._used.add(body)
        return release

    @staticmethod
    def _parts(text: str) -> tuple[bytes, bytes]:
        left, dot, right = text.strip().partition(".")
        try:
            if not dot:
                raise ValueError("no signature")
            return base64.b64decode(left, b"-_", True), base64.b64decode(right, b"-_", True)
        except (ValueError, binascii.Error):
            raise NotAuthorised(
                "this is not a release: it must be the text that `bot4 resume` made"
            ) from None

    @staticmethod
    def _release(body: bytes) -> Release:
        try:
            release = Release(**json.loads(body))
        except (ValueError, TypeError):
            raise NotAuthorised("the release is signed, but of another version of bot4") from None
        if release.mode not in names.MODES:
            raise NotAuthorised(f"the release names mode {release.mode}, which does not exist")
        return release
