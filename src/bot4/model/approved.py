"""ApprovedOrder: an order with proof that every check passed.

Only `bot4.safety.gate` may make one. The constructor asks for the seal that `safety.gate`
took when it was imported; it can be taken once. An architecture test holds that no other
module calls the constructor or takes the seal.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot4.model.errors import SealBroken
from bot4.model.words import Intent

_seal: list[object] = [object()]
_held: list[object] = []


def take_seal() -> object:
    """The seal, once; SealBroken for whoever comes second."""
    if not _seal:
        raise SealBroken("the seal of ApprovedOrder is already held by safety.gate")
    _held.append(_seal.pop())
    return _held[0]


@dataclass(frozen=True, slots=True)
class ApprovedOrder:
    """An intent that passed the gate, with its client order id and the layers it passed."""

    intent: Intent
    order_id: int
    client_order_id: str
    passed: tuple[str, ...]
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _held or self.seal is not _held[0]:
            raise SealBroken("ApprovedOrder can only be made by bot4.safety.gate")
