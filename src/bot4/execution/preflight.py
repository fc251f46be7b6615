"""Is the account as the configuration says: position mode, margin mode, leverage, permissions.

What can be set is set and then read back; only what was read back counts. What cannot be set refuses the
start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot4.ports.venue import (
    AccountReport,
    MarginMode,
    OrderRejected,
    PositionReport,
    Unsupported,
    Venue,
    VenueError,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an instrument is to be traded."""

    leverage: int
    margin: MarginMode


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at, with what was found and what to do; `unknown`: the venue did not answer."""

    name: str
    passed: bool
    text: str
    unknown: bool = False


def _modes(account: AccountReport) -> list[Finding]:
    out = [
        Finding(
            "position mode",
            not account.hedge_mode,
            "hedge mode is on: switch to one-way mode with no position open, then start again"
            if account.hedge_mode
            else "one-way",
        ),
        Finding(
            "trading allowed",
            account.can_trade,
            "yes" if account.can_trade else "the key may not trade: enable trading for it at the venue",
        ),
    ]
    if account.can_withdraw is not None:
        text = "no"
        if account.can_withdraw:
            text = (
                "the key may withdraw, and whoever steals it takes the money: switch withdrawals off for it "
                "at the venue, or make a key without that right"
            )
        out.append(Finding("withdrawal right", not account.can_withdraw, text))
    return out


def fresh_start(account: AccountReport, own: Sequence[str], *, has_journal: bool) -> Finding:
    """Whether a start without a journal is safe: refused while the account holds positions.

    `own` are the symbols to trade; coins of a spot account are the user's and do not count.
    """
    held = [p.symbol for p in account.positions if p.quantity != 0 and p.symbol in own]
    if has_journal or not held:
        return Finding("journal", True, "found" if has_journal else "none, and no position is open")
    text = f"the journal is new, and the account holds {', '.join(held)}: name the folder of the run that "
    return Finding("journal", False, text + "opened it with --out, or take it over with --adopt")


def _as_wanted(found: PositionReport, wanted: Wanted) -> bool:
    return found.leverage == wanted.leverage and found.margin_mode == wanted.margin


async def _instrument(venue: Venue, symbol: str, wanted: Wanted, held: PositionReport | None) -> Finding:
    name = f"leverage {symbol}"
    if held is not None and _as_wanted(held, wanted):
        return Finding(name, True, f"{held.leverage}x {held.margin_mode}")
    if held is not None and held.quantity != 0:
        text = f"{held.leverage}x {held.margin_mode} with a position open, wanted {wanted.leverage}x "
        there = f"live.leverage = {held.leverage} and live.margin = {held.margin_mode}"
        return Finding(name, False, f"{text}{wanted.margin}: close it, or set {there}")
    try:
        read = await venue.set_leverage(symbol, wanted.leverage, wanted.margin)
    except VenueError as error:
        said_no = isinstance(error, OrderRejected | Unsupported)
        return Finding(name, False, f"could not be set and read back: {error}", unknown=not said_no)
    if not _as_wanted(read, wanted):
        seen = f"{read.leverage}x {read.margin_mode}"
        return Finding(name, False, f"set to {wanted.leverage}x {wanted.margin}, but {seen} was read back")
    return Finding(name, True, f"set to {wanted.leverage}x {wanted.margin} and read back")


async def preflight(
    venue: Venue, wanted: Mapping[str, Wanted], *, has_journal: bool = True
) -> Sequence[Finding]:
    """Look at the account, set what may be set, read it back. A failed question is a failed finding."""
    try:
        account = await venue.account()
    except VenueError as error:
        return [Finding("account", False, f"could not be read: {error}", unknown=True)]
    findings = [*_modes(account), fresh_start(account, list(wanted), has_journal=has_journal)]
    if venue.capabilities.market == "perp" and all(f.passed for f in findings):
        held = {p.symbol: p for p in account.positions}
        for symbol, modes in wanted.items():
            findings.append(await _instrument(venue, symbol, modes, held.get(symbol)))
    return findings
