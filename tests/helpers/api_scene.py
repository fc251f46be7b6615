"""The control API of a run over real HTTP, with peers that come from several loopback addresses."""

import http.client
import json
import ssl
import time
from contextlib import contextmanager
from types import SimpleNamespace

from bot4.app import config
from bot4.app.api.listen import listen_of
from bot4.app.api.server import ControlApi, Surroundings
from bot4.app.api.tokens import new_token, read_tokens
from bot4.app.board import Board
from bot4.app.trail import Trail, access_folder
from bot4.model import codes_nb as c
from bot4.ports import journal as port
from bot4.safety.system_clock import SystemClock
from bot4.storage.journal import JournalReader

JSON = {"Content-Type": "application/json"}


def wait_for(condition, seconds):
    """Wait, and block, until `condition()` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Api:
    """A served API and what one may ask of it; `call` blocks the calling thread, and its event loop with it."""

    def __init__(self, folder, api, board, trail, read, stop, tokens):
        self.folder, self.api, self.board, self.trail = folder, api, board, trail
        self.read, self.stop, self.tokens = read, stop, tokens

    def call(self, method, path, token=None, *, peer="127.0.0.1", headers=None, body=None, cafile=None):
        """(status, document, headers)"""
        more = {"timeout": 20, "source_address": (peer, 0)}
        if cafile is None:
            line = http.client.HTTPConnection("127.0.0.1", self.api.port, **more)
        else:
            context = ssl.create_default_context(cafile=cafile)
            line = http.client.HTTPSConnection("localhost", self.api.port, context=context, **more)
        try:
            line.request(method, path, body, {**({} if token is None else bearer(token)), **(headers or {})})
            reply = line.getresponse()
            text = reply.read()
            return reply.status, json.loads(text) if text else None, dict(reply.getheaders())
        finally:
            line.close()

    def press(self, token, *, peer="127.0.0.1", body='{"reason": "test"}', **headers):
        return self.call("POST", "/stop", token, peer=peer, headers={**JSON, **headers}, body=body)

    def notes(self):
        """What stands in the access journal."""
        folder = access_folder(self.folder / "journal")
        found = []
        for part in sorted(folder.glob("*")):
            found += [b.payload for b in JournalReader(part).blocks(port.NOTE)]
        return found


def settings_of(*sets):
    return config.load(None, sets)


@contextmanager
def api_of(folder, switch, alarm, *sets, clock=None):
    clock = clock or SystemClock()
    tokens = folder / "keys" / "api-tokens.json"
    read = new_token(tokens, "monitor", "read", 1)
    stop = new_token(tokens, "phone", "stop", 2)
    board, trail = Board(switch, clock), Trail(folder / "journal", clock, alarm)
    listen = listen_of(settings_of("api.listen=127.0.0.1:0", *sets), read_tokens(tokens))

    def raise_switch(words):
        switch.trip(c.R_OPERATOR, words)

    api = ControlApi(listen, Surroundings(tokens, board, raise_switch, trail, alarm, clock))
    api.start()
    try:
        yield Api(folder, api, board, trail, read, stop, tokens)
    finally:
        api.close()
        trail.close()


class Switch(SimpleNamespace):
    """A switch that only remembers."""

    def __init__(self):
        super().__init__(latched=False, cause=None, pressed=[])

    def trip(self, reason, detail=""):
        self.latched = True
        self.pressed.append(detail)
