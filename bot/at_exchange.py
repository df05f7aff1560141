"""An account, looked at and tidied without a desk: for the day on which no chat answers. The desk may run or not.

A desk that runs books what is closed here (closing.py) as closed at the venue, and what is cancelled here as gone.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.doctor_account import leftovers
from trading.errors import GavelError, OrderRejected, Transient, UnknownOutcome
from trading.model import Direction, OrderKind, Symbol
from trading.venues.exchange.profile import Profile
from trading.venues.exchange.wire import Code, Held, Seen
from trading.venues.paper_book import Account as PaperAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An open position. None: not told, or could not be read."""

    symbol: Symbol
    direction: Direction
    quantity: Decimal
    entry: Decimal
    mark: Decimal | None = None
    liquidation: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    guards_known: bool = True  # else whether there is a stop could not be read

    @property
    def unrealised(self) -> Decimal | None:
        return None if self.mark is None else (self.mark - self.entry) * self.quantity * self.direction.sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """An order that may still do something."""

    symbol: Symbol
    id: str  # ours where it has one, else the exchange's
    kind: OrderKind
    side: str
    quantity: Decimal  # 0: all of the position
    filled: Decimal
    price: Decimal | None  # limit or trigger
    reduce_only: bool


# --- looking ----------------------------------------------------------------------------------------------------------


async def standing(profile: Profile) -> tuple[Standing, ...]:
    """Raises Transient, OrderRejected where the positions themselves cannot be read; all else may be missing."""
    held = await profile.positions()
    working, marks = await asyncio.gather(
        _working_or_none(profile), asyncio.gather(*(_mark(profile, h.symbol) for h in held))
    )
    return tuple(_standing(h, mark, working) for h, mark in zip(held, marks, strict=True))


async def orders(profile: Profile) -> tuple[Working, ...]:
    return tuple(as_working(seen) for seen in await profile.working())


async def _working_or_none(profile: Profile) -> tuple[Seen, ...] | None:
    try:
        return await profile.working()
    except GavelError:
        return None


async def _mark(profile: Profile, symbol: Symbol) -> Decimal | None:
    try:
        return (await profile.quote(symbol)).mark
    except GavelError:
        return None


def _standing(held: Held, mark: Decimal | None, working: Sequence[Seen] | None) -> Standing:
    return Standing(
        symbol=held.symbol,
        direction=held.direction,
        quantity=held.quantity,
        entry=held.entry,
        mark=mark,
        liquidation=held.liquidation,
        stop=held.stop or _guard(held, OrderKind.STOP, working or ()),
        target=held.target or _guard(held, OrderKind.TAKE_PROFIT, working or ()),
        guards_known=working is not None,
    )


def _guard(held: Held, kind: OrderKind, working: Iterable[Seen]) -> Decimal | None:
    """The one that would fire first."""
    levels = [
        seen.trigger
        for seen in working
        if seen.symbol == held.symbol and seen.kind is kind and seen.side is held.direction.exit and seen.trigger
    ]
    highest_first = (kind is OrderKind.STOP) == (held.direction is Direction.LONG)
    return (max if highest_first else min)(levels, default=None)


def as_working(seen: Seen) -> Working:
    return Working(
        symbol=seen.symbol,
        id=seen.client_id or seen.id,
        kind=seen.kind,
        side=seen.side.value,
        quantity=seen.quantity,
        filled=seen.filled,
        price=seen.trigger if seen.trigger is not None else seen.price,
        reduce_only=seen.reduce_only,
    )


# --- the account on paper, as its file has it -----------------------------------------------------------------------


def paper_standing(account: PaperAccount) -> tuple[Standing, ...]:
    found = []
    for symbol, held in sorted(account.positions.items()):
        guards = {t.order.kind: t.order.trigger for t in account.resting(symbol) if t.order.reduce_only}
        quote = account.market(symbol).quote
        found.append(
            Standing(
                symbol=symbol,
                direction=held.direction,
                quantity=held.quantity,
                entry=held.cost / held.quantity,
                mark=quote.mark if quote else None,
                stop=guards.get(OrderKind.STOP),
                target=guards.get(OrderKind.TAKE_PROFIT),
            )
        )
    return tuple(found)


def paper_orders(account: PaperAccount) -> tuple[Working, ...]:
    return tuple(
        Working(
            symbol=order.symbol,
            id=order.client_id,
            kind=order.kind,
            side=order.side.value,
            quantity=order.quantity,
            filled=order.filled,
            price=order.trigger if order.trigger is not None else order.price,
            reduce_only=order.reduce_only,
        )
        for order in (ticket.order for ticket in account.all_resting())
    )


# --- tidying ----------------------------------------------------------------------------------------------------------


async def left_over(profile: Profile) -> tuple[Seen, ...]:
    """Orders of ours where nothing is open. Positions are read last: what was opened meanwhile keeps its guards."""
    working = await profile.working()
    return leftovers(working, await profile.positions())


async def cancel_all(profile: Profile, found: Iterable[Seen]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that are gone now, and in words those of which that is not known."""
    gone, faults = [], []
    for seen in found:
        name = seen.client_id or seen.id
        try:
            await profile.cancel(seen)
        except OrderRejected as no:
            if no.code != Code.GONE:
                faults.append(f"{name} is not cancelled: {no}")
                continue
        except (Transient, UnknownOutcome) as failed:
            faults.append(f"whether {name} is cancelled is not known: {failed}")
            continue
        gone.append(name)
    return tuple(gone), tuple(faults)
