"""What `docs/venues.md` says of the adapters, made from the code, so that it cannot become untrue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

from bot4.model.times import duration_text
from bot4.ports.venue import Capabilities
from bot4.venues.binance.endpoints import SPOT_LIMITS, USDM_LIMITS, polls
from bot4.venues.binance.spot import BinanceSpot
from bot4.venues.binance.usdm import BinanceUsdm
from bot4.venues.ids import RULES
from bot4.venues.limits import RESERVE_PERCENT, Limit, predict_weight
from bot4.venues.quirks import QUIRKS
from bot4.venues.simulator.venue import PERP, SPOT

ADAPTERS: Mapping[str, Capabilities] = {
    "simulator, spot": SPOT,
    "simulator, perp": PERP,
    BinanceSpot.name: BinanceSpot.capabilities,
    BinanceUsdm.name: BinanceUsdm.capabilities,
}
"""Every adapter with what its venue does by itself."""

LIMITS: Mapping[str, tuple[str, Sequence[Limit]]] = {
    BinanceSpot.name: ("spot", SPOT_LIMITS),
    BinanceUsdm.name: ("usdm", USDM_LIMITS),
}
INSTRUMENTS = (1, 10, 50)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def _word(value: object) -> object:
    if isinstance(value, frozenset):  # lengths in ns
        return ", ".join(duration_text(length) for length in sorted(value)) or "-"
    return {True: "yes", False: "-"}[value] if isinstance(value, bool) else value


def capabilities_table() -> str:
    """What each venue does by itself."""
    names = [field.name for field in fields(Capabilities)]
    rows = [[name, *(_word(getattr(c, name)) for c in ADAPTERS.values())] for name in names]
    return table(["capability", *ADAPTERS], rows)


def quirks_table() -> str:
    """The quirks with their sources and tests."""
    rows = [[q.venue, q.id, q.what, f"{q.source} ({q.since})", f"`{q.test}`"] for q in QUIRKS]
    return table(["venue", "quirk", "what", "source", "test"], rows)


def limits_table() -> str:
    """Limits, and the weight per minute that a number of instruments is predicted to cost."""
    rows = [
        [
            venue,
            limit.name,
            limit.amount,
            f"{limit.window_ns // 10**9} s",
            limit.amount * RESERVE_PERCENT // 100,
        ]
        for venue, (_, limits) in LIMITS.items()
        for limit in limits
    ]
    weights = [
        [venue, *(f"{predict_weight(polls(product), n):.0f}" for n in INSTRUMENTS)]
        for venue, (product, _) in LIMITS.items()
    ]
    head = ["venue", "limit", "amount", "window", "without the reserve"]
    return (
        table(head, rows)
        + "\n"
        + table(["weight a minute", *(f"{n} instruments" for n in INSTRUMENTS)], weights)
    )


def ids_table() -> str:
    """What becomes of a client order id at each venue."""
    rows = [
        [venue, f"`{r.field}`", r.form, r.max_length, f"`{r.prefix}`" if r.prefix else "-"]
        for venue, r in RULES.items()
    ]
    return table(["venue", "field", "form", "longest", "prefix"], rows)


PARTS = {
    "capabilities": capabilities_table,
    "quirks": quirks_table,
    "limits": limits_table,
    "ids": ids_table,
}


def filled(page: str, parts: Mapping[str, str]) -> str:
    """`page` with each part between `<!-- name -->` and `<!-- end -->` put in anew."""
    for name, text in parts.items():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}{text}{end}{after}"
    return page
