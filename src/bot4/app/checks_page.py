"""The page of all checks, `docs/risk-checks.md`, made from the list in `bot4.app.check_list`."""

from __future__ import annotations

from bot4.app.check_list import CHECKS
from bot4.app.checks import ABOUT, NOT_CHECKS, Check, Layer
from bot4.model import codes_nb, names

HEAD = """# Checks around every trade

Nothing reaches a venue except through these checks. Each is a small function that answers yes, or its own
reason. What cannot be evaluated refuses: a missing number, a stale one, and a check whose own code fails.

- The first check that refuses gives the reason, which is counted and journalled. All that refuse are
  recorded: those of the gate and of risk in the explain record (`bot4 why`, `refused by`), those of the desk
  in the journal.
- Orders that only reduce, and cancels, have a lane of their own: of the checks below they meet those that say
  *every order* or *reducing*.
- A fill that does not fit its order is money and is booked. Then bot4 pauses: nothing new is opened until a
  [signed release](safety.md#modes).
- There is no way to switch a check off. `python tests/mutate_checks.py` takes each of them out of a copy of
  the source, and shows which test notices.

```console
$ bot4 show checks              # this list
$ bot4 show checks runs/x       # and how often each reason was given in that run
```

Settings are explained in [Settings](settings.md). This page is made from the program's own list
(`bot4.app.checks_page`); a test holds them equal, and another fails for a reason that no check gives.
"""


def _row(check: Check) -> str:
    reasons = ", ".join(f"`{word}`" for word in check.words) or "told, nothing is refused"
    settings = ", ".join(f"`{name}`" for name in check.settings) or "–"
    cells = (f"`{check.name}`", check.judges, check.reads, reasons, check.missing, settings)
    return f"| {' | '.join(cells)} |\n"


def checks_markdown() -> str:
    """The whole page."""
    parts = [HEAD]
    for layer in Layer:
        parts.append(f"\n## {layer.capitalize()}\n\n{ABOUT[layer]}\n\n")
        parts.append(
            "| check | judges | reads | reasons | stale or missing | settings |\n|---|---|---|---|---|---|\n"
        )
        parts += [_row(check) for check in CHECKS if check.layer is layer]
    parts.append("\n## Reasons that are no check's\n\n")
    for why, group in NOT_CHECKS.items():
        words = ", ".join(f"`{names.reason(getattr(codes_nb, name))}`" for name in group)
        parts.append(f"- {why}: {words}\n")
    return "".join(parts)
