"""What the desk has earned: over a window, by groups, trade by trade."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Protocol, TypeVar

from bot.arguments import CSV, PAGE, Base, Count, OneOf, one_of
from bot.catalogue import BadArguments, Effect, command, nearest
from bot.commands.portfolio import candles_since
from bot.pictures import DaysPicture
from bot.reach import Context, Tools
from bot.render.pictures import days_picture, equity_picture, trade_picture
from bot.render.results import group_card, group_file, pnl_card
from bot.render.risk import sizing_lines
from bot.render.trades import trade_card
from bot.render.views import Page, trades_card, trades_file
from bot.render.words import card, counted, money
from bot.results import GROUPS, NOTHING, PERIODS, WINDOWS, Results, dimension, grouped, since
from bot.surface import Card, Role
from storage.tallies import Tally
from trading.errors import Misuse
from trading.model import Trade
from trading.status import DeskStatus


class Named(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=Named)

_SHOWN = 10
_IN_FILE = 5000  # rows
_PIECE = 500  # of them at a time, so that nothing else has to wait for long
WINDOW = OneOf(name="window", help="UTC days; without it all", known=WINDOWS)


# --- /pnl -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """How results are taken apart, and what of that is shown."""

    by: str
    page: int = 1
    csv: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping(Base):
    """ "by pair", "pair page=2", "month csv"."""

    rest: bool = True

    @property
    def range(self) -> str:
        return f"one of {', '.join(GROUPS)}; then page=2, or csv for a file"

    @property
    def choices(self) -> tuple[str, ...]:
        return GROUPS

    def read(self, text: str, tools: Tools) -> Breakdown:
        words = text.split()
        if len(words) > 1 and words[0].lower() == "by":
            del words[0]
        by, page, csv = one_of(words[0], GROUPS, "group"), 1, False
        for word in words[1:]:
            if word.lower() == "csv":
                csv = True
            else:
                page = PAGE.read(word, tools)
        return Breakdown(by=by, page=page, csv=csv)

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:  # noqa: ARG002
        wanted = typed.lower().removeprefix("by").strip()
        return (group for group in GROUPS if wanted in group)


@command(
    "pnl",
    help="Results of the closed trades, over a window or taken apart",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/pnl 30d by pair",
    args=(WINDOW, Grouping(name="by", help="Taken apart by this")),
)
async def pnl(context: Context, window: str = "all", by: Breakdown | None = None) -> Card:
    return await _whole(context, window) if by is None else await _apart(context, window, by)


async def _whole(context: Context, window: str) -> Card:
    figures, now = context.tools.figures, context.desk.status()
    begins = since(window, context.desk.now())
    results = Results(
        window=window,
        total=next(iter(await figures.totals("all", begins)), NOTHING),
        pairs=tuple(await figures.totals("pair", begins)),
        curve=await figures.curve(begins),
        now=context.desk.now(),
    )
    sizing = sizing_lines(now.sized, context.desk.playbook.sizing.method)
    # Of many days this is some work: not on the loop.
    return await asyncio.to_thread(_whole_card, results, now, sizing=sizing, zone=context.about.zone)


def _whole_card(results: Results, now: DeskStatus, *, sizing: tuple[str, ...], zone: tzinfo) -> Card:
    picture = equity_picture(
        results.curve,
        start=results.curve.start,
        now=results.now,
        equity=now.equity,
        title=f"Equity {results.window}, {money(results.total.net)} by closed trades",
    )
    return pnl_card(results, unrealised=_open(now), sizing=sizing, picture=picture, zone=zone)


def _open(now: DeskStatus) -> str:
    if not now.positions:
        return ""
    held = counted(len(now.positions), "position")
    return f"Unrealised {'not known' if now.unrealised is None else money(now.unrealised)} in {held} open"


async def _apart(context: Context, window: str, by: Breakdown) -> Card:
    figures, begins = context.tools.figures, since(window, context.desk.now())
    parts = await figures.totals(dimension(by.by), begins)
    total = next(iter(await figures.totals("all", begins)), NOTHING)
    return await asyncio.to_thread(_apart_card, parts, total, window, by)


def _apart_card(parts: Sequence[Tally], total: Tally, window: str, by: Breakdown) -> Card:
    rows = grouped(parts, by.by)
    if by.csv:
        return card(f"P&L {window} by {by.by}, as a file", file=group_file(rows, window, by.by))
    picture = _bars(parts, window, by.by) if by.by in PERIODS else None
    return group_card(rows, window, by.by, net=total.net, page=by.page, picture=picture)


def _bars(days: Sequence[Tally], window: str, unit: str) -> DaysPicture | None:
    return days_picture(days, unit=unit, title=f"Net by {unit}, {window}")


# --- trades ---------------------------------------------------------------------------------------------------------


@command(
    "trades",
    help="The closed trades, newest first, page by page or as a file",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/trades 5",
    args=(Count(name="n", help="How many to a page; without it 10", most=30), PAGE, CSV),
)
async def trades(context: Context, n: int = _SHOWN, page: int = 1, csv: str = "") -> Card:
    if csv:
        return await asyncio.to_thread(trades_file, await in_pieces(_trades(context)))
    found = await context.records.trades(n + 1, skip=(page - 1) * n)
    line = "/trades" if n == _SHOWN else f"/trades {n}"
    shown = Page(line=line, number=page, more=len(found) > n, zone=context.about.zone)
    return trades_card(found[:n], context.desk.now(), shown)


def _trades(context: Context) -> Callable[[int, int], Awaitable[Sequence[Trade]]]:
    return lambda n, skip: context.records.trades(n, skip=skip)


async def in_pieces(fetch: Callable[[int, int], Awaitable[Sequence[T]]]) -> list[T]:
    """As many as a file takes. `fetch`: how many, and after how many."""
    found: dict[str, T] = {}
    for skip in range(0, _IN_FILE, _PIECE):
        piece = await fetch(_PIECE, skip)
        found |= {row.id: row for row in piece}  # by id: what comes in between moves the others along
        if len(piece) < _PIECE:
            break
    return list(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeName(Base):
    """A closed trade: its id or the beginning of it, or "last"."""

    @property
    def range(self) -> str:
        return "a trade's id, its beginning, or last"

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:  # noqa: ARG002
        return (name for name in ("last",) if typed.lower() in name)


@command(
    "trade",
    help="One closed trade: its orders and fills, why it was left, and its candles",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/trade last",
    args=(TradeName(name="trade", help="Which trade; without it the last"),),
)
async def trade(context: Context, trade: str = "last") -> Card:
    found = await _trade_named(context, trade)
    series = candles_since(context, found.symbol, context.desk.now() - found.opened_at)
    story = await context.records.story(found.id) if series is not None else ()
    return trade_card(
        found,
        orders=await context.records.orders_of(found.id),
        fills=await context.records.fills_of(found.id),
        at=context.desk.now(),
        zone=context.about.zone,
        picture=None if series is None else trade_picture(found, story, series),
    )


async def _trade_named(context: Context, word: str) -> Trade:
    if word.lower() == "last":
        newest = await context.records.trades(1)
        if not newest:
            raise Misuse("no trade has closed yet")
        return newest[0]
    try:
        found = await context.records.trade(word)
    except LookupError as ambiguous:
        raise BadArguments(str(ambiguous)) from ambiguous
    if found is None:
        raise Misuse(await _no_trade(context, word))
    return found


async def _no_trade(context: Context, word: str) -> str:
    """A position that is still open has no trade yet."""
    held = [p for p in context.desk.status().positions if p.position.id.startswith(word.lower())]
    if held:
        return f"{held[0].position.id} is still open; /position shows it"
    close = nearest(word.lower(), [t.id for t in await context.records.trades(50)])
    return f"no closed trade {word[:40]}" + (f"; did you mean {close}?" if close else "")
