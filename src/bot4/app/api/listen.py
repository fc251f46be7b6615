"""Where the control API listens, and whether it may: off this machine only with TLS."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from bot4.app.api.tokens import MADE, Token
from bot4.app.config import Config
from bot4.model.errors import ConfigError

FIX = "listen on 127.0.0.1:PORT, or set api.tls_cert and api.tls_key to a certificate and its key (PEM)"


@dataclass(frozen=True, slots=True)
class Listen:
    """An address that passed. `hosts` are the names by which a client may call it, in lower case."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    hosts: frozenset[str]

    def named(self, port: int) -> frozenset[str]:
        """What may stand in a request's Host header, when it listens on `port`."""
        standard = 443 if self.tls is not None else 80
        plain = self.hosts if port == standard else frozenset()
        return frozenset(f"{host}:{port}" for host in self.hosts) | plain

    @property
    def scheme(self) -> str:
        """The scheme of its address."""
        return "http" if self.tls is None else "https"


def listen_of(settings: Config, tokens: list[Token]) -> Listen | None:
    """What the settings ask for; None when the API is off. ConfigError when it must not start so."""
    asked = settings["api.listen"]
    if not asked:
        return None
    host, port = _address(asked)
    loopback = host.is_loopback
    names = [name.strip().lower() for name in settings["api.hosts"].split(",") if name.strip()]
    tls = _tls(settings["api.tls_cert"], settings["api.tls_key"])
    if not loopback and tls is None:
        raise ConfigError(f"api.listen = {asked}: other machines can reach it, and it has no TLS; {FIX}")
    if not any(token.role == "stop" for token in tokens):
        raise ConfigError(f"api.listen = {asked}: nobody holds a token that may stop; {MADE}")
    if host.is_unspecified and not names:
        raise ConfigError(
            f"api.listen = {asked}: that is every address; say in api.hosts by which names it is called"
        )
    own = [] if host.is_unspecified else [f"[{host}]" if host.version == 6 else str(host)]
    local = ["localhost"] if loopback else []
    return Listen(str(host), port, tls, frozenset([*own, *local, *names]))


def _address(asked: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    host, colon, port = asked.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        found = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        number = int(port)
    except ValueError:
        found, number = None, -1
    if found is None or not colon or not 0 <= number <= 65535:
        raise ConfigError(f"api.listen = {asked}: write ADDRESS:PORT, for example 127.0.0.1:8787")
    return found, number


def _tls(cert: str, key: str) -> ssl.SSLContext | None:
    if not cert and not key:
        return None
    if not cert or not key:
        raise ConfigError("api.tls_cert and api.tls_key come together: a certificate and its key (PEM)")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path, name in ((Path(cert).expanduser(), "api.tls_cert"), (Path(key).expanduser(), "api.tls_key")):
        if not path.is_file():
            raise ConfigError(f"{name} = {path}: there is no such file")
    secret = Path(key).expanduser()
    if secret.stat().st_mode & 0o007:
        raise ConfigError(f"api.tls_key = {secret} can be read by anyone; run: chmod 600 {secret}")
    try:
        context.load_cert_chain(Path(cert).expanduser(), secret, password=_no_password)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"api.tls_cert, api.tls_key: {error}; both must be PEM, and belong together"
        ) from None
    return context


def _no_password() -> str:
    """Asked only for an encrypted key: a run has nobody who could type."""
    raise ConfigError("api.tls_key is encrypted; give a key without pass phrase that only bot4 can read")
