"""`bot4 alarm test`: whether the alarm channels really reach somebody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot4.app import bootstrap
from bot4.app.alarms import hub_of
from bot4.app.egress import alarm_places, fenced
from bot4.model.errors import ConfigError, OperatorError


def test(*, config: Path | None, sets: list[str], as_json: bool) -> dict[str, Any] | None:
    """Send one message through every channel of the first tier; OperatorError names those that failed."""
    settings = bootstrap.settings_of(config, sets, None)
    if not settings["alarm.channels"]:
        raise ConfigError("alarm.channels is not set: it names the file with the channels' addresses")
    hub = hub_of(settings)
    hub.tell("info", "a test of the alarm channels; nothing has happened")
    blocked: list[str] = []
    with fenced(alarm_places(settings, hub.hosts()), blocked.append):  # as in a live run
        hub.look()
    told = hub.told[0]
    if told.failed:
        lacks = f"; blocked: {', '.join(sorted(set(blocked)))}, name it in egress.allow" if blocked else ""
        raise OperatorError(f"alarm channels that did not deliver: {', '.join(told.failed)}{lacks}")
    if as_json:
        return {"delivered": told.delivered}
    print(f"delivered by {', '.join(told.delivered)}; look whether it arrived")
    return None
