"""Words for the integer codes of `codes_nb`, for people and for JSON."""

from bot4.model import codes_nb as c


def _table(prefix: str) -> dict[int, str]:
    return {
        value: name[len(prefix) :].lower()
        for name, value in vars(c).items()
        if name.startswith(prefix) and isinstance(value, int)
    }


EVENTS = _table("EV_")
REASONS = {**_table("R_"), **_table("D_")}
MODES = _table("MODE_")
SCOPES = _table("SCOPE_")
STATUSES = _table("STATUS_")
ORDER_STATES = _table("ST_")
ORDER_TYPES = _table("TYPE_")
PURPOSES = _table("FOR_")
TIFS = _table("TIF_")
BREAKERS = _table("BREAKER_")
SIDES = {c.BUY: "buy", c.SELL: "sell", 0: "none"}


def reason(code: int) -> str:
    """The word for a reason or decision code."""
    return REASONS.get(int(code), f"reason_{int(code)}")
