"""The page of all settings, `docs/settings.md`, made from the table in `bot4.app.settings`."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

from bot4.app.settings import SETTINGS, Setting, Value

GROUPS = {
    "account": "Account",
    "strategy": "Strategy",
    "bars": "Bars built from trades",
    "quoter": "The quoting strategy",
    "risk": "Risk",
    "safety": "Safety and the gate",
    "breaker": "Circuit breakers",
    "quality": "Quality of data",
    "fees": "Fees and funding",
    "venue": "The simulated venue",
    "journal": "Journal",
    "panel": "Control panel",
    "alarm": "Alarms",
    "api": "Control API",
    "egress": "Connections out",
    "run": "Paper trading",
    "live": "Live trading",
    "panic": "Panic conditions",
}

HEAD = """# Settings

Every setting has a safe default. You need no file to start.

Settings stand in one TOML file, which you name with `--config FILE`. Single values are set on the command
line with `--set`, which comes after the file:

```toml
# bot4.toml
[account]
capital = "50000 USDT"

[risk]
max_position = "1 %"
stop_atr = 2.5

[fees]
taker = "4.5 bp"

[venue]
entry_latency = "25ms"
partial_fills = true
```

```console
$ bot4 config show --config bot4.toml --set 'risk.daily_loss=2 %'
```

`bot4 config show` lists every value, what is allowed, and where the value came from. A name that does not
exist is an error that names the nearest match; a value out of its bounds is an error that names the bound.
Both end with exit code 2.

| kind | how to write it |
|---|---|
| share, rate | text with its unit: `"2 %"` or `"5 bp"` (1 % = 100 bp) |
| duration | text with its unit: `"250ms"`, `"30s"`, `"5m"`, `"8h"`, `"1h30m"` |
| money, quantity | exact: text such as `"100000 USDT"`, or a whole number; a TOML float is refused |
| number, whole number | as in TOML |
| flag | `true` or `false` |

The word after an amount is for the reader: the account's currency is the one its instruments are quoted in.
Marks such as R1, R4 or D3 name the rule that a limit comes from.

This page is made from the program's own table (`bot4.app.settings_page`); a test holds them equal.
"""


def bound(setting: Setting, value: Value) -> str:
    """A bound as one would write it; amounts plainly, because some are in base and some in quote currency."""
    if setting.unit in ("money", "whole"):
        return f"{Decimal(str(value)).normalize():,f}"
    return "0s" if setting.unit == "duration" and not value else setting.show(value)


def allowed(setting: Setting) -> str:
    """What a setting takes, in one cell."""
    if setting.choices:
        return ", ".join(f"`{choice}`" for choice in setting.choices)
    if setting.low is not None and setting.high is not None:
        return f"{bound(setting, setting.low)} to {bound(setting, setting.high)}"
    return {"flag": "`true`, `false`", "whole": "whole number", "text": "text"}[setting.unit]


def settings_markdown() -> str:
    """The whole page."""
    parts = [HEAD]
    for group, members in groupby(SETTINGS, key=lambda s: s.name.split(".", 1)[0]):
        parts.append(
            f"\n## {GROUPS[group]}\n\n| setting | default | allowed | meaning |\n|---|---|---|---|\n"
        )
        for s in members:
            about = s.about.replace("|", r"\|")
            parts.append(f"| `{s.name}` | `{s.default}` | {allowed(s)} | {about} |\n")
    return "".join(parts)
