"""Views and records as pictures: plain values, drawn elsewhere. None where there is nothing to show. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from bot.pictures import (
    Bar,
    CandlesPicture,
    DaysPicture,
    EquityPicture,
    ExposurePicture,
    Level,
    Mark,
    Score,
    ScoresPicture,
    Use,
)
from bot.render.words import amount, arrow, money, multiple, name_of, percent, price, rounded, share
from storage.tallies import Curve, Tally
from trading.events import Event, OrderFilled, PositionOpened, ProtectionConfirmed, StopMoved
from trading.market.series import Series, aggregate, from_ms, to_ms
from trading.model import ZERO, Direction, Leg, Position, Quote, Symbol, Trade
from trading.status import ExposureView, PositionStatus

BARS = 96  # at most so many in one picture: more are too thin for a phone
_COARSER = (1, 2, 3, 6, 12, 24, 48, 96, 288, 2016)  # of bars of 5 min: up to 8 h, a day, a week
POINTS = 600  # of a curve, about
COLUMNS = 400  # of results
_LONGER = {"day": "week", "week": "month"}
_DAY_ENDS = timedelta(days=1) - timedelta(seconds=1)  # so that the end of a day is still called by its date
_BESIDE = 16  # bars shown before the entry, and after the exit


# --- equity and results -------------------------------------------------------------------------------------------


def equity_picture(
    curve: Curve, *, start: Decimal, now: datetime, equity: Decimal | None, title: str
) -> EquityPicture | None:
    """From `start`, at the beginning of the first day, to `equity` with what is open; None: that is not known now.

    The deepest fall is drawn through its own peak and low, so that the picture says what the card says.
    """
    if not curve.points:
        return None
    first = _begin(curve.points[0].day)
    points = {first: start}
    if curve.fall is not None and first <= curve.fall.since:
        points |= {curve.fall.since: curve.fall.peak, curve.fall.until: curve.fall.low}
    points |= {min(now, _begin(p.day) + _DAY_ENDS): p.equity for p in curve.points}
    if equity is not None:
        points[now] = equity
    if len(points) < 2:
        return None
    at = _thinned(sorted(points), points)
    return EquityPicture(title=title, at=at, equity=tuple(points[a] for a in at))


def _thinned(at: Sequence[datetime], equity: Mapping[datetime, Decimal]) -> tuple[datetime, ...]:
    """Of more moments than can be told apart the highest and the lowest of each few: no peak and no fall is lost."""
    few = -(-2 * len(at) // POINTS)
    if few <= 2:
        return tuple(at)
    parts = (at[n : n + few] for n in range(0, len(at), few))
    kept = {extreme(part, key=equity.__getitem__) for part in parts for extreme in (min, max)}
    return tuple(sorted(kept | {at[0], at[-1]}))


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def days_picture(tallies: Sequence[Tally], *, unit: str, title: str) -> DaysPicture | None:
    """`unit`: "day", "week" or "month"; tallies of days are summed to it, and to the next longer one where that would
    still be more than can be told apart.
    """
    net: dict[date, Decimal] = defaultdict(Decimal)
    for tally in tallies:
        net[_period(tally.key, unit)] += tally.net
    if len(net) < 2:
        return None
    if len(net) > COLUMNS and unit in _LONGER:
        return days_picture(tallies, unit=_LONGER[unit], title=f"{title}, summed by {_LONGER[unit]}")
    days = tuple(sorted(net))
    return DaysPicture(title=title, days=days, net=tuple(net[d] for d in days), unit=unit)


def _period(key: str, unit: str) -> date:
    """The first day of the period that "2026-01-05", "2026-W02" or "2026-01" lies in."""
    day = date.fromisoformat(f"{key}-01" if len(key) == len("2026-01") else key)
    match unit:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case _:
            return day


# --- candles ------------------------------------------------------------------------------------------------------


def candles_picture(symbol: Symbol, series: Series, *, bars: int, title: str) -> CandlesPicture | None:
    """The last bars of an instrument. Many are joined to fewer, longer ones."""
    return _candles(series.rows(max(0, len(series) - bars), len(series)), title=title or name_of(symbol))


def _candles(series: Series, *, title: str) -> CandlesPicture | None:
    if not len(series):
        return None
    fit = _fitting(series)
    candles = (fit.candle(row) for row in range(len(fit)))
    bars = tuple(Bar(at=c.opened_at, open=c.open, high=c.high, low=c.low, close=c.close) for c in candles)
    return CandlesPicture(title=title, every=fit.every, bars=bars)


def _fitting(series: Series) -> Series:
    times = next((n for n in _COARSER if len(series) <= n * BARS), _COARSER[-1])
    return aggregate(series, series.every * times)


def _from(series: Series, begin: datetime) -> Series:
    """The bars from a little before `begin` on."""
    beside = max(_BESIDE * series.every, (from_ms(series.closed[-1]) - begin) / 5) if len(series) else series.every
    first = int(series.closed.searchsorted(to_ms(begin - beside), side="right"))
    return series.rows(min(first, max(0, len(series) - _BESIDE)), len(series))


def _around(series: Series, begin: datetime, end: datetime) -> Series:
    """The bars from a little before `begin` to a little after `end`; none where that time lies outside the series."""
    if not ((series.closed > to_ms(begin)) & (series.opened < to_ms(end))).any():
        return series.rows(0, 0)
    last = int(series.opened.searchsorted(to_ms(end + max(_BESIDE * series.every, (end - begin) / 5))))
    return _from(series.rows(0, last), begin)


# --- positions and trades -----------------------------------------------------------------------------------------


def position_picture(
    position: Position, story: Sequence[Event], series: Series, *, quote: Quote | None
) -> CandlesPicture | None:
    """An open position: what was filled of it, where its stop stood, what it aims at, where the mark is."""
    drawn = _candles(_from(series, position.opened_at), title=_position_title(position, quote))
    if drawn is None:
        return None
    levels = [
        Level(since=position.opened_at, until=None, price=position.entry, kind="entry"),
        *_stops(story, until=None, stands=position),
        Level(since=position.opened_at, until=None, price=position.protection.target, kind="target"),
    ]
    if quote is not None:
        levels.append(Level(since=position.opened_at, until=None, price=quote.mark, kind="mark"))
    marks = _marks(story, position.entry_quantity, exit_label="exit")
    return replace(drawn, direction=position.direction, levels=tuple(levels), marks=tuple(marks))


def _position_title(position: Position, quote: Quote | None) -> str:
    move = "" if quote is None else f" {percent(position.move(quote.mark))} {money(position.unrealised(quote.mark))}"
    return f"{_head(position.symbol, position.direction)}{move}"


def trade_picture(trade: Trade, story: Sequence[Event], series: Series) -> CandlesPicture | None:
    """A closed trade, with why it was left."""
    title = f"{_head(trade.symbol, trade.direction)} {money(trade.net)} ({multiple(trade.r)}), {trade.reason}"
    drawn = _candles(_around(series, trade.opened_at, trade.closed_at), title=title)
    if drawn is None:
        return None
    closed = trade.closed_at
    held = next((e.position for e in reversed(story) if isinstance(e, _HOLDING)), None)
    levels = [Level(since=trade.opened_at, until=closed, price=trade.entry, kind="entry")]
    if held is not None:
        levels += _stops(story, until=closed, stands=held)
        levels.append(Level(since=trade.opened_at, until=closed, price=held.protection.target, kind="target"))
    marks = _marks(story, trade.quantity, exit_label=trade.reason) or (
        Mark(at=trade.opened_at, price=trade.entry, kind="entry"),
        Mark(at=closed, price=trade.exit, kind="exit", label=trade.reason),
    )
    return replace(drawn, direction=trade.direction, levels=tuple(levels), marks=tuple(marks))


_HOLDING = (PositionOpened, ProtectionConfirmed, StopMoved)


def _head(symbol: Symbol, direction: Direction) -> str:
    return f"{arrow(direction)} {name_of(symbol)} {direction}"


def _stops(story: Iterable[Event], *, until: datetime | None, stands: Position) -> list[Level]:
    """Where the stop stood, one level after the other. `stands`: the position at the end of the story."""
    moves = [e for e in story if isinstance(e, StopMoved)]
    at = [stands.opened_at, *(e.at for e in moves)]
    prices = [moves[0].before if moves else stands.protection.stop, *(e.position.protection.stop for e in moves)]
    ends = [*at[1:], until]
    return [
        Level(since=since, until=end, price=price, kind="stop")
        for since, end, price in zip(at, ends, prices, strict=True)
    ]


_KINDS = {Leg.ENTRY: "entry", Leg.PARTIAL: "partial"}


def _marks(story: Iterable[Event], whole: Decimal, *, exit_label: str) -> tuple[Mark, ...]:
    """One mark an order that was filled, at the average price of its fills. `whole`: what was entered."""
    filled: dict[str, list[OrderFilled]] = defaultdict(list)
    for event in story:
        if isinstance(event, OrderFilled):
            filled[event.order.client_id].append(event)
    return tuple(_mark(fills, whole, exit_label) for fills in filled.values())


def _mark(fills: Sequence[OrderFilled], whole: Decimal, exit_label: str) -> Mark:
    quantity = sum((e.fill.quantity for e in fills), ZERO)
    kind = _KINDS.get(fills[0].order.leg, "exit")
    label = {"entry": "entry", "partial": f"{share(quantity / whole)} out"}.get(kind, exit_label)
    return Mark(
        at=fills[-1].fill.at,
        price=sum((e.fill.price * e.fill.quantity for e in fills), ZERO) / quantity,
        kind=kind,
        label=label,
    )


# --- personas and exposure ----------------------------------------------------------------------------------------


def scores_picture(scores: Sequence[Score], title: str) -> ScoresPicture | None:
    """The personas that have a record, as they stand."""
    counted = tuple(s for s in scores if s.n)
    return ScoresPicture(title=title, scores=counted) if counted else None


def exposure_picture(view: ExposureView, held: Sequence[PositionStatus] = ()) -> ExposurePicture | None:
    """`held`: the open positions, for the notional of each; without them each side is one sum."""
    notionals = _by_instrument(held) or _by_side(view)
    uses = [_use("margin", view.margin_used, view.max_margin), _use("gross", view.gross, view.budget)]
    uses += [_use(_limit_name(u.limit, u.name), u.used, u.allowed) for u in view.uses]
    limits = tuple(use for use in uses if use is not None)
    if not any(notional for _, notional in notionals):
        return None
    equity = "" if view.equity is None else f", equity {amount(view.equity)}"
    gross = "Exposure" if view.gross is None else f"Exposure {amount(view.gross)}"
    return ExposurePicture(title=f"{gross}{equity}", notionals=notionals, uses=limits)


def _by_instrument(held: Sequence[PositionStatus]) -> tuple[tuple[str, Decimal], ...]:
    """Nothing where a mark is missing: a part of it would be a wrong picture."""
    known = [(v.position, v.quote) for v in held]
    return (
        tuple(
            (f"{name_of(p.symbol)} {p.direction}", p.quantity * quote.mark * p.direction.sign)
            for p, quote in known
            if quote is not None
        )
        if all(quote is not None for _, quote in known)
        else ()
    )


def _by_side(view: ExposureView) -> tuple[tuple[str, Decimal], ...]:
    if view.gross is None or view.net is None:
        return ()
    return ("long", (view.gross + view.net) / 2), ("short", (view.net - view.gross) / 2)


def _use(name: str, used: Decimal | None, limit: Decimal | None) -> Use | None:
    if used is None or limit is None or limit <= 0:
        return None
    decimals = 0 if limit >= 1000 else 2
    text = f"{price(rounded(used, decimals))} of {price(rounded(limit, decimals))}"
    return Use(name=name, used=float(used), limit=float(limit), text=text)


def _limit_name(limit: str, name: str) -> str:
    """asset BTC; group BTC, ETH net long."""
    return f"{limit.removesuffix(' share').removeprefix('correlated ')} {name}".rstrip()
