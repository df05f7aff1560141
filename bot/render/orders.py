"""What people order by hand, in words: closing, flattening, entering, locking, and a second person's yes. Pure.

`ORDERS` is this file's part of the alerts.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from bot.render.paging import page_buttons, page_of, page_words
from bot.render.positions import UNKNOWN, position_title, refresh
from bot.render.views import DecisionLine
from bot.render.words import RenderContext, Renderer, card, clock, confidence, counted, money, name_of, price
from bot.surface import CANCEL, CONFIRM, Button, Card, Style
from trading import events as m
from trading.model import Direction, Quote, Symbol
from trading.state import PairLock
from trading.status import DeskStatus, PositionStatus

# --- /flatten -----------------------------------------------------------------------------------------------------


def flatten_lines(status: DeskStatus) -> tuple[str, ...]:
    """Every position with its result at this moment, the sum, and the entries that would be withdrawn."""
    total = _total(status.positions)
    return (
        *(f"{position_title(view)}, {view.position.id}" for view in status.positions),
        f"Together {UNKNOWN if total is None else money(total)}, before fees and slippage" if status.positions else "",
        f"Entries on their way, to be withdrawn: {len(status.pending)}" if status.pending else "",
    )


def _total(views: Sequence[PositionStatus]) -> Decimal | None:
    results = [None if v.quote is None else v.position.unrealised(v.quote.mark) for v in views]
    return None if None in results else sum((r for r in results if r is not None), Decimal(0))


def _flattened(event: m.Flattened, _: RenderContext) -> Card:
    closing = counted(len(event.positions), "position")
    return card(
        f"FLATTEN by {event.by}",
        f"Closing {closing} at the market: {', '.join(event.positions)}" if event.positions else "Nothing was open.",
        f"Entries on their way, withdrawn: {event.withdrawn}" if event.withdrawn else "",
        "Halted: no new entries.",
        "/resume starts entries again; it asks first.",
        buttons=(Button(label="Positions", data="do:/positions"),),
    )


# --- /enter -------------------------------------------------------------------------------------------------------


def enter_lines(quote: Quote, last: DecisionLine | None, zone: tzinfo = UTC) -> tuple[str, ...]:
    """Where the market stands, what the panel said last, and who decides."""
    base = name_of(quote.symbol)
    panel = f"The panel has not decided about {base} yet."
    if last is not None:
        denied = f" ({last.action})" if last.outcome == "denied" else ""
        at = clock(last.at, today=quote.at, zone=zone)
        panel = f"The panel's last word: {last.outcome}{denied} {confidence(last.confidence)} at {at}, {last.id}"
    return (
        f"Mark {price(quote.mark)}, bid {price(quote.bid)}, ask {price(quote.ask)}",
        panel,
        "The panel is asked again and recorded; the side is yours. Size, limits, breaker and locks decide as ever.",
    )


# --- /locks -------------------------------------------------------------------------------------------------------

_LOCKS_SHOWN = 8
_LOCKS = Button(label="Locks", data="do:/locks")


def unlock_button(symbol: Symbol) -> Button:
    return Button(label=f"Unlock {name_of(symbol)}", data=f"do:/unlock {name_of(symbol)}")


def lock_line(lock: PairLock, at: datetime, zone: tzinfo = UTC) -> str:
    """BTC long: until 14:05 UTC, by Ana (telegram:7): news."""
    until = "until it is unlocked" if lock.until is None else f"until {clock(lock.until, today=at, zone=zone)}"
    because = f": {lock.reason}" if lock.reason else ""
    return f"{_locked(lock.symbol, lock.direction)}: {until}, by {lock.by}{because}"


def _locked(symbol: Symbol, direction: Direction | None) -> str:
    return f"{name_of(symbol)} {direction or 'both sides'}"


def locks_card(locks: Sequence[PairLock], at: datetime, *, page: int = 1, zone: tzinfo = UTC) -> Card:
    if not locks:
        return card("no pair is locked", "/pause PAIR keeps the desk out of one, at once.", buttons=(refresh("locks"),))
    shown, page, pages = page_of(locks, page, _LOCKS_SHOWN)
    symbols = dict.fromkeys(lock.symbol for lock in shown)
    return card(
        f"{counted(len(locks), 'lock')}: {', '.join(name_of(s) for s in dict.fromkeys(k.symbol for k in locks))}",
        *(lock_line(lock, at, zone) for lock in shown),
        page_words(page, pages),
        "No new entries there. Exits and protection go on.",
        buttons=(
            refresh("locks"),
            *(unlock_button(symbol) for symbol in symbols),
            *page_buttons("/locks", page, pages, file=False),
        ),
    )


def _pair_locked(event: m.PairLocked, about: RenderContext) -> Card:
    until = "until it is unlocked"
    if event.until is not None:
        until = f"until {clock(event.until, today=event.at, zone=about.zone)}"
    return card(
        f"{_locked(event.symbol, event.direction)} locked {until}",
        f"By {event.by}" + (f": {event.reason}" if event.reason else ""),
        "No new entries there. Exits and protection go on.",
        buttons=(unlock_button(event.symbol), _LOCKS),
    )


def _pair_unlocked(event: m.PairUnlocked, _: RenderContext) -> Card:
    return card(
        f"{name_of(event.symbol)} unlocked by {event.by}",
        "The desk may enter there again, where nothing else holds it back.",
        buttons=(_LOCKS,),
    )


# --- a second person ----------------------------------------------------------------------------------------------


def approval_card(event: m.ApprovalAsked, about: RenderContext) -> Card:
    """Where the first one stands, and for everybody else."""
    return card(
        f"APPROVE? {event.what}",
        f"{event.by} asks to {event.what}: after SHUTDOWN two people have to say yes.",
        f"Anybody else who may do that can approve it, once, until {clock(event.until, zone=about.zone)}.",
        "Nothing has been done yet.",
        buttons=(
            Button(label="Approve", data=f"{CONFIRM}{event.token}", style=Style.DANGER),
            Button(label="Decline", data=f"{CANCEL}{event.token}"),
            Button(label="Breaker", data="do:/breaker"),
        ),
    )


ORDERS: dict[type[m.Event], Renderer] = {
    m.Flattened: _flattened,
    m.PairLocked: _pair_locked,
    m.PairUnlocked: _pair_unlocked,
    m.ApprovalAsked: approval_card,
}
